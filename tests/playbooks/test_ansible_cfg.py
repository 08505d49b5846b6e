"""ansible.cfg: what the playbooks rely on, as Ansible itself reads it."""

import json

import pytest


@pytest.fixture(scope="module")
def settings(ansible):
    """Return every setting that ansible.cfg changes, by its name."""
    dump = ["dump", "--type", "all", "--only-changed", "--format", "json"]
    flat, groups = {}, json.loads(ansible("ansible-config", *dump))
    for entry in groups:
        nested = (
            [entry] if "name" in entry else [i for part in entry.values() for i in flatten(part)]
        )
        flat |= {item["name"]: item["value"] for item in nested}
    return flat


def flatten(part):
    """Return the settings of a group of plugins, however deep they stand."""
    if isinstance(part, dict):
        return [item for inner in part.values() for item in flatten(inner)]
    return [item for inner in part for item in ([inner] if "name" in inner else flatten(inner))]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST_KEY_CHECKING", True),
        ("DUPLICATE_YAML_DICT_KEY", "error"),
        ("INVENTORY_ANY_UNPARSED_IS_FAILED", True),
        ("DEFAULT_GATHERING", "explicit"),
        ("RETRY_FILES_ENABLED", False),
        ("DISPLAY_SKIPPED_HOSTS", False),
        ("pipelining", True),
    ],
)
def test_setting(settings, name, value):
    assert settings[name] == value


def test_host_keys_are_never_accepted_unseen(settings):
    assert "StrictHostKeyChecking" not in settings["ssh_args"]
    assert "ControlPersist" in settings["ssh_args"]


def test_connections_of_two_fleets_are_kept_apart(settings):
    """Two inventories may each have a host "collector" that another ssh_config leads elsewhere."""
    assert settings["control_path"] % {"directory": "/run"} == "/run/%C"


def test_large_fleets_do_not_wait(settings):
    assert settings["DEFAULT_FORKS"] >= 20
