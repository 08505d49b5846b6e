"""The command line: ``watchtower_agent.py [run | parse [FILE]]``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import BinaryIO

from watchtower_agent.entry import EntryError, JournalEntry
from watchtower_agent.host import Host
from watchtower_agent.log import complain, set_up_logging
from watchtower_agent.parse import Parser
from watchtower_agent.settings import SettingsError, read_settings
from watchtower_agent.spool_file import NewerSpoolError, SpoolError
from watchtower_agent.version import read_version

log = logging.getLogger("watchtower_agent")

# sysexits.h
EX_OK = 0
EX_DATAERR = 65
EX_NOINPUT = 66
EX_UNAVAILABLE = 69
EX_CANTCREAT = 73
EX_CONFIG = 78


def main() -> int:
    """Run the command that sys.argv names; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="watchtower_agent", description="Reports SSH logins of this host to the collector."
    )
    parser.add_argument("--version", action="version", version=read_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run as the service does (the default)")
    parse = commands.add_parser(
        "parse", help="turn lines of 'journalctl -o json' into the events they would become"
    )
    parse.add_argument("file", nargs="?", default="-", metavar="FILE", help="- is standard input")
    arguments = parser.parse_args()
    set_up_logging()
    if arguments.command == "parse":
        try:
            return _parse(arguments.file)
        except BrokenPipeError:
            # Who reads our output has seen enough; Python must not try to flush the rest.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EX_OK
    return _run()


def _run() -> int:
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for mistake in error.mistakes:
            complain(log, "%s", mistake)
        complain(
            log,
            "The agent cannot start: mend the settings above (installed agents have them in "
            "/opt/watchtower/agent/.env) and run 'systemctl restart watchtower-agent'.",
        )
        return EX_CONFIG
    try:
        from watchtower_agent.run import run  # noqa: PLC0415  # parse works without requests
    except ImportError as error:
        complain(log, "A Python package is missing (%s): install python3-requests.", error)
        return EX_UNAVAILABLE
    try:
        return run(settings)
    except (SpoolError, NewerSpoolError) as error:
        complain(log, "The agent cannot start: %s.", error)
        return EX_CANTCREAT


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
        return EX_NOINPUT


def _parse_lines(lines: BinaryIO) -> int:
    parser = Parser(host=Host(os.uname().nodename))
    status = EX_OK
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = parser.parse(JournalEntry.from_json(line))
        except EntryError as error:
            complain(log, "Line %d: %s", number, error)
            status = EX_DATAERR
            continue
        if event is not None:
            sys.stdout.write(event.to_json() + "\n")
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
