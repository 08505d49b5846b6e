"""The ASGI application: routes, errors, and the writer's life."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from watchtower_collector.audit import AuditTrail
from watchtower_collector.auth import AdminGate, AgentGate, MetricsGate
from watchtower_collector.body import BodyReader
from watchtower_collector.errors import add_error_handlers
from watchtower_collector.event_stream import Streams
from watchtower_collector.front import Front
from watchtower_collector.metrics import Metrics
from watchtower_collector.reader import Reader
from watchtower_collector.retention import Retention
from watchtower_collector.routes.audit import audit_router
from watchtower_collector.routes.event import event_router
from watchtower_collector.routes.events import events_router
from watchtower_collector.routes.healthz import healthz_router
from watchtower_collector.routes.hosts import hosts_router
from watchtower_collector.routes.login import Login
from watchtower_collector.routes.metrics import Snapshot, metrics_router
from watchtower_collector.routes.openapi import openapi_router
from watchtower_collector.routes.stats import stats_router
from watchtower_collector.routes.stream import stream_router
from watchtower_collector.routes.tokens import tokens_router
from watchtower_collector.store.restore_note import restore_note
from watchtower_collector.token_registry import TokenRegistry, digest_of
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


def _no_tokens(settings: Settings) -> frozenset[bytes]:
    """Return the digests of all secrets that must not be a host's token, and of none at all."""
    secrets = (
        settings.admin_api_key,
        settings.admin_api_key_previous,
        settings.agent_token,
        settings.metrics_key,
    )
    return frozenset(digest_of(secret or "") for secret in secrets) | {digest_of("")}


def create_app(settings: Settings, store: EventStore, writer: Writer) -> Front:
    """Return the application. Its lifespan starts the writer, and drains it at the end."""
    reader = Reader(store)
    tokens = TokenRegistry(store)
    metrics = Metrics()
    writer.on_commit = metrics.committed
    retention = Retention(store, reader, writer, settings.retention, metrics.deleted)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        writer.start()
        background = [
            asyncio.create_task(tokens.note_uses(writer)),
            asyncio.create_task(retention.run()),
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
        # The document is served to admins only, see openapi_router.
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # FastAPI's OpenTelemetry opens connections of its own where the environment says so.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    add_error_handlers(app)
    bodies = BodyReader(settings.max_body_bytes)
    agent = AgentGate(tokens, settings.agent_token)
    admin = _admin_gate(settings)
    streams = Streams(reader, writer.bell)
    snapshot = Snapshot(settings, store, reader, writer, streams)
    login = Login(writer, bodies, agent, metrics, store.read(restore_note))
    app.include_router(events_router(reader, admin))
    # Before /events/{id}, which would take "stream" for an id.
    app.include_router(stream_router(reader, streams, admin))
    app.include_router(event_router(reader, admin))
    app.include_router(hosts_router(reader, writer, settings.silent_seconds, admin))
    app.include_router(stats_router(reader, admin))
    app.include_router(healthz_router(writer))
    app.include_router(audit_router(reader, admin))
    bodies_of_admins = BodyReader(settings.max_body_bytes)
    app.include_router(
        tokens_router(tokens, writer, bodies_of_admins, admin, _no_tokens(settings))
    )
    app.include_router(metrics_router(metrics, snapshot, MetricsGate(settings.metrics_key, admin)))
    app.include_router(openapi_router(app, admin))
    return Front(login, app, (metrics.answered, AuditTrail(writer).answered))
