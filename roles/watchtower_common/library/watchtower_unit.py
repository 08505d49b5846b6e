#!/usr/bin/python
"""Ansible module: a systemd service that runs what is installed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: watchtower_unit
short_description: Let a systemd service run what is installed now
description:
  - Enables and starts a service, and restarts it when it was started before one of O(files) last
    changed. What needs a restart is read from the host itself, not remembered in a handler, so
    a run that broke off between a change and its restart is mended by the next one.
  - A service that does not come up fails the task with the last lines of its journal.
options:
  name:
    description: The service unit.
    type: str
    required: true
  socket:
    description: The socket unit that owns the service's address, if it is socket-activated.
    type: str
  triggers:
    description: >-
      The service that O(name), a timer, starts. systemd is made to read its file when that
      changed; it is not started.
    type: str
  files:
    description: Files (or links) that the running service depends on.
    type: list
    elements: path
    default: []
"""

RETURN = r"""
actions: {description: The systemctl calls that were needed., type: list, returned: always}
"""

JOURNAL_LINES = "25"
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "ActiveEnterTimestampMonotonic",
    "ExecMainStartTimestampMonotonic",
    "FragmentPath",
    "DropInPaths",
)


def changed_after(path: str, moment: float) -> bool:
    """Tell whether a file or link changed after a moment (seconds since the epoch).

    The inode's change time counts, too: a file moved into place keeps its older mtime.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return max(status.st_mtime, status.st_ctime) > moment


class Systemd:
    """systemctl on this host; collects what had to be done."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.actions: list[str] = []

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit (systemctl(1), ``show``); unknown units have them, too."""
        command = ["systemctl", "show", unit, f"--property={','.join(names)}"]
        _, output, _ = self.module.run_command(command, check_rc=True)
        return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def act(self, *arguments: str) -> None:
        """Call systemctl, or only note the call in check mode; fail with the unit's journal."""
        self.actions.append(" ".join(arguments))
        if self.module.check_mode:
            return
        code, _, errors = self.module.run_command(["systemctl", *arguments])
        if code != 0:
            self.fail(arguments[-1], f"systemctl {' '.join(arguments)}: {errors.strip()}")

    def fail(self, unit: str, reason: str) -> None:
        """End the task, showing what the unit itself said."""
        command = ["journalctl", "--no-pager", "--unit", unit, "--lines", JOURNAL_LINES]
        _, journal, _ = self.module.run_command([*command, "--output", "cat"])
        self.module.fail_json(
            msg=f"{unit} does not run: {reason}\nThe unit's last words "
            f"(journalctl -u {unit}):\n{journal.strip()}",
            actions=self.actions,
        )


def started_at(properties: dict[str, str]) -> float:
    """Return when the unit was started, in seconds since the epoch.

    For a service that is when its process began: what changed while it got ready, it has not read.
    systemd keeps the monotonic microsecond beside a wall clock time of whole seconds; the
    monotonic one is exact, and right after the clock was set.
    """
    active = properties["ActiveEnterTimestampMonotonic"]
    monotonic = int(properties.get("ExecMainStartTimestampMonotonic") or active or 0) / 1e6
    return time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - monotonic)


def is_outdated(unit: str, state: dict[str, str], files: list[str]) -> bool:
    """Tell whether systemd has yet to read a unit's files as they are now.

    NeedDaemonReload alone does not say so of a drop-in whose folder is new.
    """
    read = state["DropInPaths"].split()
    drop_ins = [path for path in files if f"/{unit}.d/" in path and Path(path).exists()]
    unread = any(path not in read for path in drop_ins)
    return state["NeedDaemonReload"] == "yes" or state["LoadState"] != "loaded" or unread


def ensure(module: AnsibleModule) -> list[str]:
    """Bring the unit up to date and return the systemctl calls this took."""
    systemd = Systemd(module)
    name, socket = module.params["name"], module.params["socket"]
    units = [unit for unit in (socket, name) if unit]
    states = {unit: systemd.show(unit, *PROPERTIES) for unit in units}
    triggered = [unit for unit in (module.params["triggers"],) if unit]
    read = states | {unit: systemd.show(unit, *PROPERTIES) for unit in triggered}
    if any(is_outdated(unit, state, module.params["files"]) for unit, state in read.items()):
        systemd.act("daemon-reload")
        if not module.check_mode:
            states = {unit: systemd.show(unit, *PROPERTIES) for unit in units}
    for unit in units:
        if states[unit]["UnitFileState"] != "enabled":
            systemd.act("enable", unit)

    def stale(unit: str, files: list[str]) -> bool:
        state = states[unit]
        files = [*files, state["FragmentPath"]]
        return any(changed_after(path, started_at(state)) for path in files if path)

    active = {unit: states[unit]["ActiveState"] == "active" for unit in units}
    if socket and not (active[socket] and not stale(socket, [])):
        # systemd refuses to open a socket whose service already runs.
        if active[name]:
            systemd.act("stop", name)
        systemd.act("restart", socket)
        systemd.act("start", name)
    elif not active[name] or stale(name, module.params["files"]):
        systemd.act("restart", name)
    if not module.check_mode and systemd.show(name, "ActiveState")["ActiveState"] != "active":
        systemd.fail(name, "it stopped right after it was started")
    return systemd.actions


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "socket": {"type": "str"},
            "triggers": {"type": "str"},
            "files": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    actions = ensure(module)
    module.exit_json(changed=bool(actions), actions=actions)


if __name__ == "__main__":
    main()
