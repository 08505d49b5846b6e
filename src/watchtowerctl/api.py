"""The collector's HTTP interface, from the client's side. docs/api/admin-api.md describes it.

httpx takes a tenth of a second to import: nothing here does before a question is asked.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from watchtowerctl.configuration import Configuration
from watchtowerctl.errors import PROTOCOL, CommandError
from watchtowerctl.problems import answer_error, connection_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import httpx

    Parameters = Sequence[tuple[str, str]]

KEY_HEADER = "X-Admin-Api-Key"
MAX_PAGE = 1_000  # what the collector gives at most for one question
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0  # a search without a range reads every event


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return TLS with verification: against one CA, or against the authorities of this machine.

    Raises:
        CommandError: the file holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError:
        raise CommandError(
            PROTOCOL, f"{ca_file} holds no certificate: it must be a PEM file, BEGIN CERTIFICATE"
        ) from None


class Api:
    """Asks one collector. Redirects are not followed: the key is for this collector only."""

    def __init__(self, url: str, key: str, ca_file: Path | None) -> None:
        import httpx  # noqa: PLC0415  # slow: not for --help

        self.url = url
        secure = url.startswith("https:")
        self._http = httpx.Client(
            base_url=url,
            headers={KEY_HEADER: key} if key else {},
            verify=trust(ca_file) if secure else True,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            # A proxy sees nothing of TLS, but all of plain HTTP.
            trust_env=secure,
        )

    @contextmanager
    def open(  # noqa: PLR0913  # what a request can have
        self,
        method: str,
        path: str,
        parameters: Parameters = (),
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        absent: str = "",
        silence: float = ANSWER_SECONDS,
        accept: Sequence[int] = (),
    ) -> Iterator[httpx.Response]:
        """Send a request and give the answer, its body unread.

        ``silence`` is how many seconds may pass without a byte of it; ``accept`` names answers
        that are wanted although they are no success.

        Raises:
            CommandError: no answer, one that is no success, or one that breaks off.
        """
        import httpx  # noqa: PLC0415  # slow: not for --help

        limits = httpx.Timeout(silence, connect=CONNECT_SECONDS)
        try:
            with self._http.stream(
                method,
                path,
                params=list(parameters) or None,
                headers=headers,
                json=json,
                timeout=limits,
            ) as response:
                if not response.is_success and response.status_code not in accept:
                    response.read()
                    raise answer_error(response, self.url, absent)
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise connection_error(error, self.url) from None

    def ask(
        self,
        method: str,
        path: str,
        parameters: Parameters = (),
        *,
        json: object = None,
        absent: str = "",
    ) -> object:
        """Return the JSON of an answer.

        Raises:
            CommandError: as ``open``, or the answer is no JSON.
        """
        with self.open(method, path, parameters, json=json, absent=absent) as response:
            return self.document(response)

    def document(self, response: httpx.Response) -> object:
        """Read an answer to its end and return its JSON.

        Raises:
            CommandError: it is no JSON.
        """
        response.read()
        try:
            document: object = response.json()
        except ValueError:
            raise CommandError(
                PROTOCOL, f"{self.url} does not answer in JSON: is it a Watchtower collector?"
            ) from None
        return document

    def pages(
        self, path: str, parameters: Parameters, limit: int | None
    ) -> Iterator[httpx.Response]:
        """Give page after page, bodies unread: one for each ``next`` link.

        ``limit`` is how many entries are wanted in all, ``None`` for every one. The last page may
        hold more than that.
        """
        size = MAX_PAGE if limit is None else min(limit, MAX_PAGE)
        following: str | None = path
        asked: Parameters = [*parameters, ("limit", str(size))]
        left = limit
        while following is not None and (left is None or left > 0):
            with self.open("GET", following, asked) as response:
                yield response
                following = self._next(response)
            asked = ()
            if left is not None:
                left -= size

    def items(
        self, path: str, parameters: Parameters, limit: int | None
    ) -> Iterator[dict[str, Any]]:
        """Give the objects of all pages, ``limit`` at most.

        Raises:
            CommandError: as ``open``, or an answer is no list of objects.
        """
        given = 0
        for response in self.pages(path, parameters, limit):
            for item in objects(self.document(response), self.url):
                if given == limit:
                    return
                given += 1
                yield item

    def newest(
        self, path: str, parameters: Parameters, limit: int | None
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return the first ``limit`` objects of all pages, and whether there are more.

        Raises:
            CommandError: as ``items``.
        """
        found: list[dict[str, Any]] = []
        more = False
        for response in self.pages(path, parameters, limit):
            found += objects(self.document(response), self.url)
            more = "next" in response.links
        return found[:limit], more or len(found) > len(found[:limit])

    def _next(self, response: httpx.Response) -> str | None:
        target = response.links.get("next", {}).get("url")
        if target is None:
            return None
        parts = urlsplit(target)
        # The key goes with the request: not to wherever an answer points.
        if parts.scheme or parts.netloc or not target.startswith("/"):
            raise CommandError(PROTOCOL, f"{self.url} says that its next page is elsewhere")
        return target


def objects(document: object, url: str) -> list[dict[str, Any]]:
    """Return ``document`` if it is a JSON array of objects.

    Raises:
        CommandError: it is something else.
    """
    if isinstance(document, list) and all(isinstance(item, dict) for item in document):
        return document
    raise CommandError(PROTOCOL, f"{url} answers something else than a list: is it a collector?")


def one_object(document: object, url: str) -> dict[str, Any]:
    """Return ``document`` if it is a JSON object.

    Raises:
        CommandError: it is something else.
    """
    if isinstance(document, dict):
        return document
    raise CommandError(PROTOCOL, f"{url} answers something else than an object")


def connect() -> Api:
    """Return the collector that the admin has configured.

    Raises:
        CommandError: a piece of the configuration is missing or wrong.
    """
    configuration = Configuration()
    ca_file = configuration.ca_file()
    return Api(
        configuration.url()[0], configuration.key()[0], None if ca_file is None else ca_file[0]
    )
