"""How watchtower_unit decides: is a file newer than the service, is systemd's view outdated."""

import os
import time

import pytest


@pytest.fixture(scope="module")
def unit(library):
    return library("watchtower_unit")


@pytest.fixture
def state():
    """Return what systemd says of a unit that it has read and nobody has changed since."""
    return {"NeedDaemonReload": "no", "LoadState": "loaded", "DropInPaths": ""}


def test_file_changed_after_the_start(unit, tmp_path):
    path = tmp_path / ".env"
    path.touch()
    now = path.stat().st_ctime
    assert unit.changed_after(str(path), now - 10)
    assert not unit.changed_after(str(path), now + 10)


def test_file_moved_into_place_counts_as_changed(unit, tmp_path):
    """Ansible writes beside the file and renames; the old mtime comes along."""
    (tmp_path / "new").touch()
    os.utime(tmp_path / "new", (1, 1))
    (tmp_path / "new").rename(tmp_path / ".env")
    assert unit.changed_after(str(tmp_path / ".env"), time.time() - 10)


def test_link_counts_not_what_it_leads_to(unit, tmp_path):
    """A switch of the `current` link is a change; the old file behind it is not."""
    (tmp_path / "current").symlink_to("/etc/passwd")
    assert unit.changed_after(str(tmp_path / "current"), time.time() - 10)
    (tmp_path / "dangling").symlink_to("nowhere")
    assert unit.changed_after(str(tmp_path / "dangling"), time.time() - 10)


def test_absent_file_is_no_change(unit, tmp_path):
    assert not unit.changed_after(str(tmp_path / "ca.crt"), 0)


def test_start_is_counted_from_now(unit):
    then = time.clock_gettime(time.CLOCK_MONOTONIC) - 1000
    properties = {"ActiveEnterTimestampMonotonic": str(int(then * 1e6))}
    assert unit.started_at(properties) == pytest.approx(time.time() - 1000, abs=60)


@pytest.mark.parametrize("value", ["", "0"])
def test_a_unit_that_never_started_is_older_than_every_file(unit, tmp_path, value):
    boot = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
    assert unit.started_at({"ActiveEnterTimestampMonotonic": value}) == pytest.approx(boot, abs=60)


def test_a_service_counts_from_its_process_not_from_its_readiness(unit):
    """What changed while it got ready, it has not read."""
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    properties = {
        "ActiveEnterTimestampMonotonic": str(int(now * 1e6)),
        "ExecMainStartTimestampMonotonic": str(int((now - 1000) * 1e6)),
    }
    assert unit.started_at(properties) == pytest.approx(time.time() - 1000, abs=60)


def test_nothing_to_reload(unit, state):
    assert not unit.is_outdated("caddy.service", state, ["/etc/caddy/Caddyfile"])


@pytest.mark.parametrize("change", [{"NeedDaemonReload": "yes"}, {"LoadState": "not-found"}])
def test_systemd_says_that_it_is_outdated(unit, state, change):
    assert unit.is_outdated("caddy.service", state | change, [])


def test_drop_in_that_systemd_has_not_read(unit, state, tmp_path):
    """The first file in a new drop-in folder does not set NeedDaemonReload."""
    folder = tmp_path / "caddy.service.d"
    folder.mkdir()
    drop_in = str(folder / "10-watchtower.conf")
    assert not unit.is_outdated("caddy.service", state, [drop_in])
    (folder / "10-watchtower.conf").touch()
    assert unit.is_outdated("caddy.service", state, [drop_in])
    assert not unit.is_outdated("caddy.service", state | {"DropInPaths": drop_in}, [drop_in])
    assert not unit.is_outdated("other.service", state, [drop_in])


SYSTEMCTL = """#!/bin/sh
# A timer that runs, and the service it starts, whose file changed since systemd read it.
[ "$1" = show ] || exit 0
case $2 in
  *.timer) echo ActiveState=active; echo NeedDaemonReload=no ;;
  *) echo ActiveState=inactive; echo NeedDaemonReload=yes ;;
esac
echo LoadState=loaded
echo UnitFileState=enabled
echo ActiveEnterTimestampMonotonic=1
echo FragmentPath=
echo DropInPaths=
"""


@pytest.mark.parametrize(
    ("triggers", "actions"), [("backup.service", ["daemon-reload"]), (None, [])]
)
def test_the_service_that_a_timer_starts_is_read_anew_and_not_started(
    run_module, tmp_path, triggers, actions
):
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    parameters = {"name": "backup.timer"} | ({"triggers": triggers} if triggers else {})
    ended = run_module(
        "watchtower_unit", parameters, os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    )
    assert (ended.status, ended.actions) == (0, actions)
