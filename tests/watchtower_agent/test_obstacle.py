"""Each way in which the collector can be out of reach, through requests as the agent uses it."""

import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest

from watchtower_agent import collector as collector_module
from watchtower_agent.collector import Collector, Verdict
from watchtower_agent.obstacle import Target, obstacle_of

TOKEN = "s3cret-token-" + "x" * 32


def obstacle(url, ca_file):
    collector = Collector(url, TOKEN, ca_file, "1")
    try:
        answer = collector.post([])
    finally:
        collector.close()
    assert answer.verdict is Verdict.UNREACHABLE
    assert TOKEN not in answer.detail
    assert answer.detail == f"{answer.obstacle.what}; {answer.obstacle.fix}"
    return answer.obstacle


@contextmanager
def server(answer, pem=None):
    """Serve one connection over TLS, or plainly, with what a function does to it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            if pem is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(pem)
                try:
                    connection = context.wrap_socket(connection, server_side=True)
                except OSError:
                    return
            answer(connection)
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)


def nothing(connection):
    """Say nothing and hang up."""


@pytest.mark.parametrize(
    ("pem", "ca", "what", "fix"),
    [
        ("server", "other-ca", "is not from the CA in", "pins it"),
        ("server", None, "not from a CA that this host trusts", "WATCHTOWER_CA_FILE"),
        ("expired", "ca", "has expired, and this host's clock says 20", "timedatectl"),
        ("future", "ca", "is not yet valid, and this host's clock says 20", "timedatectl"),
        ("elsewhere", "ca", "is for another name", "WATCHTOWER_COLLECTOR_URL"),
    ],
)
def test_each_fault_of_a_certificate_has_its_own_sentence(tls, pem, ca, what, fix):
    with server(nothing, tls / f"{pem}.pem") as url:
        found = obstacle(url, ca and tls / f"{ca}.pem")
    assert what in found.what
    assert fix in found.fix


def test_a_clock_in_1970_is_named(tls, monkeypatch):
    ten_past_midnight = time.gmtime(600)
    monkeypatch.setattr("time.gmtime", lambda: ten_past_midnight)
    with server(nothing, tls / "future.pem") as url:
        assert "clock says 1970-01-01" in obstacle(url, tls / "ca.pem").what


def test_a_name_that_nobody_knows(tls):
    found = obstacle("https://collector.invalid", tls / "ca.pem")
    assert "collector.invalid is not found" in found.what
    assert "getent hosts collector.invalid" in found.fix


def test_nobody_listens(tls):
    assert "127.0.0.1:9 refused" in obstacle("https://127.0.0.1:9", tls / "ca.pem").what


def test_a_server_without_tls(tls):
    def answer(connection):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with server(answer) as url:
        assert "does not speak TLS" in obstacle(url, tls / "ca.pem").what


@pytest.mark.parametrize("pem", [None, "server"])
def test_a_server_that_hangs_up(tls, pem):
    with server(nothing, pem and tls / f"{pem}.pem") as url:
        assert "ended the connection" in obstacle(url, tls / "ca.pem").what


def test_a_server_that_takes_and_never_answers(tls, monkeypatch):
    monkeypatch.setattr(collector_module, "READ_SECONDS", 0.3)
    over = threading.Event()
    with server(lambda _: over.wait(30), tls / "server.pem") as url:
        assert "did not answer in time" in obstacle(url, tls / "ca.pem").what
        over.set()


def test_a_server_that_is_not_there_at_all(tls, monkeypatch):
    monkeypatch.setattr(collector_module, "CONNECT_SECONDS", 0.3)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Its queue is full, so that what else knocks gets no answer.
        knocking = [socket.socket() for _ in range(3)]
        for knock in knocking:
            knock.setblocking(False)
            knock.connect_ex(listener.getsockname())
        found = obstacle(f"https://127.0.0.1:{listener.getsockname()[1]}", tls / "ca.pem")
        for knock in knocking:
            knock.close()
    assert "does not answer" in found.what
    assert "firewall" in found.fix


def test_a_proxy_in_the_way(tls, monkeypatch):
    def refuse(connection):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with server(refuse) as url:
        for proxy in (url.replace("https", "http"), "http://127.0.0.1:9"):
            monkeypatch.setenv("HTTPS_PROXY", proxy)
            found = obstacle("https://collector.example.org", tls / "ca.pem")
            assert "the proxy did not let it through to collector.example.org:443" in found.what
            assert "HTTPS_PROXY" in found.fix


class CertificateError(ValueError):
    """As urllib3 1.26 has it."""


@pytest.mark.parametrize(
    "error",
    [
        CertificateError("hostname 'a' doesn't match 'b'"),
        ssl.SSLCertVerificationError("hostname 'a' doesn't match 'b'"),
    ],
)
def test_a_name_that_an_older_urllib3_compared(error):
    """Debian 11 and 12 have urllib3 1.26; on their hosts these were seen."""
    found = obstacle_of(error, Target("https://collector.example.org", None))
    assert found.what == "the certificate of collector.example.org:443 is for another name"


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(113, "No route to host"), "there is no way to [::1]:8443 (No route to host)"),
        (OSError(110, "Connection timed out"), "[::1]:8443 does not answer"),
        (BrokenPipeError(32, "Broken pipe"), "[::1]:8443 ended the connection"),
        (ValueError("something else"), "ValueError: something else"),
    ],
)
def test_what_the_network_of_a_test_does_not_do(error, what):
    assert obstacle_of(error, Target("https://[::1]:8443", None)).what == what
