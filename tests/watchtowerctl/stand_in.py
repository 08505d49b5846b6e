"""A small HTTP server that answers what a test tells it to, in a collector's place."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Request(NamedTuple):
    """What was asked; headers by their names in lower case."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: object


class _Handler(BaseHTTPRequestHandler):
    def _answer(self):
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(
            self.command,
            parts.path,
            parse_qsl(parts.query),
            headers,
            json.loads(body) if body else None,
        )
        self.server.requests.append(request)
        answers = self.server.answers[f"{self.command} {parts.path}"]
        status, sent, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # http.server's names

    def log_message(self, *arguments):
        pass


class StandIn:
    """Answers by method and path; the last answer given for one is repeated."""

    def __init__(self, context=None):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.answers, self._server.requests = {}, []
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def requests(self):
        return self._server.requests

    def answer(self, route, document, status=200, **headers):
        """Answer with a JSON document, or with text or bytes as they are."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self._server.answers.setdefault(route, []).append((status, sent, content))

    def refuse(self, route, status, message, **details):
        error = {"message": message, **details}
        self.answer(route, {"status": "error", "error": error}, status)

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
