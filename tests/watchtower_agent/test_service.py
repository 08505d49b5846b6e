"""systemctl's answers here are those of systemd 252."""

import os

import pytest

from watchtower_agent import service as service_module
from watchtower_agent.service import Service, read_service

RUNNING = """
ExecMainCode=0
ExecMainStatus=0
MainPID=955
Environment=PYTHONDONTWRITEBYTECODE=1 HTTPS_PROXY=http://10.0.0.1:3128 "NO_PROXY=a b"
User=watchtower-agent
SupplementaryGroups=systemd-journal adm
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
StateChangeTimestamp=Mon 2026-11-23 13:15:14 UTC
"""
UNKNOWN = """
ExecMainCode=0
ExecMainStatus=0
MainPID=0
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
StateChangeTimestamp=
"""


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Put a program in systemctl's place that prints something and ends with a status."""

    def install(output, status=0):
        program = tmp_path / "systemctl"
        answer = tmp_path / "answer"
        answer.write_text(output)
        program.write_text(f'#!/bin/sh\n[ "$TZ" = UTC ] && cat {answer}\nexit {status}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


def test_a_running_service(systemctl):
    systemctl(RUNNING)
    service = read_service()
    assert service.is_installed
    assert service.is_running
    assert service.is_enabled
    assert not service.is_tried_again
    assert service.pid == 955
    assert service.user == "watchtower-agent"
    assert service.groups == ["systemd-journal", "adm"]
    assert service.environment == {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HTTPS_PROXY": "http://10.0.0.1:3128",
        "NO_PROXY": "a b",
    }
    assert service.changed_at == 1_795_439_714
    assert service.last_end() == ""


def test_a_service_that_systemd_does_not_know(systemctl):
    systemctl(UNKNOWN)
    service = read_service()
    assert not service.is_installed
    assert not service.is_running
    assert service.changed_at is None
    assert (service.pid, service.user, service.groups, service.environment) == (0, "", [], {})


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("0", "0", ""),
        ("1", "0", ""),
        ("1", "78", "exit status 78: a setting is missing or wrong"),
        ("1", "73", "exit status 73: the spool cannot be used"),
        ("1", "217", "exit status 217: unknown to this version"),
        ("2", "9", "ended by signal 9"),
        ("3", "6", "ended by signal 6"),
    ],
)
def test_how_the_last_process_ended(code, status, words):
    assert Service({"ExecMainCode": code, "ExecMainStatus": status}).last_end() == words


def test_where_systemd_does_not_run_nothing_is_known(systemctl):
    systemctl("System has not been booted with systemd as init system", status=1)
    assert read_service() is None


def test_where_there_is_no_systemctl_nothing_is_known(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert read_service() is None


def test_a_systemd_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(service_module, "_SECONDS", 0.2)
    (tmp_path / "systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert read_service() is None
