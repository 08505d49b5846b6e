"""Last night's backup is restored: the fleet goes on by itself, and nothing stays lost."""

from fleet import ask, hosts, log_in, on, stored_login

COLLECTOR = "collector"
AGENTS = hosts("watchtower_agents")
UNITS = "watchtower-collector.socket watchtower-collector.service"
# An agent hears of it with its next acknowledgement, looks what is to be done every minute, and
# begins within two minutes.
HEARD_SECONDS = 300


def test_agents_send_again_what_a_restore_has_lost():
    kept = {agent: log_in(agent) for agent in AGENTS}
    for agent, login in kept.items():
        stored_login(COLLECTOR, agent, login)
    on(COLLECTOR, "systemctl start watchtower-backup.service")
    lost = {agent: log_in(agent) for agent in AGENTS}
    for agent, login in lost.items():
        stored_login(COLLECTOR, agent, login)
    on(
        COLLECTOR,
        f"systemctl stop {UNITS}; "
        "backup=$(ls /var/backups/watchtower/*Z.db | tail -n 1); "
        'watchtowerctl restore --yes --lose-newer "$backup"; '
        f"systemctl start {UNITS}",
    )
    (report,) = ask(COLLECTOR, "/events", type="store_restored")
    assert report["lost_events"] >= len(AGENTS)
    for agent in AGENTS:
        stored_login(COLLECTOR, agent, log_in(agent))
    for agent in AGENTS:
        stored_login(COLLECTOR, agent, lost[agent], HEARD_SECONDS)
        stored_login(COLLECTOR, agent, kept[agent])
