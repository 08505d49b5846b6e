"""The command line: ``watchtower-agent [run | status | check | parse [FILE]]``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import BinaryIO

from watchtower_agent import exit_status
from watchtower_agent.entry import EntryError, JournalEntry
from watchtower_agent.host import Host
from watchtower_agent.installation import NotAllowedError
from watchtower_agent.log import complain, set_up_logging
from watchtower_agent.parse import Parser
from watchtower_agent.settings import SettingsError, read_settings
from watchtower_agent.spool_file import DamagedSpoolError, NewerSpoolError, SpoolError
from watchtower_agent.version import read_version

log = logging.getLogger("watchtower_agent")


def main() -> int:
    """Run the command that sys.argv names; return the exit status."""
    set_up_logging()
    try:
        return _main()
    except BrokenPipeError:
        # Who reads our output has seen enough; Python must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_status.WELL
    except NotAllowedError as error:
        complain(log, "%s. Type: sudo watchtower-agent %s", error, " ".join(sys.argv[1:]))
        return exit_status.NOT_ALLOWED


def _main() -> int:
    try:
        version = read_version()
    except FileNotFoundError as error:
        complain(log, "The agent cannot start: %s.", error)
        return exit_status.INCOMPLETE
    parser = argparse.ArgumentParser(
        prog="watchtower-agent", description="Reports SSH logins of this host to the collector."
    )
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run as the service does (the default)")
    status = commands.add_parser("status", help="say how the agent on this host is")
    status.add_argument("--json", action="store_true", help="one JSON object, for monitoring")
    commands.add_parser("check", help="try everything that the agent needs, and name the fixes")
    parse = commands.add_parser(
        "parse", help="turn lines of 'journalctl -o json' into the events they would become"
    )
    parse.add_argument("file", nargs="?", default="-", metavar="FILE", help="- is standard input")
    arguments = parser.parse_args()
    if arguments.command == "parse":
        return _parse(arguments.file)
    if arguments.command == "status":
        return _status(as_json=arguments.json)
    if arguments.command == "check":
        return _check()
    return _run()


def _status(*, as_json: bool) -> int:
    from watchtower_agent.status import read_status  # noqa: PLC0415  # the daemon does without
    from watchtower_agent.status_text import status_json, status_text  # noqa: PLC0415  # likewise

    status = read_status()
    sys.stdout.write((status_json(status) if as_json else status_text(status)) + "\n")
    sys.stdout.flush()
    findings = status.findings()
    return findings[0].exit_status if findings else exit_status.WELL


def _check() -> int:
    from watchtower_agent.check import run_checks  # noqa: PLC0415  # the daemon does without

    failures = 0
    for result in run_checks():
        failures += result.failed
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    if failures:
        sys.stdout.write(f"\n{failures} of the checks failed.\n")
        return exit_status.CHECK_FAILED
    sys.stdout.write("\nNothing failed.\n")
    return exit_status.WELL


def _run() -> int:
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for mistake in error.mistakes:
            complain(log, "%s", mistake)
        complain(
            log,
            "The agent cannot start: mend the settings above (installed agents have them in "
            "/opt/watchtower/agent/.env), look at them all with 'sudo watchtower-agent check', "
            "and run 'systemctl restart watchtower-agent'.",
        )
        return exit_status.SETTINGS
    try:
        from watchtower_agent.run import run  # noqa: PLC0415  # others work without requests
    except ImportError as error:
        return _explain_import(error)
    try:
        return run(settings)
    except NewerSpoolError as error:
        complain(log, "The agent cannot start: %s.", error)
        return exit_status.OUTDATED
    except (SpoolError, DamagedSpoolError) as error:
        complain(log, "The agent cannot start: %s.", error)
        return exit_status.SPOOL


def _explain_import(error: ImportError) -> int:
    if (error.name or "").startswith("watchtower_agent"):
        complain(
            log,
            "The agent cannot start: its installation is incomplete (%s); install it again.",
            error,
        )
        return exit_status.INCOMPLETE
    complain(log, "A Python package is missing (%s): install python3-requests.", error)
    return exit_status.UNAVAILABLE


def _parse(file: str) -> int:
    if file == "-":
        return _parse_lines(sys.stdin.buffer)
    try:
        with Path(file).open("rb") as lines:
            return _parse_lines(lines)
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(log, "%s cannot be read: %s", file, error.strerror)
        return exit_status.NO_INPUT


def _parse_lines(lines: BinaryIO) -> int:
    parser = Parser(host=Host(os.uname().nodename))
    status = exit_status.WELL
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = parser.parse(JournalEntry.from_json(line))
        except EntryError as error:
            complain(log, "Line %d: %s", number, error)
            status = exit_status.DATA
            continue
        if event is not None:
            sys.stdout.write(event.to_json() + "\n")
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
