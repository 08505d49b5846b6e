"""What verify.yml does where there is nothing to ask."""


def test_collector_that_is_run_from_elsewhere_is_not_asked(run_playbook, write_inventory):
    folder = write_inventory(
        """\
        all:
          children:
            watchtower_agents:
              vars:
                watchtower_agent_collector_url: https://collector.example.org
              hosts:
                agent-1: {ansible_connection: local}
        """
    )
    run = run_playbook("verify", folder)
    assert run.status == 0, run.output
    assert "fatal" not in run.output
