"""The admin's command on the collector's host: who may run it, and what it answers."""

import json

from fleet import as_root, on, secret

testinfra_hosts = as_root("watchtower_collector")

COMMAND = "/usr/local/bin/watchtowerctl"
COMPLETION = "/usr/share/bash-completion/completions/watchtowerctl"
CURRENT = "/opt/watchtower/collector/current"
# As in a cron job: what works here does not hang on somebody's shell.
BARE = "env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/root LANG=C"
NOBODY = "setpriv --reuid=nobody --regid=nogroup --clear-groups env -i HOME=/nonexistent"


def test_files_are_roots(host):
    for path, mode in ((COMMAND, 0o755), (COMPLETION, 0o644)):
        file = host.file(path)
        assert (file.user, file.group, oct(file.mode)) == ("root", "root", oct(mode))


def test_it_is_the_release_that_runs(host):
    version = host.file(f"{CURRENT}/VERSION").content_string.strip()
    assert host.check_output(f"{BARE} {COMMAND} --version") == version


def test_root_needs_no_configuration(host):
    output = host.check_output(f"{BARE} {COMMAND} check")
    verdicts = {line.split()[1]: line.split()[0] for line in output.splitlines()}
    wanted = {"Address", "CA", "Answer", "Health", "Clock", "Key", "Version"}
    assert set(verdicts) == wanted, output
    assert "FAIL" not in verdicts.values(), output
    assert "http://127.0.0.1:8000" in output
    assert secret("admin_api_key") not in output


def test_root_is_answered(host):
    output = host.check_output(f"{BARE} {COMMAND} events --json --limit 1")
    assert all("type" in json.loads(line) for line in output.splitlines())
    assert host.check_output(f"{BARE} {COMMAND} events").startswith("ID ")


def test_others_may_run_it_but_have_no_key(host):
    refused = host.run(f"{NOBODY} {COMMAND} events")
    assert refused.rc == 78, refused
    assert "on this host, which has a collector, use sudo" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_nobody_changes_what_root_runs(host):
    """Neither the environment, nor the working directory, nor the home brings in foreign code."""
    trap = "raise SystemExit('trapped')"
    name = host.check_output("hostname")
    on(name, "mkdir -p /tmp/trap && chmod 0777 /tmp/trap")
    try:
        for module in ("json", "typer", "watchtowerctl", "sitecustomize"):
            on(name, f'echo "{trap}" >/tmp/trap/{module}.py')
        ran = host.run(f"cd /tmp/trap && {BARE} PYTHONPATH=/tmp/trap {COMMAND} --version")
        assert ran.rc == 0, ran
        assert "trapped" not in ran.stdout + ran.stderr
    finally:
        on(name, "rm -r /tmp/trap")


def test_the_shell_completes(host):
    # What bash does with the file, without somebody at the keyboard.
    script = (
        f"source {COMPLETION}; COMP_WORDS=(watchtowerctl events --type login_f); COMP_CWORD=3; "
        "_watchtowerctl_completion watchtowerctl; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert host.check_output("bash -c %s", script) == "login_failed"
