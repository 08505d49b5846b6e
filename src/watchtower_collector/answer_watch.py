"""Telling others how each request was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Listener = Callable[[Scope, int], None]


class AnswerWatch:
    """ASGI middleware: calls its listeners with each answer's status, when the answer begins."""

    def __init__(self, app: ASGIApp, listeners: Sequence[Listener]) -> None:
        self._app = app
        self._listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tell how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = False

        async def telling(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                self._tell(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, telling)
        except Exception:
            if not began:
                self._tell(scope, 500)  # what it is answered further out
            raise

    def _tell(self, scope: Scope, status: int) -> None:
        for listener in self._listeners:
            listener(scope, status)
