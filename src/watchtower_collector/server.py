"""The process: settings, socket, store, server, and the words to systemd."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from watchtower_collector.app import create_app
from watchtower_collector.database_lock import using_database
from watchtower_collector.http_protocol import HttpProtocol
from watchtower_collector.logs import configure_logging
from watchtower_collector.settings import Settings, SettingsError, read_settings
from watchtower_collector.store import StoreUnavailableError, StoreUnusableError
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.store.sqlite_errors import cannot_open
from watchtower_collector.systemd import ActivationError, Notifier, inherited_listener
from watchtower_collector.version import VERSION
from watchtower_collector.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# sysexits.h; systemd's Restart= can tell the ones that no restart will mend.
EX_UNAVAILABLE = 69
EX_IOERR = 74
EX_CONFIG = 78

_BACKLOG = 2_048  # connections the kernel holds while we are busy; capped by net.core.somaxconn
# Longer than Caddy keeps its idle connections to us (2 minutes): it must be the one who closes,
# or a request may meet a connection that is just going away, and fail.
_KEEP_ALIVE_SECONDS = 180
_DRAIN_SECONDS = 15  # for answers on their way when the service stops

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn's server, telling systemd when it accepts, that it lives, and when it stops."""

    def __init__(self, config: uvicorn.Config, writer: Writer) -> None:
        super().__init__(config)
        self._writer = writer
        self._notifier = Notifier(os.environ)
        self._beating: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _collect_garbage_less()
        _pass_the_lock_sooner()
        self._notifier.send("READY=1")
        period = self._notifier.watchdog_seconds()
        if period is not None:
            self._beating = asyncio.create_task(self._beat(period / 3))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._notifier.send("STOPPING=1")
        # Streams end by themselves then; uvicorn would wait for them as for any other answer.
        self._writer.bell.close()
        await super().shutdown(sockets)
        if self._beating is not None:
            self._beating.cancel()

    async def _beat(self, seconds: float) -> None:
        # Runs on the event loop and looks at the writer: it vouches for both.
        while True:
            if self._writer.alive:
                self._notifier.send("WATCHDOG=1")
            await asyncio.sleep(seconds)


def _listener(settings: Settings) -> socket.socket:
    inherited = inherited_listener(os.environ)
    if inherited is not None:
        return inherited
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)


@contextmanager
def _open_store(path: Path) -> Iterator[SQLiteStore]:
    """Open the store, once no restore is at work, and keep every restore away while it is open."""
    with ExitStack() as open_now:
        try:
            open_now.enter_context(using_database(path, _say_that_it_waits))
        except OSError as error:
            raise cannot_open(path, error) from error
        yield open_now.enter_context(closing(SQLiteStore(path)))


def _say_that_it_waits() -> None:
    _log.warning("the database is being restored: waiting for the end of that")


def _serve(listener: socket.socket, settings: Settings, store: SQLiteStore) -> None:
    writer = Writer(store, settings.queue_events)
    config = uvicorn.Config(
        create_app(settings, store, writer),
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Caddy speaks to us over loopback; nobody else's X-Forwarded-For is believed.
        forwarded_allow_ips=["127.0.0.1", "::1"],
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    _log.info("collector %s listens on %s", VERSION, listener.getsockname())
    _Server(config, writer).run(sockets=[listener])


def _collect_garbage_less() -> None:
    """Leave out of every garbage collection what stays to the end, and collect less often.

    Nearly everything that a request makes goes by its reference count; looking for cycles at the
    interpreter's own pace was a tenth of the processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _pass_the_lock_sooner() -> None:
    """Let a thread that waits for the interpreter's lock have it after 1 ms, rather than 5.

    The writer asks for it with each statement. While it waits, so do all whose events it commits.
    """
    sys.setswitchinterval(0.001)


def _leave(_number: int, _frame: object) -> NoReturn:
    # uvicorn takes the signal while it serves, drains, and then raises it again for us.
    sys.exit(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the collector until it is told to stop, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="watchtower_collector",
        description="Takes SSH-login events from Watchtower's agents, keeps them, and answers "
        "questions about them. Settings come from the environment.",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    parser.parse_args(arguments)
    configure_logging()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    os.umask(0o077)
    try:
        settings = read_settings(os.environ)
        listener = _listener(settings)
    except SettingsError as error:
        for mistake in error.mistakes:
            _log.critical("%s", mistake)
        return EX_CONFIG
    except (ActivationError, OSError) as error:
        _log.critical("cannot listen: %s", error)
        return EX_UNAVAILABLE
    try:
        with _open_store(settings.db_path) as store:
            _serve(listener, settings, store)
    except StoreUnusableError as error:
        _log.critical("%s", error)
        return EX_CONFIG
    except StoreUnavailableError as error:
        _log.critical("%s", error)
        return EX_IOERR
    return 0
