"""The application as the server sees it: agents are answered at the door, all others inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from watchtower_collector.errors import answer_to, is_defect
from watchtower_collector.routes.login import PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import FastAPI
    from starlette.types import Message, Receive, Scope, Send

    from watchtower_collector.routes.login import Login

    Listener = Callable[[Scope, int], None]


class Front:
    """An ASGI application: ``/login`` by itself, and FastAPI for everything else.

    Nearly all requests are agents'. FastAPI's layers would cost each of them as much as reading
    the event does.
    """

    def __init__(self, login: Login, rest: FastAPI, listeners: Sequence[Listener]) -> None:
        """Take who answers, and who is told the status of each answer when it begins."""
        self.rest = rest
        self._login = login
        self._listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass the rest what is none."""
        if scope["type"] != "http":
            await self.rest(scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                for listener in self._listeners:
                    listener(scope, message["status"])
            await send(message)

        if scope["path"] == PATH:
            await self._answer_agent(scope, receive, telling)
        else:
            await self.rest(scope, receive, telling)

    async def _answer_agent(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._login.answer(request)
        except Exception as error:  # each has its answer
            await answer_to(request, error)(scope, receive, send)
            if is_defect(error):
                raise  # to the server, which logs it
        else:
            await response(scope, receive, send)
