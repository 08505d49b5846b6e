"""Goes the way to the collector step by step: CA, name, connection, certificate, token, clock."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

from watchtower_agent.check_result import FAIL, OK, WARN, Result
from watchtower_agent.clock import moment, span
from watchtower_agent.collector import CONNECT_SECONDS, Answer, Collector, Verdict
from watchtower_agent.obstacle import WRONG_NAME, Target, obstacle_of
from watchtower_agent.status import CLOCK_SECONDS
from watchtower_agent.version import read_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watchtower_agent.settings import Settings

_PIN = "run playbooks/site.yml, which fetches the collector's CA and pins it"


def check_collector(settings: Settings) -> Iterator[Result]:
    """Check until something fails; nothing is stored at the collector.

    Behind a proxy, only the request as a whole can be tried.
    """
    target = Target(settings.collector_url, settings.ca_file)
    if settings.ca_file is not None:
        found = _check_ca(settings.ca_file)
        yield found
    collector = Collector(
        settings.collector_url, settings.agent_token, settings.ca_file, read_version()
    )
    try:
        proxy = collector.proxy()
        if proxy is not None:
            yield Result(OK, f"proxy: requests go through {_without_password(proxy)}")
        else:
            for found in _check_connection(target):
                yield found
                if found.failed:
                    return
        yield from _check_requests(collector)
    finally:
        collector.close()


def _check_ca(file: Path) -> Result:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(file))
    certificates = context.get_ca_certs()
    now = time.time()
    begins = [ssl.cert_time_to_seconds(str(each["notBefore"])) for each in certificates]
    ends = [ssl.cert_time_to_seconds(str(each["notAfter"])) for each in certificates]
    if not certificates:
        return Result(WARN, f"{file}: it holds a certificate, but not a CA's", _PIN)
    if max(ends) < now:
        return Result(
            FAIL, f"{file}: the CA's certificate has expired on {moment(max(ends))}", _PIN
        )
    if min(begins) > now:
        what = f"{file}: the CA's certificate is valid from {moment(min(begins))} on only"
        return Result(FAIL, what, f"set this host's clock, which says {moment(now)}: timedatectl")
    return Result(OK, f"{file}: a CA's certificate, valid until {moment(max(ends))}")


def _check_connection(target: Target) -> Iterator[Result]:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        addresses = sorted({str(address[4][0]) for address in found})
        yield Result(OK, f"name: {target.host} is {', '.join(addresses)}")
        with socket.create_connection((target.host, target.port), CONNECT_SECONDS) as connection:
            yield Result(OK, f"connection: {target} takes connections")
            with _context(target).wrap_socket(
                connection, server_hostname=target.host
            ) as encrypted:
                certificate = encrypted.getpeercert() or {}
        end = moment(ssl.cert_time_to_seconds(str(certificate["notAfter"])))
        what = f"certificate: it is {target.host}'s, from the CA, valid until {end}"
        yield Result(OK, what)
    except (OSError, UnicodeError) as error:
        what, fix = obstacle_of(error, target)
        if getattr(error, "verify_code", None) in WRONG_NAME:
            what += f"; it is for {', '.join(_names(target)) or 'none'}"
        yield Result(FAIL, what, fix)


def _context(target: Target) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if target.ca_file is not None:
        context.load_verify_locations(str(target.ca_file))
    else:
        context.load_default_certs()
    return context


def _names(target: Target) -> list[str]:
    """Return the names in the certificate of a collector whose CA is right."""
    context = _context(target)
    context.check_hostname = False
    try:
        connection = socket.create_connection((target.host, target.port), CONNECT_SECONDS)
        with connection, context.wrap_socket(connection, server_hostname=target.host) as encrypted:
            certificate = encrypted.getpeercert() or {}
    except OSError:
        return []
    names = certificate.get("subjectAltName", ())
    return [str(name[1]) for name in names if isinstance(name, tuple)]


def _check_requests(collector: Collector) -> Iterator[Result]:
    answer = collector.post([])
    yield _judge_token(answer)
    if answer.verdict is not Verdict.ACKNOWLEDGED:
        return
    health = collector.health()
    if health.verdict is Verdict.ACKNOWLEDGED:
        yield Result(OK, "store: the collector can store events")
    else:
        fix = "look at the collector's journal: journalctl -u watchtower-collector there"
        yield Result(FAIL, f"store: the collector cannot store events; {health.detail}", fix)
    yield _judge_clock(answer.clock_offset_seconds)


def _judge_token(answer: Answer) -> Result:
    if answer.verdict is Verdict.ACKNOWLEDGED:
        return Result(OK, "token: the collector accepts it")
    if answer.verdict is Verdict.UNAUTHORIZED:
        fix = (
            "run playbooks/site.yml, which makes it known to the collector; or correct "
            "WATCHTOWER_AGENT_TOKEN, then: sudo systemctl restart watchtower-agent"
        )
        return Result(FAIL, "token: the collector does not accept it (401)", fix)
    if answer.verdict is Verdict.BUSY:
        return Result(
            WARN,
            f"token: not tried, because the collector is busy; {answer.detail}",
            "try again in a minute",
        )
    if answer.obstacle is not None:
        return Result(FAIL, f"collector: {answer.obstacle.what}", answer.obstacle.fix)
    return Result(
        FAIL,
        f"collector: what answers there does not answer like one; {answer.detail}",
        "correct WATCHTOWER_COLLECTOR_URL, or let the agent through the firewall in between",
    )


def _judge_clock(offset: int | None) -> Result:
    if offset is None:
        return Result(OK, "clock: not compared, because the answer took long or has no Date")
    if abs(offset) <= CLOCK_SECONDS:
        return Result(OK, "clock: it agrees with the collector's to a few seconds")
    side = "ahead of" if offset > 0 else "behind"
    return Result(
        WARN,
        f"clock: it is {span(offset)} {side} the collector's",
        "see which is right, and let it be set: timedatectl set-ntp true",
    )


def _without_password(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
