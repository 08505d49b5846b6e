"""The documentation says what the program does, and all of it."""

import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import typer.main
from collector_process import REPOSITORY

from watchtowerctl import configuration, errors, host_database
from watchtowerctl.app import app
from watchtowerctl.commands.stats import ALIASES, BY, DEFAULT_TOP, MAX_TOP
from watchtowerctl.commands.token import LONGEST_OVERLAP
from watchtowerctl.moments import parse_moment, parse_span

PAGE = (REPOSITORY / "docs/operations/watchtowerctl.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines()]
SPANS = re.findall(r"`(watchtowerctl [^`]+)`", PAGE)
EXAMPLES = [line for line in [*LINES, *SPANS] if line.startswith("watchtowerctl ")]
# They go on until they are stopped, change the shell's files, or need another host.
NOT_RUN = ("tail", "--install-completion", "| ssh")
RUN = [line for line in EXAMPLES if not any(part in line for part in NOT_RUN)]


def commands(group=None, path=()):
    """Return all commands by their words, without the groups."""
    found = {}
    for name, command in (group or typer.main.get_command(app)).commands.items():
        words = (*path, name)
        if hasattr(command, "commands"):
            found |= commands(command, words)
        else:
            found[" ".join(words)] = command
    return found


def sections():
    chapter = re.search(r"^## Commands\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)[1]
    parts = re.split(r"^### (.*)\n", chapter, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def first_column(text, heading):
    """Return what stands in backquotes in the first column of the table with this heading."""
    table = re.search(rf"^\| {heading} \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = table[1].splitlines() if table else []
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def test_every_command_is_documented_and_no_other():
    assert sorted(sections()) == sorted(commands())


@pytest.mark.parametrize("name", commands())
def test_every_option_is_documented_and_no_other(name):
    known = {
        option
        for parameter in commands()[name].params
        if parameter.param_type_name == "option"
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    documented = first_column(sections()[name], "Option")
    assert set(documented) == known - {"--help"}
    assert len(documented) == len(set(documented))


def test_the_defaults_are_the_documented_ones():
    for name in ("events", "audit"):
        (limit,) = (p for p in commands()[name].params if "--limit" in p.opts)
        assert f"| `--limit` | how many, the newest; {limit.default} |" in sections()[name]
    (overlap,) = (p for p in commands()["token rotate"].params if "--overlap" in p.opts)
    assert f"; `{overlap.default}` |" in sections()["token rotate"]
    assert f"at most `{LONGEST_OVERLAP.days}d`; " in sections()["token rotate"]
    assert f"{DEFAULT_TOP} if not said, at most {MAX_TOP:,}; " in sections()["stats"]


def test_the_fields_to_count_by_are_the_documented_ones():
    (row,) = re.findall(r"^\| `--by` \| (.*) \|$", sections()["stats"], re.MULTILINE)
    fields, aliases = (re.findall(r"`(\w+)`", part) for part in row.split("; "))
    assert fields == list(BY)
    assert aliases == [*ALIASES, *ALIASES.values()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_understood(example):
    words = shlex.split(re.split(r" [|>] ", example)[0])[1:]
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    if words != ["--install-completion"]:
        command.make_context("watchtowerctl", words)


@pytest.mark.parametrize("example", RUN)
def test_every_example_that_can_be_run_is_run(asking, stand_in, example, tmp_path):
    for route in ("/events", "/hosts", "/admin/tokens", "/admin/audit"):
        stand_in.answer(f"GET {route}", [])
    for route in ("GET /healthz", "DELETE /admin/tokens/7", "DELETE /hosts/web-1"):
        stand_in.answer(route, {"status": "ok"})
    stand_in.answer("GET /events/4711", {"id": 4711})
    stand_in.answer("GET /stats", {"total": 0, "counts": []})
    stand_in.answer("GET /openapi.json", {"info": {"version": "0"}})
    stand_in.answer("POST /admin/tokens", {"id": 7, "token": "t" * 43}, 201)
    program = tmp_path / "watchtowerctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m watchtowerctl "$@"\n')
    program.chmod(0o755)
    asking.environment["PATH"] = f"{tmp_path}:{asking.environment['PATH']}"
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example],
        cwd=tmp_path,
        env=asking.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert stand_in.requests


def test_the_examples_are_many_and_most_are_run():
    assert len(RUN) > 10


def test_every_exit_status_is_documented_and_no_other():
    ours = {value for value in vars(errors).values() if isinstance(value, int)}
    rows = re.search(r"^\| Status \|.*\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)[1].splitlines()
    documented = [int(row.split("|")[1]) for row in rows]
    # 0 is everybody's, and 130 is Typer's for Ctrl-C.
    assert documented == sorted(ours | {0, 130})


def test_every_setting_is_documented_and_no_other():
    table = re.search(r"^\| Setting \|.*\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)[1]
    documented = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", table, re.MULTILINE))
    assert documented == {variable: name for name, variable in configuration._NAMES.items()}
    # No setting of the file: it is about this host's database, not about whom to ask.
    assert re.findall(r"^\| `(\w+)` \| \|", table, re.MULTILINE) == [host_database._NAME]


def test_the_file_of_the_page_is_taken(tmp_path):
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "ctl.toml").write_text(example)
    found = configuration.Configuration({}, tmp_path / "ctl.toml", tmp_path / "none")
    assert found.url()[0] == "https://collector.example.org"
    for piece in (found.key, found.ca_file):
        with pytest.raises(errors.CommandError, match=r"cannot read .*inventory/mine/.*No such"):
            piece()


def test_every_way_to_say_when_is_understood():
    said = first_column(PAGE, "You say")
    assert len(said) > 10
    for words in said:
        parse_moment(words, datetime.now(UTC).astimezone())


def test_the_tunnel_of_the_page_is_the_one_of_the_message():
    from watchtowerctl.problems import tunnel  # noqa: PLC0415  # this test alone

    for line in tunnel("https://collector.example.org").split("; "):
        assert line in LINES


def test_lengths_of_time_in_the_page_are_understood():
    for text in re.findall(r"--overlap (\w+)", PAGE):
        parse_span(text)
