"""A mistake in siaga.toml is named, with its remedy, before any caller can meet it."""

import tomllib
from pathlib import Path

import pytest

from centre.settings import SettingsError, read

EXAMPLE = Path(__file__).parent.parent.parent.parent / "siaga.example.toml"


def example():
    return tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


def refused(table):
    with pytest.raises(SettingsError) as refusal:
        read(table)
    return str(refusal.value)


def test_the_example_is_passed():
    assert read(example()).centre_id == "siaga"


@pytest.mark.parametrize("section", ["trunks", "call_takers", "outside"])
def test_a_word_that_nobody_reads_is_refused_in_every_block(section):
    table = example()
    table[section][-1]["dead_air"] = 5
    assert f"[[{section}]] dead_air is unknown" in refused(table)


@pytest.mark.parametrize("section", ["centre", "asterisk", "recordings"])
def test_a_word_that_nobody_reads_is_refused_in_every_section(section):
    table = example()
    table[section]["nmae"] = "x"
    assert f"[{section}] nmae is unknown" in refused(table)


def test_a_section_that_nobody_reads_is_refused():
    assert "[trunk] is unknown" in refused({**example(), "trunk": {"name": "x"}})


@pytest.mark.parametrize("section", ["trunks", "call_takers", "outside"])
def test_what_is_missing_in_a_block_is_named(section):
    table = example()
    del table[section][0]["name"]
    assert f"[[{section}]] number 1: name is missing" in refused(table)


def test_two_people_with_one_pin_are_refused_because_it_says_who_signs_in():
    table = example()
    table["call_takers"][1]["pin"] = table["call_takers"][0]["pin"]
    assert "same pin" in refused(table)


def test_two_people_with_one_phone_are_refused():
    table = example()
    table["call_takers"][1]["id"] = table["call_takers"][0]["id"]
    assert "an id stands twice" in refused(table)


def test_a_secret_may_come_from_the_environment(monkeypatch):
    table = example()
    table["call_takers"][0]["password"] = "env:SIAGA_TEST_PASSWORD"
    monkeypatch.setenv("SIAGA_TEST_PASSWORD", "rahasia")
    assert read(table).call_takers[0].password == "rahasia"


def test_a_secret_that_is_not_in_the_environment_is_named(monkeypatch):
    monkeypatch.delenv("SIAGA_TEST_PASSWORD", raising=False)
    table = example()
    table["call_takers"][0]["password"] = "env:SIAGA_TEST_PASSWORD"
    assert "SIAGA_TEST_PASSWORD" in refused(table)


def test_every_mistake_is_told_at_once():
    table = example()
    table["centre"]["time_zone"] = "Mars"
    table["asterisk"]["sip"] = "nowhere"
    table["pauses"]["99"] = "tidur"
    told = refused(table)
    assert "time_zone" in told
    assert "sip" in told
    assert "99" in told
