import pytest

from watchtower_collector.retention import Bounds
from watchtower_collector.settings import SettingsError, read_settings

KEY = "k" * 31 + "1"
TOKEN = "t" * 31 + "1"


def mistakes(**environment):
    with pytest.raises(SettingsError) as caught:
        read_settings({"ADMIN_API_KEY": KEY, "WATCHTOWER_AGENT_TOKEN": TOKEN, **environment})
    return caught.value.mistakes


def test_the_two_secrets_are_enough():
    settings = read_settings({"ADMIN_API_KEY": KEY, "WATCHTOWER_AGENT_TOKEN": TOKEN})
    assert settings.admin_api_key == KEY
    assert settings.agent_token == TOKEN
    assert str(settings.db_path) == "/var/lib/watchtower/watchtower.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.max_body_bytes == 8 * 1024 * 1024
    assert settings.queue_events == 20_000
    assert settings.silent_seconds == 300


@pytest.mark.parametrize(
    ("days", "heartbeat_days", "megabytes", "bounds"),
    [
        ("", "", "", Bounds(days=None, heartbeat_days=7, bytes=None)),
        ("90", "2", "500", Bounds(days=90, heartbeat_days=2, bytes=500 << 20)),
        ("0", "0", "0", Bounds(days=None, heartbeat_days=None, bytes=None)),
    ],
)
def test_what_is_kept_can_be_set(days, heartbeat_days, megabytes, bounds):
    settings = read_settings(
        {
            "ADMIN_API_KEY": KEY,
            "WATCHTOWER_RETENTION_DAYS": days,
            "WATCHTOWER_HEARTBEAT_DAYS": heartbeat_days,
            "WATCHTOWER_RETENTION_MB": megabytes,
        }
    )
    assert settings.retention == bounds


def test_all_mistakes_are_reported_together_by_name():
    found = mistakes(
        ADMIN_API_KEY="",
        WATCHTOWER_AGENT_TOKEN="short",
        WATCHTOWER_HOST="example.org",
        WATCHTOWER_PORT="0",
        WATCHTOWER_MAX_BODY_BYTES="8M",
        WATCHTOWER_QUEUE_EVENTS="999",
    )
    names = [mistake.split()[0] for mistake in found]
    assert names == [
        "ADMIN_API_KEY",
        "WATCHTOWER_AGENT_TOKEN",
        "WATCHTOWER_HOST",
        "WATCHTOWER_PORT",
        "WATCHTOWER_MAX_BODY_BYTES",
        "WATCHTOWER_QUEUE_EVENTS",
    ]


@pytest.mark.parametrize("secret", ["x" * 31, "x" * 32 + " ", "x" * 32 + "\n", "ü" * 32])
def test_a_bad_secret_is_refused_and_not_shown(secret):
    (mistake,) = mistakes(WATCHTOWER_AGENT_TOKEN=secret)
    assert "at least 32 characters" in mistake
    assert secret not in mistake


def test_key_and_token_must_differ():
    (mistake,) = mistakes(WATCHTOWER_AGENT_TOKEN=KEY)
    assert "are the same" in mistake
    assert KEY not in mistake


@pytest.mark.parametrize("port", ["65536", "-1", "8000x", "٣", "9" * 5_000])
def test_a_number_out_of_bounds_names_the_bounds(port):
    (mistake,) = mistakes(WATCHTOWER_PORT=port)
    assert "from 1 to 65535" in mistake
    assert len(mistake) < 200


def test_a_variable_set_to_nothing_counts_as_unset():
    settings = read_settings(
        {"ADMIN_API_KEY": KEY, "WATCHTOWER_AGENT_TOKEN": TOKEN, "WATCHTOWER_PORT": ""}
    )
    assert settings.port == 8000


def test_settings_do_not_show_the_secrets():
    settings = read_settings({"ADMIN_API_KEY": KEY, "WATCHTOWER_AGENT_TOKEN": TOKEN})
    assert KEY not in repr(settings)
    assert TOKEN not in repr(settings)
