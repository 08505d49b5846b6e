"""What clients can do wrong, by mistake or on purpose, to a real process."""

import asyncio
import contextlib
import gzip
import json
import re
import resource
import select
import socket
import struct
import threading
import time
from pathlib import Path

import httpx
import pytest
from collector_process import DEADLINE

MIB = 1 << 20
EVENT = b'{"type":"login","timestamp":"2026-01-01T00:00:00Z","hostname":"h",%s}'


@pytest.fixture
def running(collector):
    return collector.start(WATCHTOWER_MAX_BODY_BYTES=str(MIB))


def peak_mib(collector):
    """Return the most memory that the process ever had."""
    status = Path(f"/proc/{collector.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1_024


def connect(collector):
    return socket.create_connection(("127.0.0.1", int(collector.url.rpartition(":")[2])), DEADLINE)


def head(agent, *lines):
    """Return the head of a request to ``/login``."""
    token = f"X-Login-Alert-Token: {agent['X-Login-Alert-Token']}"
    return "\r\n".join(["POST /login HTTP/1.1", "Host: x", token, *lines, "", ""]).encode()


def status_of(connection):
    with connection.makefile("rb") as stream:
        return int(stream.readline().split()[1])


def await_answers(connections, count):
    """Wait until so many of the connections have an answer, or have ended."""
    waiting, deadline = list(connections), time.monotonic() + DEADLINE
    while len(connections) - len(waiting) < count:
        answered = select.select(waiting, [], [], max(deadline - time.monotonic(), 0))[0]
        assert answered, f"{len(waiting)} are neither answered nor refused"
        waiting = [connection for connection in waiting if connection not in answered]


@contextlib.contextmanager
def many(collector, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(collector)) for _ in range(count)]


def test_bodies_that_never_end_hold_up_nobody(running, agent, make_event):
    with many(running, 300) as connections:
        for connection in connections:
            connection.sendall(head(agent, "Content-Length: 1000") + b'{"type"')
        assert running.post(make_event()).status_code == 201
        assert httpx.get(f"{running.url}/healthz", timeout=DEADLINE).status_code == 200
    assert len(running.events()) == 1


def test_large_bodies_that_never_end_are_bounded_together(running, agent, make_event):
    """Eight whole bodies are held, and not one more; who comes then is told to wait."""
    before = peak_mib(running)
    with many(running, 40) as connections:
        for connection in connections:
            connection.sendall(head(agent, f"Content-Length: {MIB}") + b" " * (MIB - 1_000))
        await_answers(connections, 32)
        refused = httpx.post(
            f"{running.url}/login", content=b" " * (MIB - 1_000), headers=agent, timeout=DEADLINE
        )
        assert refused.status_code == 503
        assert refused.json()["error"]["reason"] == "queue_full"
        assert peak_mib(running) - before < 40
    while running.post([make_event() for _ in range(100)]).status_code == 503:
        pass  # until the collector has seen that they are gone


def test_one_host_cannot_keep_the_others_out(running, agent, admin, make_event):
    """Its large bodies that never end are two at most; then it is the one who has to wait."""
    made = httpx.post(
        f"{running.url}/admin/tokens", json={"hostname": "bad"}, headers=admin, timeout=DEADLINE
    )
    bad = {"X-Login-Alert-Token": made.json()["token"]}
    with many(running, 12) as connections:
        for connection in connections:
            connection.sendall(head(bad, f"Content-Length: {MIB}") + b" " * (MIB - 1_000))
        await_answers(connections, 10)
        refused = httpx.post(
            f"{running.url}/login", content=b" " * MIB, headers=bad, timeout=DEADLINE
        )
        assert refused.status_code == 503
        assert refused.json()["error"]["reason"] == "too_much_at_once"
        assert int(refused.headers["Retry-After"]) > 0
        large = make_event(raw_message="x" * (MIB // 2))
        assert (
            httpx.post(
                f"{running.url}/login", json=large, headers=agent, timeout=DEADLINE
            ).status_code
            == 201
        )
    while (
        httpx.post(
            f"{running.url}/login", content=b" " * MIB, headers=bad, timeout=DEADLINE
        ).status_code
        == 503
    ):
        pass  # until the collector has seen that they are gone


@pytest.fixture
def slow_disk(client, monkeypatch):
    """An event that a commit of events waits for."""
    ready, real = threading.Event(), client.store.append

    def append(rows):
        assert ready.wait(60)
        return real(rows)

    monkeypatch.setattr(client.store, "append", append)
    yield ready
    ready.set()


def test_one_host_cannot_fill_the_queue(client, slow_disk, agent, admin, make_event):
    """While the disk is slow, half of it is for the others, and its token can be revoked."""
    made = client.request("POST", "/admin/tokens", json={"hostname": "bad"}, headers=admin).json()
    bad = {"X-Login-Alert-Token": made["token"]}
    flood = [make_event(hostname="bad", event_id=...)] * 1_000

    async def scenario():
        def post(document, headers):
            return asyncio.create_task(client._http.post("/login", json=document, headers=headers))

        waiting = [post(flood, bad) for _ in range(14)]
        async with asyncio.timeout(60):
            done = set()
            while len(done) < 4:
                done, _ = await asyncio.wait(waiting, timeout=0.05)
            genuine = [post([make_event() for _ in range(1_000)], agent) for _ in range(10)]
            while client.writer.held < 20_000:
                await asyncio.sleep(0.005)
            url = f"/admin/tokens/{made['id']}"
            revoking = asyncio.create_task(client._http.delete(url, headers=admin))
            await asyncio.sleep(0)
            slow_disk.set()
            revoked = await revoking
            answers = [task.result() for task in done]
            taken = await asyncio.gather(*genuine, *(set(waiting) - done))
        return answers, revoked, taken, await post(flood, bad)

    refused, revoked, taken, after = client.portal.call(scenario)
    for response in refused:
        assert response.status_code == 503
        assert response.json()["error"]["reason"] == "too_much_at_once"
        assert int(response.headers["Retry-After"]) > 0
    assert {response.status_code for response in taken} == {201}
    assert len(taken) == 20
    assert revoked.status_code == 200
    assert after.status_code == 401


@pytest.mark.parametrize("lines", [["Content-Length: 104857600"], ["Transfer-Encoding: chunked"]])
def test_a_body_of_100_mib_is_refused_before_it_came(running, agent, lines):
    before = peak_mib(running)
    with connect(running) as connection:
        connection.sendall(head(agent, *lines))
        if "chunked" in lines[0]:
            for _ in range(2):
                connection.sendall(b"100000\r\n" + b" " * MIB + b"\r\n")
        assert status_of(connection) == 413
    assert peak_mib(running) - before < 20


def test_a_bomb_is_refused_at_the_limit(running, agent, make_event):
    bomb = gzip.compress(bytes(900 * MIB), compresslevel=1)[: MIB - 1_000]
    before = peak_mib(running)
    headers = {**agent, "Content-Encoding": "gzip"}
    response = httpx.post(f"{running.url}/login", content=bomb, headers=headers, timeout=DEADLINE)
    assert response.status_code == 413
    assert peak_mib(running) - before < 20
    assert running.post(make_event()).status_code == 201


HOSTILE = {
    "deep arrays": (b"[" * 50_000, 422),
    "deeper arrays": (b"[" * 1_000_000, 413),
    "deep objects": (b'{"a":' * 50_000, 422),
    "deep and closed": (b"[" * 50_000 + b"]" * 50_000, 422),
    "deep in a field": (EVENT % (b'"user":' + b"[" * 50_000 + b"]" * 50_000), 422),
    "many empty arrays": (b"[" + b"[]," * 300_000 + b"[]]", 413),
    "many keys": (b"{" + b",".join(b'"%d":1' % n for n in range(60_000)) + b"}", 422),
    "more keys": (b"{" + b",".join(b'"%d":1' % n for n in range(80_000)) + b"}", 413),
    "one key again and again": (b"{" + b'"type":1,' * 60_000 + b'"a":1}', 422),
    "NaN": (EVENT % b'"uid":NaN', 422),
    "Infinity": (EVENT % b'"uid":-Infinity', 422),
    "too large for a float": (EVENT % b'"uid":1e999', 422),
    "too small for a float": (EVENT % b'"uid":1e-999', 201),
    "a number of a million digits": (EVENT % (b'"uid":' + b"9" * 1_000_000), 422),
    "a number of 4,000 digits": (EVENT % (b'"uid":' + b"9" * 4_000), 422),
    "more than 64 bits": (EVENT % b'"uid":9223372036854775808', 422),
    "just 64 bits": (EVENT % b'"uid":-9223372036854775808', 201),
    "a lone surrogate": (EVENT % rb'"user":"\ud800"', 201),
    "a surrogate in a name": (EVENT % rb'"\udfff":1', 422),
    "NUL": (EVENT % rb'"user":"a\u0000b"', 201),
    "a raw NUL": (EVENT % b'"user":"a\0b"', 422),
    "a byte order mark": (b"\xef\xbb\xbf" + EVENT % b'"user":"a"', 422),
    "UTF-16": ((EVENT % b'"user":"a"').decode().encode("utf-16"), 422),
    "an escape that is cut": (b'"\\', 422),
    "text after it": (EVENT % b'"user":"a"' + b"{}", 422),
}


@pytest.mark.parametrize(("body", "status"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_json_is_an_answer(client, agent, body, status):
    response = client.request("POST", "/login", content=body, headers=agent)
    assert response.status_code == status
    assert len(response.content) < 1_000
    assert client.get("/healthz").status_code == 200


def filled(unit):
    """Return a body as large as it may be: an event, and many small things beside it."""
    event = EVENT % b'"user":"a"'
    count = (8 * MIB - len(event) - 4) // (len(unit) + 1)
    return b"[" + event + b",[" + b",".join([unit] * count) + b"]]"


LARGE = {
    "empty objects": (filled(b"{}"), 413),
    "empty arrays": (filled(b"[]"), 413),
    "arrays in arrays": (filled(b"[[]]"), 413),
    "small objects": (filled(b'{"":0}'), 413),
    "objects in objects": (filled(b'{"a":{}}'), 413),
    "short texts": (filled(b'"ab"'), 413),
    "long numbers": (filled(b"9" * 4_299), 201),
    "escapes": (filled(b'"%s"' % (rb"\u0041" * 1_000_000)), 201),
    "quotes": (filled(b'"%s"' % (rb"\"," * 2_500_000)), 201),
    "wide text": (filled(b'"%s\xf0\x9f\x98\x80"' % (b"a" * 8_000_000)), 201),
}


def test_hostile_json_uses_bounded_memory(collector, agent, make_event):
    """With the default limit, of which gzip makes the best: 12 KB inflate to 8 MiB."""
    running = collector.start()
    before = peak_mib(running)
    headers = {**agent, "Content-Encoding": "gzip"}
    for body, status in (*HOSTILE.values(), *LARGE.values()):
        sent = gzip.compress(body)
        response = httpx.post(
            f"{running.url}/login", content=sent, headers=headers, timeout=DEADLINE
        )
        assert response.status_code == status
    assert peak_mib(running) - before < 100
    assert running.post(make_event()).status_code == 201


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
LINE = b"X-Header: x\r\n"
NO_REQUESTS = {
    "NUL": b"\0" * 1_000,
    "version": b"GET /healthz HTTP/9.9\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "negative length": GET + b"Content-Length: -1\r\n\r\n",
    "two lengths": GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "long path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
    "long path without an end": b"GET /" + b"a" * 20 * MIB,
    "long name": GET + b"a" * 200_000 + b": b\r\n\r\n",
    "long value": GET + b"a: " + b"b" * 200_000 + b"\r\n\r\n",
    "long value without an end": GET + b"a: " + b"b" * 20 * MIB,
    "many headers": GET + LINE * 20_000 + b"\r\n",
    "many headers without an end": GET + LINE * 20_000,
    "just too many": GET + LINE * (65_536 // len(LINE)) + b"\r\n",
    "empty lines without an end": b"\r\n" * 200_000,
}


@pytest.mark.parametrize("noise", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_answered_400_and_ends_one_connection(running, noise):
    before = peak_mib(running)
    with connect(running) as connection:
        connection.sendall(noise)
        with connection.makefile("rb") as stream:
            assert stream.readline() == b"HTTP/1.1 400 Bad Request\r\n"
            assert b"text/plain" in stream.read(), "and then it ends, by itself"
    assert peak_mib(running) - before < 10
    assert httpx.get(f"{running.url}/healthz", timeout=DEADLINE).status_code == 200


UPGRADES = {
    "an upgrade": ("POST /login", "Connection: Upgrade\r\nUpgrade: foo\r\n"),
    "a websocket": ("GET /healthz", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "a tunnel": ("CONNECT x:443", ""),
}


@pytest.mark.parametrize(("request_line", "upgrade"), UPGRADES.values(), ids=UPGRADES)
def test_what_follows_a_wish_to_upgrade_is_no_other_request(running, request_line, upgrade):
    """Else a proxy that keeps the connection gives the next one an answer to the first one's."""
    inner = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    outer = f"{request_line} HTTP/1.1\r\nHost: x\r\n{upgrade}Content-Length: {len(inner)}\r\n\r\n"
    said = running.log()
    with connect(running) as connection, connection.makefile("rb") as stream:
        connection.sendall(outer.encode())
        assert stream.readline() == b"HTTP/1.1 400 Bad Request\r\n"
        connection.sendall(inner)
        assert b"HTTP/1.1" not in stream.read(), "and then it ends, by itself"
    assert running.log() == said, "anybody may send that, as often as they like"


def test_the_end_of_a_chunked_body_is_bounded_as_the_head_is(running, agent):
    with connect(running) as connection:
        connection.sendall(head(agent, "Transfer-Encoding: chunked") + b"1\r\n{\r\n0\r\n")
        connection.sendall(LINE * 20_000)
        assert status_of(connection) == 400


@pytest.mark.parametrize(
    "noise", [b"\0" * 100, GET + b"\r\n" + b"\0" * 100], ids=["at once", "queued"]
)
def test_what_is_no_request_does_not_get_into_another_answer(running, admin, noise):
    key = f"X-Admin-Api-Key: {admin['X-Admin-Api-Key']}"
    asking = f"GET /events/stream HTTP/1.1\r\nHost: x\r\n{key}\r\n\r\n".encode()
    with connect(running) as connection, connection.makefile("rb") as stream:
        connection.sendall(asking)
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        while not (line := stream.readline()).startswith(b"id: "):
            assert line, "it ended before it had begun"
        connection.sendall(noise)
        assert b"HTTP" not in stream.read()


def test_a_head_of_nearly_64_kib_is_taken_and_so_is_the_next_one(running):
    large = GET + LINE * ((65_536 - len(GET) - 2) // len(LINE)) + b"\r\n"
    assert 65_500 < len(large) < 65_536
    with connect(running) as connection, connection.makefile("rb") as stream:
        for _ in range(3):
            for part in (large[:30_000], large[30_000:60_001], large[60_001:]):
                connection.sendall(part)
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            while (line := stream.readline()) != b"\r\n":
                assert line, "it ended in the middle"
            assert stream.read(15) == b'{"status":"ok"}'


def test_a_head_is_bounded_too_that_comes_with_the_end_of_another_request(running):
    last = GET + b"Connection: close\r\n"
    large = last + LINE * (100_000 // len(LINE)) + b"\r\n"
    for follower, answers in ((last + b"\r\n", {2}), (large, {0, 1})):
        with connect(running) as connection, connection.makefile("rb") as stream:
            connection.sendall(GET + b"\r\n" + follower)
            assert stream.read().count(b"200 OK") in answers


def test_an_answer_comes_in_one_packet(running):
    with connect(running) as connection:
        for _ in range(50):
            connection.sendall(GET + b"\r\n")
            assert connection.recv(65_536).endswith(b'{"status":"ok"}')


def test_clients_that_break_off_before_their_answer_are_nothing_to_talk_about(running, agent):
    for number in range(300):
        with connect(running) as connection:
            # No farewell: what is still to be read or written is thrown away.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(GET + b"\r\n" + head(agent, "Content-Length: 2") + b"[]")
            time.sleep(number / 300 / 200)
    assert httpx.get(f"{running.url}/healthz", timeout=DEADLINE).status_code == 200
    assert "Exception" not in running.log()


def test_a_large_body_is_no_large_head(running, agent, make_event):
    body = json.dumps([make_event(raw_message="x" * 4_000) for _ in range(200)]).encode()
    together = head(agent, f"Content-Length: {len(body)}") + body
    with connect(running) as connection, connection.makefile("rb") as stream:
        connection.sendall(together + together + GET + b"\r\n")
        text = stream.readline()
        for status in (b"201 Created", b"201 Created", b"200 OK"):
            assert text == b"HTTP/1.1 " + status + b"\r\n"
            length = 0
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.lower().partition(b":")
                length = int(value) if name == b"content-length" else length
            stream.read(length)
            text = stream.readline() if status != b"200 OK" else b""


@pytest.fixture
def open_files():
    """As many as are allowed, for this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 11_000, f"ulimit -Hn is {hard}: allow at least 11,000 open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 11_000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_connections_at_once(open_files, running, make_event):
    """Both ends are on this machine: each needs as many file descriptors."""
    before = peak_mib(running)
    with many(running, 10_000) as connections:
        for connection in connections:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert running.post(make_event()).status_code == 201
        for connection in connections[::100]:
            connection.sendall(b"\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert peak_mib(running) - before < 150
    assert running.post(make_event()).status_code == 201
