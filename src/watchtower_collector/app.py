"""The ASGI application: routes, errors, and the writer's life."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from watchtower_collector.audit import AuditTrail
from watchtower_collector.auth import AdminGate, AgentGate
from watchtower_collector.body import BodyReader
from watchtower_collector.errors import add_error_handlers
from watchtower_collector.reader import Reader
from watchtower_collector.retention import Retention
from watchtower_collector.routes.audit import audit_router
from watchtower_collector.routes.events import events_router
from watchtower_collector.routes.healthz import healthz_router
from watchtower_collector.routes.login import login_router
from watchtower_collector.routes.tokens import tokens_router
from watchtower_collector.token_registry import TokenRegistry
from watchtower_collector.version import VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watchtower_collector.settings import Settings
    from watchtower_collector.store import EventStore
    from watchtower_collector.writer import Writer


def _admin_gate(settings: Settings) -> AdminGate:
    keys = [(settings.admin_api_key, "current")]
    if settings.admin_api_key_previous is not None:
        keys.append((settings.admin_api_key_previous, "previous"))
    return AdminGate(keys)


def create_app(settings: Settings, store: EventStore, writer: Writer) -> FastAPI:
    """Return the application. Its lifespan starts the writer, and drains it at the end."""
    tokens = TokenRegistry(store)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        writer.start()
        background = [
            asyncio.create_task(tokens.note_uses(writer)),
            asyncio.create_task(Retention(store, writer, settings.retention).run()),
        ]
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await tokens.note_use(writer)
            await writer.stop()

    app = FastAPI(
        title="Watchtower collector",
        version=VERSION,
        lifespan=lifespan,
        # The schema of an internal surface is nobody's business outside.
        openapi_url=None,
        redirect_slashes=False,
        # FastAPI's OpenTelemetry opens connections of its own where the environment says so.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    add_error_handlers(app)
    app.add_middleware(AuditTrail, writer=writer)
    bodies = BodyReader(settings.max_body_bytes)
    reader = Reader(store)
    agent = AgentGate(tokens, settings.agent_token)
    admin = _admin_gate(settings)
    app.include_router(login_router(writer, bodies, agent))
    app.include_router(events_router(reader, admin))
    app.include_router(healthz_router(writer))
    app.include_router(audit_router(reader, admin))
    app.include_router(tokens_router(tokens, writer, bodies, admin))
    return app
