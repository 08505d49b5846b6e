"""The manual page and the troubleshooting table agree with the program."""

import ast
import json
import re
from pathlib import Path

import watchtower_agent
from watchtower_agent.exit_status import MEANINGS

PACKAGE = Path(watchtower_agent.__file__).parent
ROOT = PACKAGE.parents[1]
MANUAL = (ROOT / "docs/operations/agent-manual.md").read_text()
INSTALL = (ROOT / "docs/operations/install-agent.md").read_text()
UNIT = (ROOT / "roles/watchtower_agent/templates/watchtower-agent.service.j2").read_text()


def rows(markdown, first_heading):
    """Return the rows of the tables whose first column has this heading, as lists of cells."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
        if lines[0][0] == first_heading:
            found += lines[2:]
    assert found
    return found


def names(cell):
    return re.findall("`([^`]+)`", cell)


def section(heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## )", MANUAL, re.MULTILINE | re.DOTALL)[1]


def as_text(node):
    """Return a string of the source with ellipses for what is filled in, or None."""
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
        return "".join(map(str, parts))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(?:\.\d)?[sdf]", "…", node.value)
    return None


def sentences(*modules):
    texts = []
    for module in modules:
        nodes = list(ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())))
        pieces = {id(p) for node in nodes if isinstance(node, ast.JoinedStr) for p in node.values}
        texts += [as_text(node) for node in nodes if id(node) not in pieces]
    return [text for text in texts if text is not None]


def fits(sentence, text):
    return re.fullmatch(".+?".join(map(re.escape, sentence.split("…"))), text) is not None


def test_each_exit_status_is_documented_with_its_meaning():
    documented = {int(number): meaning for number, _, meaning, _ in rows(MANUAL, "Status")}
    assert documented == MEANINGS


def test_each_command_and_option_is_in_the_synopsis():
    tree = ast.parse((PACKAGE / "__main__.py").read_text())
    added = {"run": set(), "option": set()}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            if call.func.attr == "add_parser":
                added["run"].add(call.args[0].value)
            elif call.func.attr == "add_argument":
                added["option"].add(call.args[0].value)
    synopsis = section("Synopsis")
    for word in added["run"] | {o for o in added["option"] if o.startswith("-")}:
        assert re.search(rf"(?<![\w-]){word}(?![\w-])", synopsis), word


def test_each_line_of_the_example_of_check_is_one_that_is_printed():
    known = sentences("check", "check_collector", "__main__")
    example = re.search(r"```text\n(.*?)```", section("watchtower-agent check"), re.DOTALL)[1]
    lines = example.splitlines()
    assert len(lines) > 10
    for line in filter(None, lines):
        text = re.sub(r"^(?:ok   |warn |FAIL |      Fix:) ", "", line)
        assert any(fits(sentence.strip("\n"), text) for sentence in known if len(sentence) > 8), (
            line
        )


def test_each_field_for_programs_is_documented():
    tree = ast.parse((PACKAGE / "status_text.py").read_text())
    (function,) = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "status_json"
    ]
    keys = {
        key.value
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    counters = {
        node.target.id
        for node in ast.walk(ast.parse((PACKAGE / "counters.py").read_text()))
        if isinstance(node, ast.AnnAssign)
    }
    documented = {name for row in rows(MANUAL, "Field") for name in names(row[0])}
    assert documented | {"what", "command"} == keys | counters | {"clock_offset_seconds"}


def test_each_variable_is_one_that_the_program_looks_at():
    known = " ".join(sentences(*(path.stem for path in PACKAGE.glob("*.py"))))
    for row in rows(MANUAL, "Variable"):
        for name in names(row[0]):
            # requests looks at the proxies' by itself.
            assert name in known or name.endswith("_PROXY"), name


def test_each_option_stands_in_the_unit():
    options = [name for row in rows(MANUAL, "Option") for name in names(row[0])]
    assert [option for option in options if option not in UNIT.splitlines()] == []
    (prevented,) = re.findall(r"^RestartPreventExitStatus=(.*)$", UNIT, re.MULTILINE)
    (told,) = re.findall(r"^After (\d+) and (\d+) systemd leaves", MANUAL, re.MULTILINE)
    assert prevented.split() == list(told)


def logged():
    """Yield the texts that the agent can write into its journal."""
    for path in sorted(PACKAGE.glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call):
                continue
            is_log = isinstance(call.func, ast.Attribute) and (
                isinstance(call.func.value, ast.Name) and call.func.value.id == "log"
            )
            is_complaint = isinstance(call.func, ast.Name) and call.func.id == "complain"
            if is_log or is_complaint:
                yield from filter(None, map(as_text, call.args))
    yield from (text for text in sentences("send") if "Events are kept" in text)
    yield from (text for text in sentences("reader") if "It is tried again." in text)


def test_each_line_of_the_journal_is_in_the_troubleshooting_table():
    table = [name for row in rows(INSTALL, "Message") for name in names(row[0])]
    table += re.findall(r"^Watchtower agent .*$", INSTALL, re.MULTILINE)
    fragments = [max(re.split("…", entry), key=len).strip(" .") for entry in table]
    # What a setting, a spool or a missing file says of itself is told by rows of its own; the
    # last two come from parse, which has no journal.
    by_others = {"…", "The agent cannot start: ….", "…. Type: sudo watchtower-agent …"}
    by_others |= {"Line …: …", "… cannot be read: …"}
    texts = set(logged()) - by_others
    assert len(texts) > 20
    shown = json.dumps(sorted(texts), ensure_ascii=False, indent=1)
    version = "reads the journal and reports to"
    unexplained = [
        text
        for text in texts
        if version not in text and not any(fragment in text for fragment in fragments)
    ]
    assert unexplained == [], shown
