"""The words that operators type: each explains itself, and mistakes are told without a stack."""

import click
import pytest
from click.testing import CliRunner

from centre.cli import siaga

EXAMPLE_OF_MISTAKES = """
[centre]
data_dir = "siaga"
[trunk]
name = "x"
"""


def commands(group, words=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        elif not command.hidden:
            yield (*words, name)


@pytest.mark.parametrize("words", list(commands(siaga)), ids=" ".join)
def test_every_command_has_help_with_an_example(words):
    told = CliRunner().invoke(siaga, [*words, "--help"])
    assert told.exit_code == 0
    assert "Example:" in told.output
    assert "./siaga " + " ".join(words) in told.output


def test_help_without_a_command_lists_what_people_type_and_nothing_else():
    told = CliRunner().invoke(siaga, ["--help"])
    assert told.exit_code == 0
    listed = {
        line.split()[0] for line in told.output.partition("Commands:")[2].splitlines() if line
    }
    assert listed == {name for name, command in siaga.commands.items() if not command.hidden}


@pytest.mark.parametrize("word", ["up", "doctor", "serve-keeper"])
def test_a_missing_settings_file_is_told_in_words(word, tmp_path):
    told = CliRunner().invoke(siaga, [word, "--settings", str(tmp_path / "none.toml")])
    assert told.exit_code == 2
    assert "siaga: no settings file at" in told.output
    assert "siaga.example.toml" in told.output
    assert "Traceback" not in told.output


def test_every_mistake_of_the_settings_file_is_told_at_once(tmp_path):
    path = tmp_path / "siaga.toml"
    path.write_text(EXAMPLE_OF_MISTAKES)
    told = CliRunner().invoke(siaga, ["doctor", "--settings", str(path)])
    assert told.exit_code == 2
    assert "give an absolute path" in told.output
    assert "[trunk] is unknown" in told.output


def test_an_unknown_command_is_refused():
    told = CliRunner().invoke(siaga, ["dail"])
    assert told.exit_code == 2
    assert "No such command" in told.output
