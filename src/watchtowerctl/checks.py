"""The steps of ``watchtowerctl check``."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

from watchtowerctl.api import Api, one_object, trust
from watchtowerctl.errors import UNAVAILABLE, CommandError
from watchtowerctl.moments import show
from watchtowerctl.version import read_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from watchtowerctl.configuration import Configuration

CLOCK_SECONDS = 2  # Date has whole seconds, and is written once a second
_RENEWED = 0.1  # Caddy renews when a third of a certificate's time is left


@dataclass(frozen=True, slots=True)
class Step:
    """What was looked at, and what came of it."""

    verdict: Literal["OK", "WARN", "FAIL"]
    name: str
    words: str


def run_checks(configuration: Configuration) -> Iterator[Step]:
    """Give step after step, until one fails that the next ones need."""
    name = "Settings"
    try:
        configuration.read()
        name = "Address"
        url, source = configuration.url()
        yield Step("OK", name, f"{url} ({source})")
        name = "CA"
        ca_file = configuration.ca_file()
        yield Step("OK", name, _trusted(url, ca_file))
        path = None if ca_file is None else ca_file[0]
        name = "Answer"
        yield from _look(Api(url, "", path))
        name = "Key"
        key, source = configuration.key()
        api = Api(url, key, path)
        api.ask("GET", "/events", [("limit", "1")])
        yield Step("OK", name, f"accepted ({source})")
        name = "Version"
        yield _compare(api)
    except CommandError as error:
        yield Step("FAIL", name, str(error))


def _trusted(url: str, ca_file: tuple[Path, str] | None) -> str:
    if url.startswith("http:"):
        return "not needed: the connection does not leave this machine"
    trust(None if ca_file is None else ca_file[0])
    return "the authorities of this machine" if ca_file is None else f"{ca_file[0]} ({ca_file[1]})"


def _look(api: Api) -> Iterator[Step]:
    """Ask ``/healthz``, which needs no key, and look at all that the answer tells."""
    asked = datetime.now(UTC)
    with api.open("GET", "/healthz", accept=(503,)) as response:
        answered = datetime.now(UTC)
        yield Step("OK", "Answer", f"from {api.url}")
        if api.url.startswith("https:"):
            yield _certificate(response, answered)
        document = one_object(api.document(response), api.url)
    if response.status_code == 200 and document.get("status") == "ok":
        yield Step("OK", "Health", "events can be stored")
    else:
        reason = document.get("reason", "no reason is given")
        words = f"events cannot be stored: {reason}; docs/api/collector-api.md says where to look"
        yield Step("FAIL", "Health", f"{words}. Agents keep theirs")
    yield _clock(response.headers.get("Date", ""), asked, answered)


def _certificate(response: httpx.Response, now: datetime) -> Step:
    connection = response.extensions["network_stream"].get_extra_info("ssl_object")
    certificate = connection.getpeercert()
    begin, end = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate[name])), UTC)
        for name in ("notBefore", "notAfter")
    )
    words = f"{connection.version()}, certificate valid until {show(end)}"
    if end - now < _RENEWED * (end - begin):
        return Step("WARN", "TLS", f"{words}: Caddy should have renewed it; look at its journal")
    return Step("OK", "TLS", words)


def _clock(date: str, asked: datetime, answered: datetime) -> Step:
    try:
        theirs = parsedate_to_datetime(date)
        # Our own time is somewhere between: the nearest end is what it differs by at least.
        nearest = min(max(theirs, asked), answered)
        seconds = (nearest - theirs).total_seconds()
    except (ValueError, TypeError):
        return Step("WARN", "Clock", "the answer has no usable Date")
    if abs(seconds) <= CLOCK_SECONDS:
        return Step("OK", "Clock", "agrees with the collector's to two seconds")
    side = "ahead of" if seconds > 0 else "behind"
    words = (
        f"{abs(seconds):.0f} seconds {side} the collector's: --since 5m means another time there"
    )
    return Step("WARN", "Clock", f"{words}; see timedatectl on both")


def _compare(api: Api) -> Step:
    ours = read_version()
    try:
        information = one_object(api.ask("GET", "/openapi.json"), api.url).get("info")
    except CommandError as error:
        if error.status != UNAVAILABLE:
            raise
        return Step("WARN", "Version", f"the collector does not tell; this is {ours}")
    theirs = information.get("version") if isinstance(information, dict) else None
    if theirs == ours:
        return Step("OK", "Version", ours)
    words = f"the collector is {theirs}, this is {ours}: install the collector's"
    return Step("WARN", "Version", words)
