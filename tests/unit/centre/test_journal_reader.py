"""Asterisk's journal into the books: each line once, whatever happens to journal or database."""

import sqlite3
from datetime import UTC, datetime

import pytest

from centre.keeping import journal as keeping
from centre.keeping.journal import JournalReader
from db import calls
from db.store import StoreError, open_store, reading, sqlite_path, upgrade

NOON = 1_795_309_200


@pytest.fixture
def url(tmp_path):
    made = f"sqlite:///{tmp_path}/siaga.db"
    upgrade(made)
    return made


@pytest.fixture
def engine(url):
    opened = open_store(url)
    yield opened
    opened.dispose()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "log").mkdir()
    return tmp_path / "log" / "siaga-journal.csv"


@pytest.fixture
def reader(path, engine):
    return JournalReader(path, engine, "smg")


def line(call, what, nth=0, **facts):
    told = "&".join(f"{key}={value}" for key, value in {"call": call, **facts}.items())
    fields = ("USER_DEFINED", f"{NOON + nth}.000000", call, call, "PJSIP/x", f"SIAGA_{what}", told)
    return ",".join(f'"{field}"' for field in fields) + "\n"


def a_call(number):
    name = f"siaga-1.{number}"
    return (
        line(name, "RING", number, num="0812", sip_call_id=f"{number}@x")
        + line(name, "QUEUED", number + 1, lane="open")
        + line(name, "ENDED", number + 2, source="caller", where="queue")
    )


def write(path, text):
    with path.open("a") as journal:
        journal.write(text)


def rows(engine):
    with reading(engine) as connection:
        found = {call.call_id: call for call in calls.recent(connection, "smg")}
        stories = {
            name: [entry.fact.what for entry in calls.timeline_of(connection, "smg", name)]
            for name in found
        }
    return found, stories


def is_told_once(engine, *numbers):
    found, stories = rows(engine)
    assert set(found) == {f"siaga-1.{number}" for number in numbers}
    assert all(call.ending for call in found.values())
    assert all(story == ["ring", "queued", "ended"] for story in stories.values())


def test_every_line_is_kept_once_and_in_order(path, reader, engine):
    write(path, a_call(1))
    assert [fact.what for fact in reader.read()] == ["ring", "queued", "ended"]
    assert reader.read() == []
    is_told_once(engine, 1)
    found, _ = rows(engine)
    assert found["siaga-1.1"].sip_call_id == "1@x"
    assert found["siaga-1.1"].rang_at == datetime.fromtimestamp(NOON + 1, UTC)


def test_a_journal_that_is_not_there_yet_is_an_empty_one(reader):
    assert reader.read() == []
    assert reader.behind_bytes == 0


def test_half_a_line_waits_for_its_other_half(path, reader, engine):
    text = a_call(1)
    for cut in (10, len(text) // 2, len(text) - 1):
        write(path, text[:cut])
        told = reader.read()
        assert reader.behind_bytes == len(text[:cut].rpartition("\n")[2])
        write(path, text[cut:])
        told += reader.read()
        assert [fact.what for fact in told] in (["ring", "queued", "ended"], [])
        assert reader.behind_bytes == 0
        path.write_text("")  # the same again, cut elsewhere
    is_told_once(engine, 1)


def test_a_line_of_garbage_costs_nobody_else_his_row(path, reader, engine):
    write(path, a_call(1) + '\x00"not, a line\n' + a_call(2))
    reader.read()
    is_told_once(engine, 1, 2)


def test_a_keeper_that_was_killed_goes_on_where_the_database_says(path, reader, engine):
    write(path, a_call(1))
    reader.read()
    write(path, a_call(2))
    another = JournalReader(path, engine, "smg")
    assert another.known_behind_bytes() == len(a_call(2))
    assert [fact.call_id for fact in another.read()] == ["siaga-1.2"] * 3
    is_told_once(engine, 1, 2)


def test_a_long_journal_is_rotated_and_its_last_line_is_not_lost(
    path, reader, engine, monkeypatch
):
    monkeypatch.setattr(keeping, "ROTATE_ABOVE_BYTES", 100)
    write(path, a_call(1))
    reader.read()
    assert not path.exists()
    (archive,) = reader.archives
    # Asterisk had the old file open, and writes there for a moment longer.
    write(archive, a_call(2))
    write(path, a_call(3))
    told = reader.read()
    assert {fact.call_id for fact in told} == {"siaga-1.2"}
    assert reader.behind_bytes == len(a_call(3))
    monkeypatch.setattr(keeping, "_is_complete", lambda _archive: True)  # a second later
    assert {fact.call_id for fact in reader.read()} == {"siaga-1.3"}
    is_told_once(engine, 1, 2, 3)


def test_only_the_newest_archives_are_kept(path, reader, engine, monkeypatch):
    monkeypatch.setattr(keeping, "ROTATE_ABOVE_BYTES", 100)
    monkeypatch.setattr(keeping, "KEPT_ARCHIVES", 2)
    monkeypatch.setattr(keeping, "_is_complete", lambda _archive: True)
    for number in range(1, 5):
        write(path, a_call(number))
        reader.read()
    assert len(reader.archives) == 2
    is_told_once(engine, 1, 2, 3, 4)


@pytest.mark.parametrize("rotated", [False, True])
def test_rows_come_again_though_the_database_is_restored_from_an_older_backup(
    path, reader, engine, monkeypatch, rotated
):
    here = path.parent.parent
    write(path, a_call(1))
    reader.read()
    older = here / "older.db"
    with sqlite3.connect(here / "siaga.db") as now, sqlite3.connect(older) as copy:
        now.backup(copy)
    now.close()
    copy.close()
    if rotated:
        monkeypatch.setattr(keeping, "ROTATE_ABOVE_BYTES", 100)
        monkeypatch.setattr(keeping, "_is_complete", lambda _archive: True)
    write(path, a_call(2))
    reader.read()
    write(path, a_call(3))
    reader.read()
    assert len(reader.archives) == (2 if rotated else 0)

    for name in ("siaga.db", "siaga.db-wal", "siaga.db-shm"):
        (here / name).unlink(missing_ok=True)
    older.rename(here / "siaga.db")
    assert {fact.call_id for fact in reader.read()} == {"siaga-1.2", "siaga-1.3"}
    is_told_once(engine, 1, 2, 3)


def test_lines_wait_while_the_database_is_away(path, reader, engine, url, tmp_path):
    write(path, a_call(1))
    away = sqlite_path(url).rename(tmp_path / "away.db")
    with pytest.raises(StoreError):
        reader.read()
    assert reader.behind_bytes == len(a_call(1))
    away.rename(sqlite_path(url))
    reader.read()
    is_told_once(engine, 1)
