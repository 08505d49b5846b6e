"""What cannot work is refused by name, with the way out, and a later run mends what is left.

One story, told in order on the same hosts: nothing fits at first, one trouble after the other is
mended, and at the end everything runs.
"""

from fleet import on
from troubles import (
    damaged_database,
    foreign_caddyfile,
    host_name,
    no_package_archive,
    no_python,
    old_python,
    switched_off,
    taken_port,
)

FLEET = ("collector", "agent-12", "agent-13")
SERVICES = {
    "collector": "watchtower-collector.service",
    "agent-12": "watchtower-agent.service",
    "agent-13": "watchtower-agent.service",
}


def process(host):
    """Return the process id of Watchtower's service on a host, "0" if it does not run."""
    unit = SERVICES[host]
    return on(host, f"systemctl show --property=MainPID --value {unit}").strip()


def runs(host):
    """Tell whether Watchtower's service runs on a host."""
    return on(host, f"systemctl is-active {SERVICES[host]} || true").strip() == "active"


def test_python_that_is_too_old_or_absent(site, footprint, write_inventory):
    hosts = ("collector-11", "agent-12", "agent-13")
    # Nothing is wrong with one of the agents.
    inventory = write_inventory(collector="collector-11", agents=[*hosts[1:], "collector"])
    with old_python("agent-12"), no_python("agent-13"):
        before = footprint(*hosts, "collector")
        run = site(inventory=inventory)
        after = footprint(*hosts, "collector")
    assert run.status != 0
    for sentence in (
        "collector-11 cannot run the collector: its Python is 3.9, and 3.11 or later is needed.",
        "It runs Debian GNU/Linux 11 (bullseye); upgrade it, or take it out of the inventory.",
        "agent-12 cannot run the agent: its Python is 3.7, and 3.9 or later is needed.",
        "agent-13 cannot run the agent: it has no /usr/bin/python3 that works.",
        "Install it there (apt-get install python3), or take the host out of the inventory.",
        "collector-11 was not reached, or failed above; no agent was touched.",
    ):
        assert sentence in run.words, run.output
    assert run.failed == {"localhost": 0, "collector": 1} | dict.fromkeys(hosts, 1)
    assert after == before


def test_two_hosts_of_one_name_and_a_taken_port(site, footprint):
    with host_name("agent-13", "agent-12"), taken_port("collector", 443):
        before = footprint(*FLEET)
        run = site()
        after = footprint(*FLEET)
    assert run.status != 0
    for sentence in (
        'agent-12 calls itself "agent-12", and so does agent-13.',
        'agent-13 calls itself "agent-12", and so does agent-12.',
        "give each host a name of its own (hostnamectl set-hostname NAME).",
        "Port 443 of collector is taken by python3. Stop that service there",
        "(systemctl disable --now …), or choose another host for the collector",
    ):
        assert sentence in run.words, run.output
    assert run.failed == {"localhost": 0} | dict.fromkeys(FLEET, 1)
    assert after == before


def test_caddy_that_serves_something_else(site, footprint):
    with foreign_caddyfile("collector"):
        before = footprint(*FLEET)
        run = site()
        after = footprint(*FLEET)
    assert run.status != 0
    assert "Caddy on collector is already configured for something else" in run.words, run.output
    assert "remove it there (rm /etc/caddy/Caddyfile)" in run.words
    assert after == before


def test_no_route_to_the_package_archive(site, footprint):
    with no_package_archive("collector"):
        before = footprint(*FLEET)
        run = site()
        after = footprint(*FLEET)
    assert run.status != 0
    for sentence in (
        "collector could not install caddy. Try `apt-get update && apt-get install caddy` there:",
        "give the host a mirror or a proxy (/etc/apt/apt.conf.d)",
        "then run this playbook again. apt said:",
    ):
        assert sentence in run.words, run.output
    assert run.failed["collector"] == 1
    assert after == before


def test_port_behind_caddy_is_taken(site, footprint):
    # Nothing is changed: Caddy must not be pointed at a stranger, nor agents at nobody.
    with taken_port("collector", 8000):
        before = footprint(*FLEET)
        run = site()
        after = footprint(*FLEET)
    assert run.status != 0
    assert "Port 8000 of collector is taken by python3." in run.words, run.output
    assert "or set watchtower_collector_port to another one" in run.words
    assert after == before


def test_agents_are_left_alone_when_the_collector_fails_in_a_limited_run(site, footprint):
    with old_python("collector"):
        before = footprint("agent-12")
        run = site("--limit", "collector,agent-12")
        after = footprint("agent-12")
    assert run.status != 0
    assert "collector was not reached, or failed above; no agent was touched." in run.words
    assert after == before


def test_service_that_cannot_start_shows_its_last_words(site):
    with damaged_database("collector") as database:
        run = site()
    assert run.status != 0
    assert "watchtower-collector.service does not run" in run.words, run.output
    assert "The unit's last words (journalctl -u watchtower-collector.service)" in run.words
    assert f"database {database}: it is not a SQLite database" in run.words
    assert run.failed["collector"] == 1


def test_host_that_is_down_is_named_and_the_others_are_finished(site):
    with switched_off("agent-13"):
        run = site()
    assert run.status != 0
    assert run.unreachable["agent-13"] == 1, run.output
    assert "Your login is in /events for 1 of 2 hosts." in run.words, run.output
    assert "agent-13: not reached" in run.words
    assert "ansible-playbook playbooks/site.yml --limit agent-13" in run.words
    assert [runs(host) for host in FLEET] == [True, True, False]


def test_host_that_is_back_catches_up_as_it_was_told(site):
    """With the very command that the run before gave."""
    run = site("--limit", "agent-13")
    assert run.status == 0, run.output
    assert "Your login to each of 1 hosts is in /events." in run.words
    assert runs("agent-13")


def test_run_that_broke_off_before_the_restart_is_mended(site):
    """A file newer than the service is what such a run leaves behind."""
    interrupted = {"collector": "collector", "agent-12": "agent"}
    for host, folder in interrupted.items():
        on(host, f"touch /opt/watchtower/{folder}/.env")
    before = {host: process(host) for host in FLEET}
    run = site()
    assert run.status == 0, run.output
    after = {host: process(host) for host in FLEET}
    assert {host for host in FLEET if after[host] != before[host]} == set(interrupted)
    changed, unreachable, failed = run.sum()
    assert (changed, unreachable, failed) == (len(interrupted), 0, 0), run.output


def test_nothing_is_left_to_mend(site):
    run = site()
    assert run.status == 0, run.output
    assert run.sum() == (0, 0, 0), run.output
    assert all(runs(host) for host in FLEET)
