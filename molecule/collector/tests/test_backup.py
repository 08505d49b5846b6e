"""The timed backup on the collector's host."""

import json

from fleet import as_root, ask, curl

testinfra_hosts = as_root("watchtower_collector")

SERVICE = "watchtower-backup.service"
TIMER = "watchtower-backup.timer"
DIRECTORY = "/var/backups/watchtower"
# The events of a file, newest first, read as one who can write nothing beside it.
EVENTS = (
    "import sqlite3, sys; c = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True); "
    "print(*c.execute('PRAGMA integrity_check').fetchone()); "
    "print(*(i for i, in c.execute('SELECT id FROM events ORDER BY id')))"
)


def backups(host):
    return host.check_output(f"find {DIRECTORY} -mindepth 1 | sort").split()


def test_timer_runs_and_will_after_a_reboot(host):
    assert host.service(TIMER).is_running
    assert host.service(TIMER).is_enabled
    assert host.check_output(f"systemctl show --property=NextElapseUSecRealtime --value {TIMER}")


def test_folder_is_closed(host):
    folder = host.file(DIRECTORY)
    assert (folder.user, oct(folder.mode)) == ("watchtower-collector", "0o700")


def test_service_backs_up_while_the_collector_runs(host):
    name = host.check_output("hostname")
    token = host.check_output("watchtowerctl token create web-9")
    event = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-9"}
    header = f"X-Login-Alert-Token: {token}"
    assert curl(name, "/login", "-d", json.dumps(event), header=header)[0] == 201
    known = {event["id"] for event in ask(name, "/events", limit="1000")}
    assert known
    before = backups(host)
    host.check_output(f"systemctl start {SERVICE}")
    (made,) = set(backups(host)) - set(before)
    file = host.file(made)
    assert made.startswith(f"{DIRECTORY}/watchtower-")
    assert made.endswith("Z.db")
    assert (file.user, oct(file.mode)) == ("watchtower-collector", "0o600")
    verdict, *stored = host.check_output("python3 -c %s %s", EVENTS, made).splitlines()
    assert verdict == "ok"
    assert known <= {int(number) for number in " ".join(stored).split()}
    assert host.service("watchtower-collector.service").is_running


def test_sandbox(host):
    output = host.check_output("systemd-analyze security --no-pager %s", SERVICE)
    assert float(output.splitlines()[-1].split(":")[1].split()[0]) <= 0.3
