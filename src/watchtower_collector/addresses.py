"""IP addresses as 16 bytes that sort like the addresses, so that a network is one range.

IPv4 is written as IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2).
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

NO_ADDRESS = "unknown"
_MAPPED = bytes(10) + b"\xff\xff"
_BEFORE_MAPPED = bytes(10) + b"\xff\xfe\xff\xff\xff\xff"
_AFTER_MAPPED = bytes(9) + b"\x01" + bytes(6)


def sortable_bytes(text: str) -> bytes | None:
    """Return the 16 bytes of an address, without its zone; ``None`` when it is no address."""
    # The system's reading is a tenth of the cost of ipaddress's, and the same.
    address = text.partition("%")[0]
    try:
        if ":" in address:
            return socket.inet_pton(socket.AF_INET6, address)
        return _MAPPED + socket.inet_pton(socket.AF_INET, address)
    except (OSError, ValueError):
        return None


def is_mapped(address: bytes) -> bool:
    """Return whether sortable bytes are those of an IPv4 address."""
    return address.startswith(_MAPPED)


def client_address(scope: Scope) -> str:
    """Return the address that a request came from, without its zone, else ``NO_ADDRESS``.

    A client on loopback may claim any text in ``X-Forwarded-For``: only an address is taken.
    """
    client = scope.get("client")
    address: str = client[0].partition("%")[0] if client else ""
    return NO_ADDRESS if sortable_bytes(address) is None else address


def network_range(text: str) -> tuple[bytes, bytes]:
    """Return the first and the last address, as sortable bytes, of an address or a CIDR network.

    Raises:
        ValueError: ``text`` is neither.
    """
    address, _, zone = text.partition("%")
    if "/" in zone:
        raise ValueError(f"a zone has no prefix: {text!r}")
    network = ip_network(address, strict=False)
    first, last = network.network_address.packed, network.broadcast_address.packed
    if isinstance(network, IPv4Network):
        return _MAPPED + first, _MAPPED + last
    return first, last


def network_ranges(text: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the ranges of an address or a CIDR network, as ``network_range`` does.

    They are two where a network of IPv6 reaches around the mapped addresses, which stand for IPv4:
    all of IPv6 is not all of IPv4. Who asks for mapped addresses themselves gets them.

    Raises:
        ValueError: ``text`` is neither.
    """
    first, last = network_range(text)
    if not first < _MAPPED <= last[: len(_MAPPED)]:
        return ((first, last),)
    around = (first, _BEFORE_MAPPED), (_AFTER_MAPPED, last)
    return tuple(one for one in around if one[0] <= one[1])
