"""What is not well is said in words, each with its remedy, also when nothing runs at all."""

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from centre import doctor, settings
from db.store import upgrade

EXAMPLE = Path(__file__).parent.parent.parent.parent / "siaga.example.toml"


@pytest.fixture
def centre(tmp_path):
    """A centre of which nothing stands; ports that nobody listens on."""
    ports = [free_port() for _ in range(3)]
    return replace(
        settings.load(EXAMPLE),
        data_dir=tmp_path,
        database_url=f"sqlite:///{tmp_path}/siaga.db",
        agi_ports=(ports[0], ports[1]),
        ami_port=ports[2],
        warn_below_gib=0.0,
        stop_below_gib=0.0,
    )


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def examined(centre):
    return {finding.part: finding for finding in asyncio.run(doctor.examine(centre))}


def test_every_part_of_a_centre_that_does_not_run_is_named_with_its_remedy(centre):
    found = examined(centre)
    for part in ("disk", "database", "conversations", "stand-by", "Asterisk running"):
        assert not found[part].well, part
        assert found[part].remedy, part
    assert found["spool"].well


def test_a_database_that_answers_is_well(centre):
    upgrade(centre.database_url)
    assert examined(centre)["database"].well


def test_low_water_and_the_floor_are_told_apart(centre):
    centre.folder("recordings").mkdir()
    assert examined(centre)["disk"].well
    low = examined(replace(centre, warn_below_gib=1e9))["disk"]
    floor = examined(replace(centre, warn_below_gib=1e9, stop_below_gib=1e9))["disk"]
    assert "low water" in low.words
    assert "recordings are off, calls go on" in floor.words
    assert not low.well
    assert not floor.well


def test_facts_that_wait_in_the_spool_are_counted(centre):
    centre.folder("spool").mkdir()
    (centre.folder("spool") / "1-1.jsonl").write_text("x" * 100)
    spool = examined(centre)["spool"]
    assert not spool.well
    assert spool.words.startswith("100 bytes")


def test_a_line_that_listens_is_well(centre):
    with socket.socket() as line:
        line.bind(("127.0.0.1", centre.agi_ports[0]))
        line.listen()
        found = examined(centre)
    assert found["conversations"].well
    assert not found["stand-by"].well


def test_machines_get_one_json_object_and_an_exit_code(centre, capsys):
    assert doctor.run(centre, as_json=True) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["well"] is False
    assert {"part", "well", "words", "remedy"} <= set(told["findings"][0])
    assert told["centre"] == centre.centre_id


def test_people_get_words_and_the_same_exit_code(centre, capsys):
    assert doctor.run(centre, as_json=False) == 1
    told = capsys.readouterr().out
    assert "SAKIT" in told
    assert "→" in told
