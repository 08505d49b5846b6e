"""Talks to the collector: one request, one verdict."""

from __future__ import annotations

import json
import re
import ssl
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from watchtower_agent.clock import clock_offset
from watchtower_agent.lean_requests import requests
from watchtower_agent.obstacle import Obstacle, Target, obstacle_of
from watchtower_agent.restored import HEADER, Restored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
# The whole answer. It is looked at between two pieces; what drips within one holds up the sender
# until systemd's watchdog ends the agent, which costs time and no event.
ANSWER_SECONDS = 60.0
ANSWER_BYTES = 4 * 1024 * 1024
# Well below the time after which the sender would count as stuck.
_RETRY_AFTER_CAP_SECONDS = 120.0
_SHOWN_CHARACTERS = 200
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_LOOK_THERE = "look at the collector's host: systemctl status watchtower-collector caddy"


class Verdict(Enum):
    """What became of a request.

    REFUSED is said by the collector itself, so an event may be given up for it. TOO_LARGE is said
    by something before the collector that does not take as much at once. FOREIGN_HOST: the token
    is good, and not for the name that an event carries.
    """

    ACKNOWLEDGED = "acknowledged"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    UNAUTHORIZED = "unauthorized"
    FOREIGN_HOST = "foreign host"
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
        clock_offset_seconds: see clock.clock_offset.
        obstacle: for an unreachable collector, the detail in its two parts.
        restored: of an acknowledgement, the collector's word that it has lost earlier ones.
        event: of a foreign host, which event carries its name, counted from 0; or None.
    """

    verdict: Verdict
    detail: str = ""
    rejections: tuple[str | None, ...] = ()
    retry_after: float | None = None
    clock_offset_seconds: int | None = None
    obstacle: Obstacle | None = None
    restored: Restored | None = None
    event: int | None = None

    @classmethod
    def unreachable(cls, obstacle: Obstacle) -> Answer:
        """Return the answer that stands for none."""
        return cls(Verdict.UNREACHABLE, str(obstacle), obstacle=obstacle)


class Collector:
    """The collector's address, with what is needed to be believed there."""

    def __init__(self, base_url: str, token: str, ca_file: Path | None, version: str) -> None:
        self._base_url = base_url
        self._target = Target(base_url, ca_file)
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
        """Send events, each a JSON object as text, as one array; return what became of them.

        The collector checks the token of an empty array, too, and stores nothing.
        """
        body = "[" + ",".join(events) + "]"
        return self._request(
            "POST",
            "/login",
            body.encode("ascii"),
            lambda response, content: _judge(response, content, len(events)),
        )

    def health(self) -> Answer:
        """Ask whether the collector can store events; ACKNOWLEDGED stands for yes."""
        return self._request("GET", "/healthz", None, _judge_health)

    def proxy(self) -> str | None:
        """Return the proxy of the environment that requests go through, or None."""
        proxies = requests.utils.get_environ_proxies(self._base_url, no_proxy=None)
        return requests.utils.select_proxy(self._base_url, proxies)

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        judge: Callable[[requests.Response, bytes], Answer],
    ) -> Answer:
        url = f"{self._base_url}{path}"
        try:
            with self._session.request(
                method,
                url,
                data=body,
                verify=self._verify,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
                proxies=requests.utils.get_environ_proxies(url, no_proxy=None),
            ) as response:
                offset = clock_offset(
                    response.headers.get("Date"), time.time(), response.elapsed.total_seconds()
                )
                answer = judge(response, _read(response))
                return replace(answer, clock_offset_seconds=offset)
        except _SlowAnswerError as error:
            return Answer.unreachable(Obstacle(str(error), _LOOK_THERE))
        except (requests.RequestException, OSError) as error:
            return Answer.unreachable(obstacle_of(error, self._target))

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
        answer = _acknowledgement(content, sent, detail)
        return replace(answer, restored=Restored.read(response.headers.get(HEADER)))
    own = _own_error(content)
    event = None
    if status in (413, 422) and own is not None:
        verdict = Verdict.REFUSED
    elif status == 403 and own is not None and own.get("reason") == "foreign_host":
        verdict = Verdict.FOREIGN_HOST
        place = own.get("event")
        event = place if isinstance(place, int) and 0 <= place < sent else None
    else:
        verdict = {
            401: Verdict.UNAUTHORIZED,
            413: Verdict.TOO_LARGE,
            429: Verdict.BUSY,
            503: Verdict.BUSY,
        }.get(status, Verdict.NOT_UNDERSTOOD)
    if status >= 500 and verdict is Verdict.NOT_UNDERSTOOD:
        return Answer.unreachable(Obstacle(detail, _LOOK_THERE))
    retry_after = _retry_after(response.headers.get("Retry-After"))
    return Answer(verdict, detail, retry_after=retry_after, event=event)


def _judge_health(response: requests.Response, content: bytes) -> Answer:
    """Tell the collector's own words (docs/api/collector-api.md, GET /healthz) from all else."""
    detail = f"it answered {response.status_code} {_shown(content)}".rstrip()
    try:
        status: Any = json.loads(content)["status"]
    except (ValueError, KeyError, TypeError, RecursionError):
        status = None
    verdict = {(200, "ok"): Verdict.ACKNOWLEDGED, (503, "unavailable"): Verdict.BUSY}.get(
        (response.status_code, str(status)), Verdict.NOT_UNDERSTOOD
    )
    return Answer(verdict, detail)


def _own_error(content: bytes) -> dict[str, object] | None:
    """Return the collector's error object (docs/api/collector-api.md, Errors), None for all else.

    Proxies, firewalls and whatever a wrong address leads to answer 403, 413 and 422, too.
    """
    try:
        document: Any = json.loads(content)
        error = document["error"]
        if document["status"] == "error" and isinstance(error["message"], str):
            return dict(error)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


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


def _shown(content: bytes) -> str:
    """Return the beginning of a text; of a web page its title, which is all that helps."""
    if content.lstrip().startswith(b"<"):
        title = _TITLE.search(content)
        content = b"with the page '" + (title[1] if title else b"") + b"'"
    text = content[: _SHOWN_CHARACTERS * 4].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)[:_SHOWN_CHARACTERS].strip()
