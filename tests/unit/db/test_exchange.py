import csv
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from call_router.call import Fact
from db import calls
from db.exchange import ExportError, export_calls
from db.store import StoreError, atomic

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


@pytest.fixture
def two_calls(engine):
    with atomic(engine) as connection:
        calls.apply(
            connection,
            "smg",
            [
                Fact("siaga-1.1", EIGHT, "ring", data={"num": "081234567890", "flow": "112"}),
                Fact("siaga-1.1", EIGHT + timedelta(seconds=4), "answered", data={"by": "alice"}),
                Fact("siaga-1.1", EIGHT + timedelta(seconds=9), "ended", data={"cause": "16"}),
                Fact(
                    "siaga-1.2",
                    EIGHT + timedelta(hours=1),
                    "ring",
                    data={"num": "x", "sip_call_id": "=HYPERLINK(1)"},
                ),
            ],
        )


def test_a_spreadsheet_reads_the_calls_and_runs_nothing(two_calls, url, tmp_path):
    assert export_calls(url, tmp_path / "calls.csv") == 2
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["caller"] == "+6281234567890"
    assert first["rang_at"] == "2026-08-07T01:00:00.000000Z"
    assert (first["wait_s"], first["talk_s"], first["result"]) == ("4.0", "5.0", "answered")
    assert second["answered_at"] == ""
    assert second["sip_call_id"] == "'=HYPERLINK(1)"


def test_a_program_reads_the_calls_as_json(two_calls, url, tmp_path):
    assert export_calls(url, tmp_path / "calls.json") == 2
    first, second = json.loads((tmp_path / "calls.json").read_text(encoding="utf-8"))
    assert (first["call_id"], first["wait_s"], first["left_count"]) == ("siaga-1.1", 4.0, 0)
    assert first["ended_at"] == "2026-08-07T01:00:09.000000Z"
    assert second["ended_at"] is None


def test_data_people_read_the_calls_with_sqlite_utils(two_calls, url, tmp_path):
    assert export_calls(url, str(tmp_path / "calls.db")) == 2
    file = sqlite3.connect(tmp_path / "calls.db")
    assert file.execute("SELECT avg(wait_s), count(*) FROM calls").fetchone() == (4.0, 2)
    file.close()


@pytest.mark.parametrize("name", ["calls.csv", "calls.json", "calls.db"])
def test_a_centre_without_calls_exports_none(url, tmp_path, name):
    assert export_calls(url, tmp_path / name) == 0
    assert (tmp_path / name).exists()


def test_an_export_replaces_the_last_one_whole(two_calls, url, tmp_path):
    for _ in range(2):
        export_calls(url, tmp_path / "calls.db")
    assert [path.name for path in tmp_path.glob("*calls*")] == ["calls.db"]


def test_an_unknown_form_is_refused_in_words(url, tmp_path):
    with pytest.raises(ExportError, match=r"\.csv, \.db, \.json"):
        export_calls(url, tmp_path / "calls.xlsx")


def test_a_folder_that_is_not_there_is_said_so(url, tmp_path):
    with pytest.raises(ExportError, match="No such file"):
        export_calls(url, tmp_path / "none" / "calls.csv")


def test_a_database_that_cannot_be_read_is_said_so(tmp_path):
    with pytest.raises(StoreError):
        export_calls(f"sqlite:///{tmp_path}/gone.db", tmp_path / "calls.csv")
    assert list(tmp_path.iterdir()) == []
