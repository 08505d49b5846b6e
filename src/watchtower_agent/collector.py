"""Talks to the collector: one request, one verdict."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import requests
import requests.utils

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
# The whole answer, however slowly it drips.
ANSWER_SECONDS = 60.0
ANSWER_BYTES = 4 * 1024 * 1024
# Well below the time after which the sender would count as stuck.
_RETRY_AFTER_CAP_SECONDS = 120.0
_SHOWN_CHARACTERS = 200


class Verdict(Enum):
    """What became of a request.

    REFUSED is said by the collector itself, so an event may be given up for it. TOO_LARGE is said
    by something before the collector that does not take as much at once.
    """

    ACKNOWLEDGED = "acknowledged"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    UNAUTHORIZED = "unauthorized"
    TOO_LARGE = "too large"
    REFUSED = "refused"
    NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True)
class Answer:
    """The verdict, and for an acknowledged request what became of each event, in order.

    Attributes:
        rejections: for each event None, or the collector's reason to reject it for good.
        retry_after: seconds the collector asked to wait, or None.
        detail: a sentence for the log; it never holds the token.
    """

    verdict: Verdict
    detail: str = ""
    rejections: tuple[str | None, ...] = ()
    retry_after: float | None = None


class Collector:
    """The collector's address, with what is needed to be believed there."""

    def __init__(self, base_url: str, token: str, ca_file: Path | None, version: str) -> None:
        self._url = f"{base_url}/login"
        self._verify = _trust_store(ca_file)
        self._session = requests.Session()
        # Else a .netrc or REQUESTS_CA_BUNDLE in the environment would silently change whom the
        # agent trusts and what it sends. Proxies it takes from the environment by itself.
        self._session.trust_env = False
        self._session.headers.update(
            {
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "User-Agent": f"watchtower-agent/{version}",
                "X-Login-Alert-Token": token,
            }
        )

    def post(self, events: Sequence[str]) -> Answer:
        """Send events, each a JSON object as text, as one array; return what became of them."""
        body = "[" + ",".join(events) + "]"
        try:
            with self._session.post(
                self._url,
                data=body.encode("ascii"),
                verify=self._verify,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
                proxies=requests.utils.get_environ_proxies(self._url, no_proxy=None),
            ) as response:
                return _judge(response, _read(response), len(events))
        except (requests.RequestException, OSError, _SlowAnswerError) as error:
            return Answer(Verdict.UNREACHABLE, _plain(error))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class _SlowAnswerError(Exception):
    """The answer took too long or is too large."""


def _trust_store(ca_file: Path | None) -> str | bool:
    """Return what ``requests`` is to verify against: the given CA, else the system's store."""
    if ca_file is not None:
        return str(ca_file)
    system = ssl.get_default_verify_paths()
    return system.cafile or system.capath or True


def _read(response: requests.Response) -> bytes:
    deadline = time.monotonic() + ANSWER_SECONDS
    content = b""
    for chunk in response.iter_content(65536):
        content += chunk
        if len(content) > ANSWER_BYTES or time.monotonic() > deadline:
            raise _SlowAnswerError("its answer was too slow or too long")
    return content


def _judge(response: requests.Response, content: bytes, sent: int) -> Answer:
    status = response.status_code
    detail = f"it answered {status} {_shown(content)}".rstrip()
    if 200 <= status < 300:
        return _acknowledgement(content, sent, detail)
    if status in (413, 422) and _is_own_error(content):
        verdict = Verdict.REFUSED
    else:
        verdict = {
            401: Verdict.UNAUTHORIZED,
            413: Verdict.TOO_LARGE,
            429: Verdict.BUSY,
            503: Verdict.BUSY,
        }.get(status, Verdict.UNREACHABLE if status >= 500 else Verdict.NOT_UNDERSTOOD)
    return Answer(verdict, detail, retry_after=_retry_after(response.headers.get("Retry-After")))


def _is_own_error(content: bytes) -> bool:
    """Tell the collector's error object (docs/api/collector-api.md, Errors) from all else.

    Proxies, firewalls and whatever a wrong address leads to answer 413 and 422, too.
    """
    try:
        document: Any = json.loads(content)
        return document["status"] == "error" and isinstance(document["error"]["message"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _acknowledgement(content: bytes, sent: int, detail: str) -> Answer:
    """Read the list of results; one for each event, or the answer is not the collector's."""
    try:
        results: Any = json.loads(content)["results"]
        rejections = tuple(_rejection(result) for result in results)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Answer(Verdict.NOT_UNDERSTOOD, detail)
    if len(rejections) != sent:
        return Answer(Verdict.NOT_UNDERSTOOD, f"{detail} with {len(rejections)} results")
    return Answer(Verdict.ACKNOWLEDGED, detail, rejections)


def _rejection(result: dict[str, object]) -> str | None:
    status = result["status"]
    if status in ("ok", "duplicate"):
        return None
    if status == "rejected":
        return _shown(json.dumps(result.get("error")).encode())
    raise ValueError(f"an unknown status {status!r}")


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header: a number or a date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    try:
        seconds = float(int(text))
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), _RETRY_AFTER_CAP_SECONDS)


def _plain(error: BaseException) -> str:
    """Return the innermost cause of a chain of wrapped exceptions: the part that says why."""
    seen = {id(error)}
    while True:
        wrapped = [error.__cause__, error.__context__, getattr(error, "reason", None)]
        wrapped += [a for a in error.args if isinstance(a, BaseException)]
        inner = next(
            (w for w in wrapped if isinstance(w, BaseException) and id(w) not in seen), None
        )
        if inner is None:
            return f"{type(error).__name__}: {str(error)[:_SHOWN_CHARACTERS]}"
        seen.add(id(inner))
        error = inner


def _shown(content: bytes) -> str:
    text = content[: _SHOWN_CHARACTERS * 4].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)[:_SHOWN_CHARACTERS].strip()
