import multiprocessing
import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, inspect, select
from sqlalchemy.exc import OperationalError, StatementError

from db.store import StoreError, atomic, open_store, reading, upgrade
from db.tables import meta, metadata, seats


def test_the_migrations_build_exactly_the_tables(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == "0001"


def test_every_table_leads_with_the_centre():
    for table in metadata.tables.values():
        assert next(iter(table.columns)).name == "centre_id"
        assert next(iter(table.primary_key.columns)).name == "centre_id"


def test_an_upgrade_can_be_repeated(url, engine):
    with atomic(engine) as connection:
        connection.execute(insert(meta), {"centre_id": "smg", "key": "a", "value": "b"})
    upgrade(url)
    with reading(engine) as connection:
        assert connection.execute(select(meta.c.value)).scalar() == "b"


def test_two_upgrades_at_once_are_one(empty_url):
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=upgrade, args=(empty_url,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    engine = open_store(empty_url)
    assert "calls" in inspect(engine).get_table_names()
    engine.dispose()


def test_what_fails_half_way_was_never_written(engine):
    def half():
        with atomic(engine) as connection:
            connection.execute(insert(meta), {"centre_id": "smg", "key": "a", "value": "b"})
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with reading(engine) as connection:
        assert connection.execute(select(meta)).all() == []


def test_a_writer_that_cannot_write_fails_within_its_patience(url):
    first, second = open_store(url), open_store(url, busy_s=0.05)
    with atomic(first), pytest.raises(OperationalError), atomic(second):
        pytest.fail("two writers at once")
    first.dispose()
    second.dispose()


def test_a_reader_waits_for_no_writer(url, engine):
    reader = open_store(url, busy_s=0.0)
    with atomic(engine) as connection:
        connection.execute(insert(meta), {"centre_id": "smg", "key": "a", "value": "b"})
        with reading(reader) as other:
            assert other.execute(select(meta)).all() == []
    reader.dispose()


def test_a_missing_file_is_an_error_and_not_a_new_empty_one(tmp_path):
    engine = open_store(f"sqlite:///{tmp_path}/gone.db")
    with pytest.raises(OperationalError):
        engine.connect()
    assert not (tmp_path / "gone.db").exists()


def test_commits_survive_a_power_cut(sqlite_url, tmp_path):
    engine = open_store(sqlite_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
    assert sqlite3.connect(tmp_path / "siaga.db").close() is None


def test_an_upgrade_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be upgraded"):
        upgrade(f"sqlite:///{tmp_path}/file/siaga.db")


def test_a_password_is_not_shown(tmp_path):
    with pytest.raises(StoreError) as failed:
        upgrade(f"postgresql://siaga:secret@/x?host={tmp_path}")
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 8, 7, 1, 2, 3, 4, tzinfo=UTC),
        datetime(2026, 8, 7, 1, 2, 3, tzinfo=UTC),
        datetime(2026, 8, 7, 8, 2, 3, tzinfo=timezone(timedelta(hours=7))),
    ],
)
def test_times_come_back_in_utc_to_the_microsecond(engine, at):
    row = {"centre_id": "smg", "seat": "op1", "state": "ready", "call_taker": "", "reason": ""}
    with atomic(engine) as connection:
        connection.execute(insert(seats), {**row, "since": at})
    with reading(engine) as connection:
        kept = connection.execute(select(seats.c.since)).scalar()
    assert kept == at
    assert kept.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(engine):
    row = {"centre_id": "smg", "seat": "op1", "state": "ready", "call_taker": "", "reason": ""}
    naive = datetime(2026, 8, 7, 1, 2, 3)  # noqa: DTZ001 - the mistake under test
    with pytest.raises(StatementError, match="zone"), atomic(engine) as connection:
        connection.execute(insert(seats), {**row, "since": naive})


def test_times_sort_as_text_in_sqlite(sqlite_url, tmp_path):
    engine = open_store(sqlite_url)
    row = {"centre_id": "smg", "state": "ready", "call_taker": "", "reason": ""}
    first = datetime(2026, 8, 7, 1, 2, 3, tzinfo=UTC)
    with atomic(engine) as connection:
        for nth, at in enumerate([first, first + timedelta(microseconds=1)]):
            connection.execute(insert(seats), {**row, "seat": str(nth), "since": at})
    engine.dispose()
    with sqlite3.connect(tmp_path / "siaga.db") as raw:
        kept = [since for (since,) in raw.execute("SELECT since FROM seats ORDER BY since")]
    raw.close()
    assert kept == ["2026-08-07T01:02:03.000000Z", "2026-08-07T01:02:03.000001Z"]
