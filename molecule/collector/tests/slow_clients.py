"""Clients of a collector that take their time; runs on its host.

    python3 slow_clients.py   reads a job as JSON on standard input, prints what came of it as JSON

Python's standard library is all there is on the host.
"""

import json
import socket
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

DEADLINE = 50.0


def connect(name: str, ca_file: str) -> ssl.SSLSocket:
    """Connect to Caddy by loopback, as an agent would."""
    plain = socket.create_connection(("127.0.0.1", 443), DEADLINE)
    return ssl.create_default_context(cafile=ca_file).wrap_socket(plain, server_hostname=name)


def drip(connection: ssl.SSLSocket, begin: bytes) -> float:
    """Send a byte a second after ``begin``; return the seconds until the other side ends it."""
    ended = threading.Event()
    began = time.monotonic()
    connection.sendall(begin)

    def send() -> None:
        while not ended.wait(1):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        while connection.recv(4_096):
            pass
    except ConnectionError:
        pass
    finally:
        ended.set()
        sender.join()
    return time.monotonic() - began


def status(connection: ssl.SSLSocket, request: bytes) -> int:
    """Return the status that a request is answered with."""
    connection.sendall(request)
    return int(connection.recv(4_096).split()[1])


def seconds_to_a_stream(follower: ssl.SSLSocket, poster: ssl.SSLSocket, job: dict) -> float:
    """Return how long an event takes to whoever follows the events."""
    key = f"X-Admin-Api-Key: {job['key']}\r\n\r\n"
    follower.sendall(f"GET /events/stream HTTP/1.1\r\nHost: {job['name']}\r\n{key}".encode())
    assert b" 200 " in follower.recv(4_096)
    body = json.dumps(job["event"]).encode()
    began = time.monotonic()
    assert status(poster, head(job, len(body)) + body) == 201
    seen = b""
    while job["event"]["event_id"].encode() not in seen:
        piece = follower.recv(4_096)
        assert piece, "the stream ended"
        seen += piece
    return time.monotonic() - began


def head(job: dict, length: int) -> bytes:
    """Return the head of an agent's request."""
    lines = [
        "POST /login HTTP/1.1",
        f"Host: {job['name']}",
        f"X-Login-Alert-Token: {job['token']}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def main() -> None:
    """Do it all at once."""
    job = json.load(sys.stdin)

    def new() -> ssl.SSLSocket:
        return connect(job["name"], job["ca_file"])

    start = f"GET /healthz HTTP/1.1\r\nHost: {job['name']}\r\nX-Long: ".encode()
    with ThreadPoolExecutor() as pool:
        slow_head = pool.submit(drip, new(), start)
        slow_body = pool.submit(drip, new(), head(job, 1_000))
        found = {
            "long_head": status(new(), start + b"x" * 30_000 + b"\r\n\r\n"),
            "stream": seconds_to_a_stream(new(), new(), job),
            "slow_head": slow_head.result(),
            "slow_body": slow_body.result(),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
