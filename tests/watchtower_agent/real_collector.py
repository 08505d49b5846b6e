"""The real collector, over TLS, in this process."""

import socket
import threading
from contextlib import contextmanager

import uvicorn

from watchtower_collector.app import create_app
from watchtower_collector.settings import read_settings as read_collector_settings
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.writer import Writer

TOKEN = "s3cret-token-" + "x" * 32


@contextmanager
def collector(tmp_path, pem):
    """Run the real collector in this process, and yield its address."""
    settings = read_collector_settings(
        {
            "ADMIN_API_KEY": "a" * 32,
            "WATCHTOWER_AGENT_TOKEN": TOKEN,
            "WATCHTOWER_DB_PATH": str(tmp_path / "watchtower.db"),
        }
    )
    store = SQLiteStore(settings.db_path)
    app = create_app(settings, store, Writer(store, settings.queue_events))
    config = uvicorn.Config(app, ssl_certfile=pem, lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        store.close()
