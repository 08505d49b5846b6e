from pathlib import Path

import pytest

from watchtower_agent.host import Labels
from watchtower_agent.settings import SettingsError, read_settings
from watchtower_agent.trust import DEFAULT_SSH_UNITS

TOKEN = "t0ken-" + "x" * 32


@pytest.fixture
def environment(tmp_path):
    return {
        "WATCHTOWER_COLLECTOR_URL": "https://collector.example.org",
        "WATCHTOWER_AGENT_TOKEN": TOKEN,
        "STATE_DIRECTORY": str(tmp_path),
    }


def mistakes(environment):
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return caught.value.mistakes


def test_three_settings_are_enough(environment, tmp_path):
    settings = read_settings(environment)
    assert settings.collector_url == "https://collector.example.org"
    assert settings.agent_token == TOKEN
    assert settings.state_directory == tmp_path
    assert settings.ca_file is None
    assert settings.hostname is None
    assert settings.ssh_units == DEFAULT_SSH_UNITS
    assert settings.labels == Labels()
    assert settings.backfill_hours == 24
    assert settings.spool_max_bytes == 256 * 1024**2
    assert settings.heartbeat_seconds == 60
    assert settings.runtime_directory is None
    assert settings.remarks == ()


def test_all_the_others(environment):
    settings = read_settings(
        environment
        | {
            "WATCHTOWER_COLLECTOR_URL": "https://[2001:db8::1]:8443/watch/",
            "WATCHTOWER_HOSTNAME": "web-1.example.org",
            "WATCHTOWER_SSH_UNIT": "sshd.service, sshd-bastion@*.service,",
            "WATCHTOWER_REGION": "eu",
            "WATCHTOWER_HOST_GROUP": "web",
            "WATCHTOWER_SEVERITY": "high",
            "WATCHTOWER_FLAGGED": "Yes",
            "WATCHTOWER_BACKFILL_HOURS": "0",
            "WATCHTOWER_SPOOL_MAX_MB": "1",
            "WATCHTOWER_HEARTBEAT_SECONDS": "5",
            "RUNTIME_DIRECTORY": "/run/watchtower-agent:/run/other",
        }
    )
    assert settings.collector_url == "https://[2001:db8::1]:8443/watch"
    assert settings.hostname == "web-1.example.org"
    assert settings.ssh_units == ("sshd.service", "sshd-bastion@*.service")
    assert settings.labels == Labels("eu", "web", "high", flagged=True)
    assert settings.backfill_hours == 0
    assert settings.spool_max_bytes == 1024**2
    assert settings.heartbeat_seconds == 5
    assert settings.runtime_directory == Path("/run/watchtower-agent")


def test_every_mistake_is_named_at_once():
    found = mistakes({"WATCHTOWER_BACKFILL_HOURS": "soon"})
    assert [mistake.split(":")[0] for mistake in found] == [
        "WATCHTOWER_COLLECTOR_URL",
        "WATCHTOWER_AGENT_TOKEN",
        "STATE_DIRECTORY",
        "WATCHTOWER_BACKFILL_HOURS",
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WATCHTOWER_COLLECTOR_URL", "http://collector", "not encrypted"),
        ("WATCHTOWER_COLLECTOR_URL", "https:/collector", "not an https:// address"),
        ("WATCHTOWER_COLLECTOR_URL", "htps://collector", "not an https:// address"),
        ("WATCHTOWER_COLLECTOR_URL", "collector.example.org", "not an https:// address"),
        ("WATCHTOWER_COLLECTOR_URL", "https://", "not an https:// address"),
        ("WATCHTOWER_COLLECTOR_URL", "https://a b", "contains a space"),
        ("WATCHTOWER_COLLECTOR_URL", "https://a:99999", "not a URL"),
        ("WATCHTOWER_COLLECTOR_URL", "https://a:0", "not an https:// address"),
        ("WATCHTOWER_COLLECTOR_URL", "https://a?x=1", "base address"),
        ("WATCHTOWER_COLLECTOR_URL", "https://[::1", "not a URL"),
        ("WATCHTOWER_AGENT_TOKEN", "short", "32 or more"),
        ("WATCHTOWER_AGENT_TOKEN", "x" * 16 + " " + "x" * 16, "without quotes or spaces"),
        ("WATCHTOWER_CA_FILE", "/nowhere/ca.pem", "cannot be read"),
        ("WATCHTOWER_CA_FILE", "/dev/null", "no certificate"),
        ("WATCHTOWER_SSH_UNIT", "ssh", "not the name of a unit"),
        ("WATCHTOWER_HOSTNAME", "web 1", "no host name"),
        ("WATCHTOWER_HOSTNAME", "x" * 256, "up to 255"),
        ("WATCHTOWER_REGION", "x" * 65, "64"),
        ("WATCHTOWER_REGION", "a\nb", "printable"),
        ("WATCHTOWER_FLAGGED", "maybe", "neither true nor false"),
        ("WATCHTOWER_BACKFILL_HOURS", "-1", "from 0 to"),
        ("WATCHTOWER_BACKFILL_HOURS", "1.5", "from 0 to"),
        ("WATCHTOWER_SPOOL_MAX_MB", "0", "from 1 to"),
        ("WATCHTOWER_HEARTBEAT_SECONDS", "4", "from 5 to"),
        ("STATE_DIRECTORY", "relative", "absolute path"),
        ("STATE_DIRECTORY", "/nowhere", "not a directory"),
    ],
)
def test_a_mistake_names_the_setting_and_the_fix(environment, name, value, words):
    (mistake,) = mistakes(environment | {name: value})
    assert mistake.startswith(f"{name}: ")
    assert words in mistake


def test_a_name_that_is_no_setting_is_remarked_on(environment):
    """It is no mistake: who goes back to this version has a later one's settings still."""
    settings = read_settings(environment | {"WATCHTOWER_REGOIN": "eu", "WATCHTOWER_7": "x"})
    first, second = settings.remarks
    assert first.startswith("WATCHTOWER_7: ")
    assert "meant" not in first
    assert second.startswith("WATCHTOWER_REGOIN: ")
    assert "WATCHTOWER_REGION is probably meant" in second


def test_a_password_in_the_address_is_refused_and_not_shown(environment):
    address = "https://user:hunter2@collector"
    (mistake,) = mistakes(environment | {"WATCHTOWER_COLLECTOR_URL": address})
    assert "hunter2" not in mistake


def test_the_token_is_shown_nowhere(environment):
    assert TOKEN not in repr(read_settings(environment))
    wrong = f'"{TOKEN}"'
    (mistake,) = mistakes(environment | {"WATCHTOWER_AGENT_TOKEN": wrong})
    assert "t0ken" not in mistake
