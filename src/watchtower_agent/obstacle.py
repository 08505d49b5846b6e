"""Why the collector could not be reached, in words, and what to do about it."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from watchtower_agent.lean_requests import requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SHOWN_CHARACTERS = 200

# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_NOT_YET_VALID = 9
_EXPIRED = 10
WRONG_NAME = (62, 64)


class Obstacle(NamedTuple):
    """What stands in the way, and the way around it; parts of a sentence, without a full stop."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}"


class Target(NamedTuple):
    """Where a connection was to go, and whom to trust there."""

    url: str
    ca_file: Path | None

    @property
    def host(self) -> str:
        """The host name or address alone."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port, 443 where none is written."""
        return urlsplit(self.url).port or 443

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def obstacle_of(error: BaseException, target: Target) -> Obstacle:
    """Return what an exception of ``requests``, ssl or socket means."""
    causes = list(_causes(error))
    if _innermost(causes, requests.exceptions.ProxyError) is not None:
        return Obstacle(
            f"the proxy did not let it through to {target} ({_words(causes[-1])})",
            "check HTTPS_PROXY and NO_PROXY in the unit ('systemctl cat watchtower-agent')",
        )
    # urllib3 before 2.0 compares the names itself. What it raises is its own or, from ssl's
    # family, one without OpenSSL's code.
    if type(causes[-1]).__name__ == "CertificateError":
        return _wrong_name(target)
    for kind, explain in (
        (ssl.SSLCertVerificationError, _certificate),
        (ssl.SSLError, _tls),
        (OSError, _network),
    ):
        cause = _innermost(causes, kind)
        found = None if cause is None else explain(cause, target)
        if found is not None:
            return found
    if _innermost(causes, requests.exceptions.ConnectTimeout) is not None:
        return _silence(target)
    if _innermost(causes, (requests.exceptions.Timeout, socket.timeout)) is not None:
        return Obstacle(
            f"{target} was reached and did not answer in time",
            "look at the collector's journal: journalctl -u watchtower-collector -u caddy there",
        )
    return Obstacle(
        _words(causes[-1]),
        f"try 'curl -v {target.url}/healthz' on this host",
    )


def _certificate(error: BaseException, target: Target) -> Obstacle | None:
    """Tell the ways apart in which a certificate can fail."""
    code = getattr(error, "verify_code", None)
    # Only the date: the same trouble is said once, and the time is another one at each attempt.
    today = time.strftime("%Y-%m-%d", time.gmtime())
    if code == _NOT_YET_VALID:
        return Obstacle(
            f"the certificate of {target} is not yet valid, and this host's clock says {today}",
            "if that is wrong, set the clock (timedatectl); else the collector's clock is ahead",
        )
    if code == _EXPIRED:
        return Obstacle(
            f"the certificate of {target} has expired, and this host's clock says {today}",
            "if that is wrong, set the clock (timedatectl); if not, renew the certificate: Caddy "
            "does so by itself, and its journal says why it did not",
        )
    if code is None or code in WRONG_NAME:
        return _wrong_name(target)
    why = getattr(error, "verify_message", "unknown")
    if target.ca_file is None:
        return Obstacle(
            f"the certificate of {target} is not from a CA that this host trusts ({why})",
            "if the collector has a CA of its own, set WATCHTOWER_CA_FILE to its certificate",
        )
    return Obstacle(
        f"the certificate of {target} is not from the CA in {target.ca_file} ({why})",
        "if the collector has a new CA, run playbooks/site.yml, which pins it; if it has not, "
        "somebody else answers there",
    )


def _wrong_name(target: Target) -> Obstacle:
    return Obstacle(
        f"the certificate of {target} is for another name",
        "put the name that stands in the certificate into WATCHTOWER_COLLECTOR_URL, or this one "
        "into watchtower_caddy_site_address, and run playbooks/site.yml",
    )


def _tls(error: BaseException, target: Target) -> Obstacle | None:
    reason = getattr(error, "reason", "") or ""
    if isinstance(error, ssl.SSLEOFError):
        return _hang_up(target)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return Obstacle(
            f"what answers at {target} does not speak TLS",
            "correct the port in WATCHTOWER_COLLECTOR_URL",
        )
    return Obstacle(
        f"{target} and this host agree on no TLS ({reason or _words(error)})",
        f"try 'openssl s_client -connect {target}' on this host",
    )


def _network(error: BaseException, target: Target) -> Obstacle | None:
    if isinstance(error, socket.gaierror):
        return Obstacle(
            f"the name {target.host} is not found ({error.strerror})",
            f"try 'getent hosts {target.host}'; mend DNS or /etc/hosts on this host, or the name "
            "in WATCHTOWER_COLLECTOR_URL",
        )
    if isinstance(error, ConnectionRefusedError):
        return Obstacle(
            f"{target} refused the connection",
            "start Caddy on the collector's host, open its firewall, or correct the port in "
            "WATCHTOWER_COLLECTOR_URL",
        )
    number = getattr(error, "errno", None)
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return Obstacle(
            f"there is no way to {target} ({getattr(error, 'strerror', '')})",
            f"look at this host's network: ip route get {target.host}",
        )
    if number == errno.ETIMEDOUT:
        return _silence(target)
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return _hang_up(target)
    return None


def _hang_up(target: Target) -> Obstacle:
    return Obstacle(
        f"{target} ended the connection",
        "look at Caddy's journal on the collector's host, and at firewalls in between",
    )


def _silence(target: Target) -> Obstacle:
    return Obstacle(
        f"{target} does not answer",
        "a firewall in between drops what is sent, or the collector's host is down",
    )


def _innermost(
    causes: list[BaseException], kind: type[BaseException] | tuple[type[BaseException], ...]
) -> BaseException | None:
    return next((cause for cause in reversed(causes) if isinstance(cause, kind)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it wraps, from the outside in."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        wrapped = [current.__cause__, current.__context__, getattr(current, "reason", None)]
        wrapped += [a for a in current.args if isinstance(a, BaseException)]
        current = next(
            (w for w in wrapped if isinstance(w, BaseException) and id(w) not in seen), None
        )


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_SHOWN_CHARACTERS]
