"""The documents are true: every command, setting, alarm and link; every drawing is today's."""

import ast
import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest

from centre import flows
from centre import settings as settings_file
from centre.cli import siaga
from ivr_flows.picture import draw

HOUSE = Path(__file__).parent.parent.parent.parent
DOCS = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md")])
DECISIONS = sorted((HOUSE / "docs" / "decisions").glob("[0-9]*.md"))
RUNBOOK = HOUSE / "docs" / "runbook.md"
PACKAGES = ("agi", "asterisk_conf", "call_router", "centre", "db", "ivr_flows", "recordings")
TOLD = {"warning", "error", "exception", "critical"}


def text(path):
    return path.read_text(encoding="utf-8")


ALL = "\n".join(text(path) for path in DOCS)


def commands(group, words=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(commands(siaga))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented(name):
    assert f"`./siaga {name}" in ALL, f"./siaga {name} stands in no document"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_for_people_shows_an_example(name):
    command = COMMANDS[name]
    assert command.hidden or f"./siaga {name}" in command.help


def test_the_documents_name_no_command_that_does_not_exist():
    written = set(re.findall(r"`\./siaga ([a-z-]+(?: [a-z]+)?)", ALL))
    tops = {name.split()[0] for name in COMMANDS}
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    for words in written:
        top = words.split()[0]
        assert top in tops, words
        assert top not in groups or words in COMMANDS, words


def settings_of_the_example():
    written = text(HOUSE / "siaga.example.toml")
    switched_on = re.sub(r"(?m)^# (?=\w+ = )", "", written)
    for section, block in tomllib.loads(switched_on).items():
        for one in block if isinstance(block, list) else [block]:
            for key in one:
                yield section, key


@pytest.mark.parametrize(("section", "key"), sorted(set(settings_of_the_example())))
def test_every_setting_is_documented(section, key):
    page = text(HOUSE / "docs" / "settings.md")
    assert f"[{section}]" in page
    assert f"`{key}`" in page


def test_the_example_is_a_centre_that_could_start():
    assert settings_file.load(HOUSE / "siaga.example.toml").trunks


def alarms():
    """Every event that product code logs as warning or worse, and where."""
    for package in PACKAGES:
        for path in sorted((HOUSE / package).rglob("*.py")):
            tree = ast.parse(text(path))
            by_name = {
                node.targets[0].id
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and tells(node.value)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and node.args and is_alarm(node.func, by_name):
                    yield f"{path.relative_to(HOUSE)}:{node.lineno}", node.args[0]


def tells(expression):
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in TOLD
        and ast.unparse(node.value).split(".")[-1] == "log"
        for node in ast.walk(expression)
    )


def is_alarm(function, by_name):
    if isinstance(function, ast.Name):
        return function.id in by_name
    return isinstance(function, ast.Attribute | ast.IfExp) and tells(function)


def test_every_alarm_is_in_the_runbook():
    found = list(alarms())
    assert len(found) > 30
    page = text(RUNBOOK)
    for where, event in found:
        assert isinstance(event, ast.Constant), f"{where}: an event must be a plain string"
        assert f"| `{event.value}`" in page, f"{where}: {event.value!r} has no line in the runbook"


def test_the_runbook_names_no_alarm_that_does_not_exist():
    rows = re.findall(r"(?m)^\| `([^`]+)`.*\|.*\|.*\|.*\|$", text(RUNBOOK).split("## Alarms")[1])
    rows = rows[: rows.index("Asterisk")] if "Asterisk" in rows else rows
    known = {event.value for _where, event in alarms() if isinstance(event, ast.Constant)}
    assert set(rows) - known == set()


def anchors(page):
    for heading in re.findall(r"(?m)^#+ (.+)$", page):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(HOUSE)))
def test_every_link_leads_to_a_file_and_a_heading(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", text(path)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert found.is_relative_to(HOUSE), target
        assert not anchor or anchor in anchors(text(found)), target


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(HOUSE)))
def test_every_file_named_in_code_letters_exists(path):
    roots = "|".join((*PACKAGES, "tests", "bench", "docs"))
    for named in re.findall(rf"`((?:{roots})/[\w./-]+\.\w+)`", text(path)):
        assert (HOUSE / named).exists(), named


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_every_decision_says_context_choice_and_cost(path):
    page = text(path)
    assert re.findall(r"(?m)^## (.+)$", page) == ["Context", "Choice", "Cost"]
    for part in page.split("\n## ")[1:]:
        assert len(part.split()) > 30, part.split()[0]
    assert path.name in text(path.parent / "README.md")


def test_decisions_are_numbered_without_a_gap():
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_drawing_of_the_menu_is_todays(monkeypatch):
    monkeypatch.setattr(settings_file, "PLACES", ())  # the shipped flow, whoever runs the test
    flow = flows.Workbench(None).load(HOUSE / "ivr_flows" / "112.toml")
    drawn = text(HOUSE / "docs" / "call-flow.svg")
    renew = "./siaga flow draw ivr_flows/112.toml > docs/call-flow.svg"
    assert draw(flow) == drawn, f"docs/call-flow.svg is out of date: {renew}"


@pytest.mark.parametrize("name", ["house.svg", "call-flow.svg", "screenshots/demo.svg"])
def test_every_picture_can_be_drawn_without_asking_another_server(name):
    picture = ET.fromstring(text(HOUSE / "docs" / name))
    assert picture.tag.endswith("svg")
    assert "url(http" not in text(HOUSE / "docs" / name)
    assert 'url("http' not in text(HOUSE / "docs" / name)


def test_the_version_that_is_packaged_stands_in_the_changelog():
    project = tomllib.loads(text(HOUSE / "pyproject.toml"))["project"]
    assert f"## [{project['version']}]" in text(HOUSE / "CHANGELOG.md")


def test_the_licence_is_the_one_that_is_promised():
    assert "Apache License\n                           Version 2.0" in text(HOUSE / "LICENSE")
    assert tomllib.loads(text(HOUSE / "pyproject.toml"))["project"]["license"] == {
        "text": "Apache-2.0"
    }
