"""Which collector is asked and with which key: found, checked, and never shown."""

import re

import pytest
from collector_process import ADMIN

from watchtowerctl.configuration import Configuration
from watchtowerctl.errors import CONFIGURATION, CommandError

KEY = ADMIN["X-Admin-Api-Key"]
URL = "https://collector.example.org"


@pytest.fixture
def configure(tmp_path):
    """Return the configuration of an environment, a file and a host's settings."""

    def make(environment=None, file=None, host=None, mode=0o600):
        places = {"ctl.toml": file, "host.env": host}
        for name, text in places.items():
            if text is not None:
                (tmp_path / name).write_text(text)
                (tmp_path / name).chmod(mode)
        return Configuration(environment or {}, tmp_path / "ctl.toml", tmp_path / "host.env")

    return make


@pytest.fixture
def refused():
    """Return a function: what a piece of the configuration is refused with."""

    def ask(piece):
        with pytest.raises(CommandError) as caught:
            piece()
        assert caught.value.status == CONFIGURATION
        assert KEY not in str(caught.value)
        return str(caught.value)

    return ask


def test_the_environment_wins_over_the_file(configure):
    configuration = configure(
        {"WATCHTOWER_URL": URL, "ADMIN_API_KEY": "e" * 32},
        f'url = "https://other"\nkey = "{KEY}"',
    )
    assert configuration.url() == (URL, "WATCHTOWER_URL")
    assert configuration.key() == ("e" * 32, "ADMIN_API_KEY")


def test_the_file_is_enough(configure, tmp_path):
    (tmp_path / "ca.pem").touch()
    configuration = configure(file=f'url = "{URL}/"\nkey = "{KEY}"\nca_file = "{tmp_path}/ca.pem"')
    assert configuration.url()[0] == URL
    assert configuration.key()[0] == KEY
    assert configuration.ca_file()[0] == tmp_path / "ca.pem"


def test_a_file_with_a_key_that_others_can_read_is_refused(configure, refused, tmp_path):
    for mode in (0o640, 0o604):
        configuration = configure(file=f'key = "{KEY}"', mode=mode)
        assert f"chmod 600 {tmp_path}/ctl.toml" in refused(configuration.key)
    without = configure(file=f'url = "{URL}"', mode=0o644)
    assert without.url()[0] == URL


def test_a_key_file_that_others_can_read_is_refused(configure, refused, tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o640)
    configuration = configure({"WATCHTOWER_KEY_FILE": str(file)})
    assert f"chmod 600 {file}" in refused(configuration.key)
    file.chmod(0o600)
    assert configuration.key() == (KEY, f"WATCHTOWER_KEY_FILE, {file}")


def test_the_collectors_own_host_needs_no_configuration(configure):
    host = f'# Settings\nADMIN_API_KEY="{KEY}"\nWATCHTOWER_PORT="8443"\n'
    configuration = configure(host=host)
    assert configuration.url()[0] == "http://127.0.0.1:8443"
    assert configuration.key()[0] == KEY
    assert configure(host=f"ADMIN_API_KEY={KEY}\n").url()[0] == "http://127.0.0.1:8000"


def test_the_key_of_this_host_is_not_sent_to_another(configure, refused):
    configuration = configure({"WATCHTOWER_URL": URL}, host=f'ADMIN_API_KEY="{KEY}"\n')
    assert "there is no admin key" in refused(configuration.key)


def test_what_is_missing_is_said_with_the_fix(configure, refused):
    assert "export WATCHTOWER_URL=https://" in refused(configure().url)
    assert "export WATCHTOWER_KEY_FILE=FILE" in refused(configure().key)
    assert configure().ca_file() is None


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("collector.example.org", "must be like https://"),
        ("ftp://collector", "must be like https://"),
        ("https://", "must be like https://"),
        ("https://[::1", "must be like https://"),
        ("https://collector:x", "must be like https://"),
        ("https://collector/events", "without a path"),
        ("https://root:secret@collector", "without a path"),
        ("http://collector.example.org", "in clear"),
        ("http://127.0.0.1.example.org", "in clear"),
        ("http://10.0.0.1:8000", "in clear"),
    ],
)
def test_an_address_that_will_not_do_is_named(configure, refused, url, word):
    said = refused(configure({"WATCHTOWER_URL": url}).url)
    assert word in said
    assert "WATCHTOWER_URL" in said
    assert "secret" not in said


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000", "127.8.0.1", "localhost:18000"])
def test_plain_http_is_for_this_machine(configure, host):
    assert configure({"WATCHTOWER_URL": f"http://{host}"}).url()[0] == f"http://{host}"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("url = ", "is no TOML"),
        ("token = 'x'", "there is no 'token'; there are url, ca_file, key, key_file"),
        ("url = 7", "url must be text in quotation marks"),
        ("\xff", "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(configure, refused, file, said, tmp_path):
    message = refused(configure(file=file).url)
    assert said in message
    assert str(tmp_path / "ctl.toml") in message


def test_files_that_are_not_there_are_named(configure, refused):
    configuration = configure({"WATCHTOWER_KEY_FILE": "/no/key", "WATCHTOWER_CA_FILE": "/no/ca"})
    assert re.search("WATCHTOWER_KEY_FILE, /no/key: No such file", refused(configuration.key))
    assert re.search("WATCHTOWER_CA_FILE, /no/ca: No such file", refused(configuration.ca_file))


def test_a_file_that_cannot_be_read_is_named(configure, refused, tmp_path):
    (tmp_path / "ctl.toml").symlink_to(tmp_path / "ctl.toml")
    said = refused(configure().url)
    assert f"cannot read the configuration {tmp_path}/ctl.toml: Too many levels" in said


def test_a_key_that_no_collector_takes_is_measured_not_shown(configure, refused):
    said = refused(configure({"ADMIN_API_KEY": "short\nsecret"}).key)
    assert "this one has 12 characters" in said
    assert "secret" not in said
