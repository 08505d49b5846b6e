"""What went wrong between us and the collector, as a sentence that says what to do."""

from __future__ import annotations

import json
import re
import socket
import ssl
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from watchtowerctl.configuration import HOST_FILE, is_loopback
from watchtowerctl.errors import (
    ABSENT,
    DEFECT,
    NOT_ALLOWED,
    PROTOCOL,
    REFUSED,
    TRY_LATER,
    UNAVAILABLE,
    CommandError,
)
from watchtowerctl.text import quoted, visible

if TYPE_CHECKING:
    import httpx

# Where the option has another name than the parameter.
OPTIONS = {
    "hostname": "--host",
    "source_ip": "--source",
    "host_group": "--group",
    "q": "--text",
    "last_event_id": "Last-Event-ID",
    "id": "ID",
    "token": "ID",
}
FIELDS = {"hostname": "HOST"}
# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 9, 10, 62, 64
_UNKNOWN_CA = (18, 19, 20, 21)


def tunnel(url: str) -> str:
    """Return the commands that reach the collector through its own host."""
    host = urlsplit(url).hostname
    return f"{_forward(18000, str(host))}; export WATCHTOWER_URL=http://127.0.0.1:18000"


def _forward(port: int, host: str) -> str:
    return f"ssh -f -o ExitOnForwardFailure=yes -L {port}:127.0.0.1:8000 {host} sleep 600"


def _explain_refusal(url: str, look: str) -> str:
    parts = urlsplit(url)
    said = f"{url} refuses the connection: nothing listens there"
    # On the collector's own host nobody needs a tunnel.
    if not is_loopback(str(parts.hostname)) or Path(HOST_FILE).exists():
        return f"{said}. Look {look}"
    forward = _forward(parts.port or 80, "collector.example.org")
    return (
        f"{said}. If it was an SSH tunnel, it has ended: open it again, with your collector's "
        f"name: {forward}. If it stands, look {look}"
    )


def _cause(error: BaseException) -> BaseException:
    """Return the error of the system or of TLS that another one was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error


def _explain_certificate(error: ssl.SSLCertVerificationError, url: str) -> str:
    host = urlsplit(url).hostname
    if error.verify_code in _UNKNOWN_CA:
        return (
            f"{host} shows a certificate of a CA that is not trusted here: set WATCHTOWER_CA_FILE "
            "to the root of the collector's CA; the playbook keeps it beside the inventory, in "
            ".watchtower/ca.crt"
        )
    if error.verify_code in (_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH):
        return (
            f"the certificate is not for {host}: put the name that stands in it into "
            "WATCHTOWER_URL, the value of watchtower_caddy_site_address"
        )
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return (
            f"the certificate of {host} is not valid now ({error.verify_message}): look at this "
            "machine's clock, and at Caddy's journal on the collector's host"
        )
    return f"the certificate of {host} is not accepted: {error.verify_message}"


def connection_error(error: Exception, url: str) -> CommandError:
    """Return what it means that no answer came from ``url``."""
    cause = _cause(error)
    look = "on its host: systemctl status watchtower-collector.socket caddy"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CommandError(PROTOCOL, _explain_certificate(cause, url))
    if isinstance(cause, ssl.SSLError):
        said = visible(cause.reason or cause)
        return CommandError(PROTOCOL, f"{url} does not speak TLS as it should: {said}")
    if isinstance(cause, socket.gaierror):
        host = urlsplit(url).hostname
        said = f"the name {host} is not found: look at WATCHTOWER_URL, or mend DNS"
    elif isinstance(cause, ConnectionRefusedError):
        said = _explain_refusal(url, look)
    elif isinstance(cause, TimeoutError) or "Timeout" in type(error).__name__:
        said = f"{url} did not answer in time: a firewall, or a collector that hangs. Look {look}"
    else:
        said = f"{url} broke off: {visible(error) or type(error).__name__}. Look {look}"
    return CommandError(UNAVAILABLE, said)


def _error_of(response: httpx.Response) -> dict[str, object] | None:
    """Return the collector's own words, or ``None``: the answer is somebody else's."""
    try:
        error = json.loads(response.content)["error"]
    except (ValueError, TypeError, KeyError):
        return None
    return error if isinstance(error, dict) else None


def answer_error(  # noqa: PLR0911  # one for each answer
    response: httpx.Response, url: str, absent: str = ""
) -> CommandError:
    """Return what an answer other than a success means; ``absent`` says what a 404 is about.

    The body has been read already.
    """
    error = _error_of(response)
    words = visible(error.get("message", "")) if error else ""
    path = visible(response.request.url.path)
    match response.status_code:
        case 401:
            return CommandError(
                NOT_ALLOWED,
                "the collector does not accept the admin key (401): is it the one of this "
                "collector, and the one of now?",
            )
        case 403:
            return CommandError(NOT_ALLOWED, f"this is not allowed with this key (403): {words}")
        case 404 if error is None:
            return CommandError(
                NOT_ALLOWED,
                f"{url} answers as if there was nothing (404): your address is not in "
                f"watchtower_caddy_admin_networks. Use an SSH tunnel: {tunnel(url)}",
            )
        case 404 if absent and words != "Not Found":
            return CommandError(ABSENT, absent)
        case 404 | 405:
            return CommandError(
                UNAVAILABLE, f"this collector does not know {path}: it is older; upgrade it"
            )
        case 422 if error is not None:
            return CommandError(REFUSED, _explain_refused(error, response, words))
        case 429 | 503:
            return _try_later(response, words)
        case 500:
            return CommandError(
                DEFECT, "a defect in the collector (500): journalctl -u watchtower-collector"
            )
        case 502 | 504:
            return CommandError(
                UNAVAILABLE,
                f"Caddy runs, but the collector behind it does not ({response.status_code}): "
                "systemctl status watchtower-collector",
            )
        case status:
            return CommandError(PROTOCOL, f"{url}{path} answers {status}: {words or 'no reason'}")


def _option(error: dict[str, object]) -> str:
    """Return the option that an error is about: it names a parameter, or a field of the body."""
    if field := visible(error.get("field") or ""):
        return FIELDS.get(field, field)
    name = visible(error.get("parameter") or "")
    return OPTIONS.get(name, f"--{name}" if name else "what was asked")


def _explain_refused(error: dict[str, object], response: httpx.Response, words: str) -> str:
    said = f"the collector does not take {_option(error)}"
    allowed = _allowed(words)
    given = response.request.url.params.get_list(str(error.get("parameter")))
    for value in given if allowed else ():
        beginning = value.removesuffix("*")
        if value in allowed or (
            beginning != value and any(name.startswith(beginning) for name in allowed)
        ):
            continue
        near = get_close_matches(beginning, allowed, 1)
        if near:
            it = "It " if words.startswith("must") else ""
            return f"{said} {quoted(value)}: did you mean {near[0]}? {it}{words}"
        return f"{said} {quoted(value)}: {words}"
    return f"{said}: {words}"


def _allowed(words: str) -> list[str]:
    """Return the values that the collector's words name, or none if they name none."""
    if found := re.match(r"must be one of (\w+(?:, \w+)*)", words):
        return found[1].split(", ")
    # Pydantic's words for a list of constants.
    return re.findall(r"'(\w+)'", words) if words.startswith("Input should be '") else []


def _try_later(response: httpx.Response, words: str) -> CommandError:
    seconds = response.headers.get("Retry-After", "")
    when = f" in {seconds} seconds" if seconds.isdecimal() and len(seconds) < 6 else " later"
    if response.status_code == 429:
        return CommandError(
            TRY_LATER,
            f"{words or 'too many questions'} (429): try again{when}. Is the admin key the one of "
            "this collector? watchtowerctl check says where it is from",
        )
    return CommandError(
        TRY_LATER,
        f"the collector cannot answer now (503): {words or 'no reason'}; try again{when}",
    )
