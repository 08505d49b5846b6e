"""The documentation agrees with the repository: variables, files, tests, commands, messages."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from watchtower_collector.backup import back_up
from watchtower_collector.event import event_row, parse_event
from watchtower_collector.store.sqlite import SQLiteStore

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
DIAGRAMS = sorted(ROOT.glob("docs/diagrams/*.svg"))
OPERATIONS = ROOT / "docs/operations"
VARIABLES = {
    "watchtower_agent": OPERATIONS / "install-agent.md",
    "watchtower_collector": OPERATIONS / "install-collector.md",
    "watchtower_caddy": OPERATIONS / "caddy-config.md",
}
UNITS = {
    "The collector": "watchtower_collector/templates/watchtower-collector.service.j2",
    "The backup": "watchtower_collector/templates/watchtower-backup.service.j2",
    "The agent": "watchtower_agent/templates/watchtower-agent.service.j2",
    "Caddy": "watchtower_caddy/templates/10-watchtower.conf.j2",
}
OURS = (".config", "benchmarks", "bin", "docs", "inventory", "molecule", "playbooks")
OURS += ("requirements", "roles", "src", "tests")
PATH = re.compile(rf"(?<![\w/.~-])(?:{'|'.join(map(re.escape, OURS))})/[\w./:-]*\w/?")
# What runs make, so that it is not in version control.
MADE = re.compile(r"/\.watchtower/")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_role = pytest.mark.parametrize("role", VARIABLES)


def text_of(path):
    return path.read_text(encoding="utf-8")


def code_of(markdown):
    """Return what stands in a page as code: its blocks, then the spans between them."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", markdown, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^ *```.*?^ *```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return [*blocks, *re.findall(r"`([^`]+)`", rest)]


def tables(markdown, first_heading):
    """Return the rows of all tables whose first column has this heading, as lists of cells."""
    rows = []
    for table in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        lines = [[cell.strip() for cell in row.split(" | ")] for row in table.splitlines()]
        if lines[0][0].strip("| ") == first_heading:
            rows += [[cell.strip("| ") for cell in line] for line in lines[2:]]
    return rows


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def section(markdown, heading):
    """Return the part of a page under a heading of the second level."""
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", markdown, re.MULTILINE | re.DOTALL)[1]


def anchors(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# Variables


def options(role):
    spec = yaml.safe_load(text_of(ROOT / f"roles/{role}/meta/argument_specs.yml"))
    return spec["argument_specs"]["main"]["options"]


@each_role
def test_every_variable_is_documented_and_no_other(role):
    rows = tables(text_of(VARIABLES[role]), "Variable")
    assert [name for row in rows for name in names(row[0])] == list(options(role))


@each_role
def test_every_default_is_the_documented_one(role):
    for cell, default, meaning in tables(text_of(VARIABLES[role]), "Variable"):
        (name,) = names(cell)
        option = options(role)[name]
        if "{{" in str(option["default"]):
            # What Ansible fills in is told in words.
            assert re.search("[a-z]{3}", re.sub("`[^`]*`", "", default)), name
        else:
            (shown,) = names(default)
            assert yaml.safe_load(shown) == option["default"], name
        for choice in option.get("choices", ()):
            assert f"`{choice}`" in meaning, name


def test_every_setting_of_the_agent_is_documented_and_no_other():
    source = ast.parse(text_of(ROOT / "src/watchtower_agent/settings.py"))
    known = {
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Constant) and re.fullmatch("WATCHTOWER_[A-Z_]+", str(node.value))
    }
    rows = tables(text_of(VARIABLES["watchtower_agent"]), "Setting")
    assert sorted(name for row in rows for name in names(row[0])) == sorted(known)


# Files, links and tests


@each_page
def test_every_link_leads_somewhere(page):
    markdown = text_of(page)
    links = re.findall(r"\]\(([^)\s]+)\)", markdown) + re.findall(r'src="([^"]+)"', markdown)
    for link in links:
        if re.match("https?://", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.is_file(), link
        assert not anchor or anchor in anchors(path), link


@each_page
def test_every_file_that_is_named_is_there(page):
    found = [path for code in code_of(text_of(page)) for path in PATH.findall(code)]
    for named in found:
        if MADE.search(named):
            continue
        path, _, test = named.partition("::")
        path = path.replace("inventory/mine", "inventory/example")
        assert (ROOT / path).exists(), named
        if test:
            assert re.search(rf"^def {test}\(", text_of(ROOT / path), re.MULTILINE), named


def test_every_page_is_on_the_map():
    index = ROOT / "docs/index.md"
    linked = {
        (index.parent / link.partition("#")[0]).resolve()
        for link in re.findall(r"\]\(([^)\s]+)\)", text_of(index))
    }
    assert set(PAGES) - {index} <= linked


def test_every_diagram_is_shown():
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r'(?:\]\(|src=")([^)"\s]+\.svg)', text_of(page))
    }
    assert set(DIAGRAMS) == shown


def test_the_version_has_its_entry():
    version = text_of(ROOT / "VERSION").strip()
    assert f"\n## [{version}] - " in text_of(ROOT / "CHANGELOG.md")


# Commands


def commands():
    """Return each ansible-playbook command of the documentation, as its arguments."""
    found = set()
    for page in PAGES:
        for code in code_of(text_of(page)):
            for line in code.splitlines():
                if line.strip().startswith("ansible-playbook "):
                    found.add(line.strip())
    return sorted(found)


@pytest.fixture(scope="module")
def inventory(tmp_path_factory):
    """Return a copy of the example: what stands in the pages as inventory/mine."""
    folder = tmp_path_factory.mktemp("inventory") / "mine"
    shutil.copytree(ROOT / "inventory/example", folder)
    return folder


@pytest.mark.parametrize("command", commands())
def test_every_playbook_is_called_as_it_can_be(command, inventory):
    program, *arguments = shlex.split(command, comments=True)
    assert any(argument.startswith("playbooks/") for argument in arguments)
    arguments = [str(inventory) if word == "inventory/mine" else word for word in arguments]
    assert str(inventory) in arguments
    ended = subprocess.run(
        [program, *arguments, "--syntax-check"],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@each_page
def test_every_shell_block_is_shell(page):
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text_of(page), re.MULTILINE | re.DOTALL):
        ended = subprocess.run(["bash", "-n"], input=block, text=True, check=False)
        assert ended.returncode == 0, block


def test_the_check_of_a_backup_says_what_it_holds(tmp_path):
    """The block of the page as it stands, without sudo, of another file."""
    page = section(text_of(OPERATIONS / "backup.md"), "Check one")
    block = re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1]
    shown = "/var/backups/watchtower/watchtower-20260314T092653Z.db"
    assert block.count(shown) == block.count("sudo ") == 1
    store = SQLiteStore(tmp_path / "watchtower.db")
    event = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}
    store.append([event_row(parse_event(event), 0) for _ in range(100)])
    made = back_up(tmp_path / "watchtower.db", tmp_path)
    store.close()
    block = block.replace(shown, str(made.path)).replace("sudo ", "")
    ended = subprocess.run(["bash", "-euc", block], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "ok\n100 100\n"), ended.stderr


# What is printed


def sentences():
    """Return everything that the programs, roles and playbooks can say, one text for each.

    What is filled in when it is said stands as an ellipsis.
    """
    texts = []
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("roles/*/library/*.py")]
    for path in [*sources, *ROOT.glob("playbooks/*/*.py")]:
        for node in ast.walk(ast.parse(text_of(path))):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                ]
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r"%(?:\.\d)?[sdf]", "…", node.value))
    for path in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/*.yml")]:
        filled = re.sub(r"\{\{.*?\}\}", "…", text_of(path), flags=re.DOTALL)
        texts.append(" ".join(filled.split()))
    return texts


@pytest.mark.parametrize("name", ["install-agent.md", "install-collector.md"])
def test_every_message_is_one_that_is_printed(name):
    known = sentences()
    messages = [m for row in tables(text_of(OPERATIONS / name), "Message") for m in names(row[0])]
    assert len(messages) > 10
    for message in messages:
        fragments = [re.escape(part) for part in message.split("…") if part.strip()]
        pattern = re.compile("…".join(fragments) if len(fragments) > 1 else fragments[0])
        assert any(pattern.search(text) for text in known), message


def test_the_agents_first_words_are_the_documented_ones():
    page = section(text_of(VARIABLES["watchtower_agent"]), "What it says")
    first = re.search(r"```text\n(.*?)\n", page)[1]
    shown = first.replace(text_of(ROOT / "VERSION").strip(), "…")
    assert re.sub(r"https://\S+(?=\.$)", "…", shown) in sentences()


# The sandbox


@pytest.mark.parametrize("heading", UNITS)
def test_every_option_of_the_sandbox_stands_in_the_unit(heading):
    page = text_of(OPERATIONS / "hardening.md")
    unit = text_of(ROOT / "roles" / UNITS[heading]).splitlines()
    shared = tables(section(page, "What all have"), "Option")
    own = tables(section(page, heading), "Option")
    documented = [option for row in [*shared, *own] for option in names(row[0])]
    assert len(documented) > 25
    assert [option for option in documented if option not in unit] == []


@pytest.mark.parametrize("heading", UNITS)
def test_what_is_left_open_is_not_in_the_unit(heading):
    page = section(text_of(OPERATIONS / "hardening.md"), heading)
    unit = text_of(ROOT / "roles" / UNITS[heading])
    always = re.sub(r"{% if .*?endif %}", "", unit, flags=re.DOTALL).splitlines()
    options = [option for row in tables(page, "Not there") for option in names(row[0])]
    assert options
    assert [option for option in options if any(line.startswith(option) for line in always)] == []


# Pictures


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda path: path.name)
def test_a_diagram_has_a_title_and_needs_nothing_else(diagram):
    picture = ET.fromstring(text_of(diagram))
    assert picture.find("{http://www.w3.org/2000/svg}title").text
    foreign = [
        (element.tag, name)
        for element in picture.iter()
        for name, value in element.attrib.items()
        if "href" in name or "http" in value
    ]
    assert foreign == []


def test_the_picture_of_the_demo_shows_what_the_demo_prints():
    picture = "\n".join(ET.fromstring(text_of(ROOT / "docs/diagrams/demo.svg")).itertext())
    table = ast.parse(text_of(ROOT / "bin/demo-table"))
    columns = next(
        ast.literal_eval(node.value)
        for node in table.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "COLUMNS"
    )
    assert " ".join(picture.split()).count(" ".join(columns)) == 1
    script = text_of(ROOT / "bin/demo")
    for step in re.findall(r"^step '([45]/5 .*)'$", script, re.MULTILINE):
        assert step in picture
    assert json.dumps(picture).count("~/watchtower") == 1
