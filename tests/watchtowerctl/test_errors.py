"""What goes wrong is one sentence with the fix, and an exit status."""

import subprocess
import sys

import pytest
from collector_process import unused_port


@pytest.mark.parametrize(
    ("status", "said", "exit_status"),
    [
        (401, "does not accept the admin key", 77),
        (403, "not allowed with this key (403): no", 77),
        (404, "does not know /events: it is older", 69),
        (422, "does not take --group: no", 65),
        (429, "no\\x1b[2J (429): try again in 7 seconds. Is the admin key the one of", 75),
        (500, "journalctl -u watchtower-collector", 70),
        (502, "the collector behind it does not", 69),
        (503, "cannot answer now (503): no\\x1b[2J; try again in 7 seconds", 75),
        (418, "answers 418: no", 76),
    ],
)
def test_every_refusal_is_a_sentence(asking, stand_in, status, said, exit_status):
    document = {"status": "error", "error": {"message": "no\x1b[2J", "parameter": "host_group"}}
    stand_in.answer("GET /events", document, status, Retry_After="7")
    out, err = asking("events", status=exit_status)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_nothing_at_all_from_caddy_means_another_network(asking, stand_in):
    stand_in.answer("GET /events", b"", 404)
    _, err = asking("events", status=77)
    assert "watchtower_caddy_admin_networks" in err
    assert "ssh -f -o ExitOnForwardFailure=yes -L 18000:127.0.0.1:8000 127.0.0.1 sleep 600" in err
    assert "export WATCHTOWER_URL=http://127.0.0.1:18000" in err


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}", b'"x"', b"\xff"])
def test_what_no_collector_says_is_not_believed(asking, stand_in, body):
    stand_in.answer("GET /events", body)
    _, err = asking("events", status=76)
    assert "collector?" in err


def test_the_key_does_not_follow_a_link_elsewhere(asking, stand_in):
    event = [{"id": 1}]
    for target in ("https://evil.example.org/events", "//evil.example.org/", "events"):
        stand_in.answer("GET /events", event, Link=f'<{target}>; rel="next"')
        _, err = asking("events", "--all", status=76)
        assert "its next page is elsewhere" in err


def test_a_redirect_is_not_followed(asking, stand_in):
    stand_in.answer("GET /events", {}, 302, Location="https://evil.example.org/")
    _, err = asking("events", status=76)
    assert "answers 302" in err


def test_nobody_listens(unconfigured):
    with unused_port() as port:
        unconfigured.environment |= {
            "WATCHTOWER_URL": f"http://127.0.0.1:{port}",
            "ADMIN_API_KEY": "k" * 32,
        }
        _, err = unconfigured("events", status=69)
    assert f"http://127.0.0.1:{port} refuses the connection: nothing listens there. If it" in err
    assert "an SSH tunnel, it has ended: open it again" in err
    assert f"-L {port}:127.0.0.1:8000 collector.example.org sleep 600" in err
    assert err.index("SSH") < err.index("systemctl status")


def test_the_collectors_own_host_needs_no_tunnel(monkeypatch, tmp_path):
    from watchtowerctl import problems  # noqa: PLC0415  # this test alone

    url = "http://127.0.0.1:8000"
    refused = ConnectionRefusedError(111, "Connection refused")
    assert "SSH tunnel" in str(problems.connection_error(refused, url))
    monkeypatch.setattr(problems, "HOST_FILE", str(tmp_path))
    said = str(problems.connection_error(refused, url))
    assert said.endswith(
        "nothing listens there. Look on its host: systemctl status "
        "watchtower-collector.socket caddy"
    )


def test_a_name_that_nobody_knows(unconfigured):
    unconfigured.environment |= {
        "WATCHTOWER_URL": "https://collector.invalid",
        "ADMIN_API_KEY": "k" * 32,
    }
    _, err = unconfigured("events", status=69)
    assert "the name collector.invalid is not found" in err


def test_no_proxy_sees_plain_http(asking, stand_in):
    stand_in.answer("GET /events", [])
    asking.environment["HTTP_PROXY"] = "http://127.0.0.1:9"
    asking("events")
    assert len(stand_in.requests) == 1


def ended(asking, script, unbuffered):
    """Run bash, to which ``watchtowerctl`` is ``$CTL``; return its status and standard error."""
    environment = {"CTL": f"{sys.executable} -m watchtowerctl", "PYTHONUNBUFFERED": unbuffered}
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        env=asking.environment | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stderr


buffering = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@buffering
@pytest.mark.parametrize("command", ["events --json", "--help", "--version"])
@pytest.mark.parametrize("size", [1, 100_000])
def test_output_that_cannot_be_written_is_said(asking, stand_in, command, size, unbuffered):
    stand_in.answer("GET /events", [{"id": 1, "raw_message": "x" * size}])
    assert ended(asking, f"$CTL {command} >/dev/full", unbuffered) == (
        74,
        "watchtowerctl: cannot write the output: No space left on device\n",
    )


@buffering
@pytest.mark.parametrize("command", ["events", "--help"])
def test_output_that_the_shell_closed_is_said(asking, stand_in, command, unbuffered):
    stand_in.answer("GET /events", [])
    said = "watchtowerctl: cannot write the output: standard output is closed\n"
    assert ended(asking, f"$CTL {command} >&-", unbuffered) == (74, said)
    assert stand_in.requests == []


@buffering
def test_messages_that_the_shell_closed_are_lost_and_nothing_else(
    asking, stand_in, tmp_path, unbuffered
):
    stand_in.answer("GET /events", [])
    script = f"$CTL events --json >{tmp_path}/out 2>&-; test -e {tmp_path}/out"
    assert ended(asking, script, unbuffered) == (0, "")
    assert len(stand_in.requests) == 1
    status, _ = ended(asking, f"$CTL events --limit x >{tmp_path}/out 2>&-", unbuffered)
    assert (status, (tmp_path / "out").read_text()) == (2, "")


@buffering
def test_output_of_which_only_the_beginning_can_be_written_is_said(
    asking, stand_in, tmp_path, unbuffered
):
    stand_in.answer("GET /events", [{"id": 1, "raw_message": "x" * 100_000}])
    script = f"ulimit -f 1; $CTL events --json >{tmp_path}/out"
    said = "watchtowerctl: cannot write the output: File too large\n"
    assert ended(asking, script, unbuffered) == (74, said)


@buffering
@pytest.mark.parametrize("command", ["events --json", "--help", "--version"])
def test_a_reader_that_is_gone_is_no_mistake(asking, stand_in, command, unbuffered):
    stand_in.answer("GET /events", [{"id": 1, "raw_message": "x" * 100_000}])
    # What writes begins only when what reads has ended.
    fifo = f"{asking.environment['HOME']}/gone"
    writer = f"{{ read -r _ <{fifo}; $CTL {command}; }}"
    script = f"mkfifo {fifo}; {writer} | {{ exec <&-; echo >{fifo}; }}"
    assert ended(asking, script, unbuffered) == (141, "")
