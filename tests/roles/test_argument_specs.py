"""meta/argument_specs.yml is the contract of a role; defaults/main.yml must say the same."""

from pathlib import Path

import pytest
import yaml

ROLES = sorted((Path(__file__).resolve().parents[2] / "roles").iterdir())

# Words that stand in the name of a variable that holds a secret.
SECRET_WORDS = ("token", "key", "password", "secret")
# They name a file on the collector's host; what they hold is no secret.
NO_SECRETS = {"watchtower_caddy_tls_key_file"}

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def entry_points(role):
    """Return the entry points of a role's specification by name."""
    return yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]


def options(role):
    """Return every option of a role, those of all its entry points together."""
    found = {}
    for entry in entry_points(role).values():
        shared = found.keys() & entry["options"].keys()
        assert all(found[name] == entry["options"][name] for name in shared), "two meanings"
        found |= entry["options"]
    return found


def defaults(role):
    """Return the variables of a role's defaults/main.yml."""
    return yaml.safe_load((role / "defaults/main.yml").read_text())


def test_defaults_and_specification_agree(role):
    documented = {
        name: option["default"] for name, option in options(role).items() if "default" in option
    }
    assert documented == defaults(role)


def test_what_has_no_default_is_required(role):
    without = {name for name, option in options(role).items() if "default" not in option}
    required = {name for name, option in options(role).items() if option.get("required")}
    assert without == required


def test_names_begin_with_the_role(role):
    foreign = [name for name in options(role) if not name.startswith(f"{role.name}_")]
    assert not foreign


def test_everything_is_described(role):
    silent = [name for name, option in options(role).items() if not option.get("description")]
    silent += [
        name for name, entry in entry_points(role).items() if not entry["short_description"]
    ]
    assert not silent


def test_every_entry_point_is_a_file_of_tasks(role):
    missing = [name for name in entry_points(role) if not (role / f"tasks/{name}.yml").is_file()]
    assert not missing


def test_secrets_are_never_logged(role):
    secrets = {
        name
        for name, option in options(role).items()
        if any(word in name for word in SECRET_WORDS) and option["type"] == "str"
    } - NO_SECRETS
    unprotected = {name for name in secrets if options(role)[name].get("no_log") is not True}
    assert not unprotected
