import os
import shutil
import sqlite3
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DataError, OperationalError

from call_router.call import Fact, State
from call_router.seats import SeatFact, SeatState
from db import calls, facts, seats
from db.books import DurableBooks, Health
from db.gather import Gatherer, Outcome
from db.store import atomic, open_store, reading, sqlite_path, upgrade

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)
DEADLINE_S = 1.0  # long, so that a busy machine proves nothing; the shares stay the same
QUICK_S = 0.5  # under the database's share: it was not even asked


def fact(nth, what="note", call_id="siaga-1.1"):
    return Fact(call_id, EIGHT + timedelta(seconds=nth), what, fact_id=f"{call_id}-{nth}")


@pytest.fixture
def books_of(tmp_path):
    opened = []

    def make(url, spool_dir=tmp_path / "spool"):
        opened.append(DurableBooks(url, spool_dir, "smg", DEADLINE_S))
        return opened[-1]

    yield make
    for books in opened:
        books.close()


def record(books, *told):
    """Keep facts and return the seconds it took."""
    started = time.monotonic()
    books.record(*told)
    return time.monotonic() - started


def kept(url):
    engine = open_store(url)
    with reading(engine) as connection:
        entries = calls.since(connection, "smg", 0)
    engine.dispose()
    return [entry.fact.fact_id for entry in entries]


def ids(*told):
    return [one.fact_id for one in told]


def test_facts_are_in_the_database_when_record_returns(url, books_of):
    books = books_of(url)
    books.record(fact(1, "ring"), SeatFact("op1", EIGHT, "sign_in"))
    assert kept(url) == ids(fact(1))
    engine = open_store(url)
    with reading(engine) as connection:
        assert calls.get(connection, "smg", "siaga-1.1").state == State.RINGING
        assert seats.get(connection, "smg", "op1").state == SeatState.READY
    engine.dispose()
    assert books.health() == Health(database=True, waiting_bytes=0, homeless=0)


def test_nothing_to_record_is_nothing(url, books_of):
    books_of(url).record()
    assert kept(url) == []


@pytest.mark.unsteady
def test_a_locked_database_holds_up_one_caller_a_little_and_the_next_not_at_all(url, books_of):
    books = books_of(url)
    books.record(fact(1))
    engine = open_store(url)
    with atomic(engine):
        assert record(books, fact(2)) < DEADLINE_S
        assert record(books, fact(3)) < QUICK_S
        assert books.health().database is False
        assert books.health().waiting_bytes > 0
    assert kept(url) == ids(fact(1))
    assert books.merge() == 2
    assert kept(url) == ids(fact(1), fact(2), fact(3))
    assert books.health() == Health(database=True, waiting_bytes=0, homeless=0)
    assert books.merge() == 0
    engine.dispose()


def test_a_database_locked_for_itself_alone_is_the_same(sqlite_url, books_of):
    books = books_of(sqlite_url)
    owner = sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)
    owner.execute("PRAGMA locking_mode=EXCLUSIVE")
    owner.execute("BEGIN EXCLUSIVE")
    assert record(books, fact(1)) < DEADLINE_S
    with pytest.raises(OperationalError):
        books.merge()
    owner.execute("ROLLBACK")
    owner.close()
    assert books.merge() == 1
    assert kept(sqlite_url) == ids(fact(1))


def test_a_database_that_comes_back_is_used_again_and_order_is_told_by_the_facts(url, books_of):
    books = books_of(url)
    engine = open_store(url)
    with atomic(engine):
        books.record(fact(2, "menu"))
    books._hands._rests_until = 0.0
    books.record(fact(1, "ring"))
    assert fact(1).fact_id in kept(url)
    books.merge()
    assert sorted(kept(url)) == ids(fact(1), fact(2))
    with reading(engine) as connection:
        assert calls.get(connection, "smg", "siaga-1.1").state == State.MENU
    engine.dispose()


def test_a_missing_folder_costs_no_fact(tmp_path, books_of):
    url = f"sqlite:///{tmp_path}/var/siaga.db"
    upgrade(url)
    books = books_of(url)
    books.record(fact(1))
    (tmp_path / "var").rename(tmp_path / "away")
    assert record(books, fact(2)) < DEADLINE_S
    assert not (tmp_path / "var").exists()
    (tmp_path / "away").rename(tmp_path / "var")
    assert books.merge() == 1
    assert kept(url) == ids(fact(1), fact(2))


def test_a_file_replaced_under_us_is_noticed(tmp_path, sqlite_url, books_of):
    books = books_of(sqlite_url)
    books.record(fact(1))
    books.close()
    shutil.copy(tmp_path / "siaga.db", tmp_path / "copy.db")
    books.record(fact(2))
    (tmp_path / "copy.db").replace(tmp_path / "siaga.db")
    for rest in ("-wal", "-shm"):
        (tmp_path / f"siaga.db{rest}").unlink(missing_ok=True)
    books.record(fact(3))
    assert kept(sqlite_url) == ids(fact(1), fact(3))


def test_a_database_without_tables_is_trouble_and_not_a_bad_fact(empty_url, books_of):
    books = books_of(empty_url)
    if sqlite_path(empty_url):
        sqlite3.connect(sqlite_path(empty_url)).execute("PRAGMA user_version=1").connection.close()
    books.record(fact(1))
    assert books.health().waiting_bytes > 0
    upgrade(empty_url)
    assert books.merge() == 1


def test_a_database_of_nonsense_is_trouble(tmp_path, sqlite_url, books_of):
    (tmp_path / "siaga.db").write_bytes(b"not a database" * 1000)
    books = books_of(sqlite_url)
    assert record(books, fact(1)) < DEADLINE_S
    assert books.health().waiting_bytes > 0


@pytest.mark.parametrize("url", ["nonsense", "postgresql://siaga@/x?host=/nowhere"])
def test_no_database_at_all_is_trouble(url, books_of):
    books = books_of(url)
    assert record(books, fact(1)) < DEADLINE_S
    assert books.health().waiting_bytes > 0


def test_a_read_only_disk_costs_no_fact(small_disk, books_of):
    url = f"sqlite:///{small_disk}/siaga.db"
    upgrade(url)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    books = books_of(url)
    assert record(books, fact(1)) < DEADLINE_S
    assert record(books, fact(2)) < QUICK_S
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert books.merge() == 2
    assert kept(url) == ids(fact(1), fact(2))


def fill(folder):
    with (folder / "filler").open("wb", 0) as filler:
        for size in (4096, 1):
            while has_room(filler, size):
                pass


def has_room(file, size):
    try:
        return file.write(b"x" * size)
    except OSError:
        return 0


def test_a_full_disk_costs_no_fact(small_disk, books_of):
    url = f"sqlite:///{small_disk}/siaga.db"
    upgrade(url)
    books = books_of(url)
    books.record(fact(0))
    fill(small_disk)
    told = [fact(nth) for nth in range(1, 200)]
    for one in told:
        books._hands._rests_until = 0.0  # each asks the full disk first
        assert record(books, one) < DEADLINE_S
    assert books.health().waiting_bytes > 0
    (small_disk / "filler").unlink()
    books.merge()
    # Now and then a commit still fitted in: the order is mixed, but each is there once.
    assert sorted(kept(url)) == sorted(ids(fact(0), *told))


def test_when_the_spools_disk_is_full_too_facts_wait_in_memory_and_the_call_goes_on(
    small_disk, books_of
):
    url = f"sqlite:///{small_disk}/db/siaga.db"
    upgrade(url)
    books = books_of(url, small_disk / "spool")
    books.record(fact(0))
    fill(small_disk)
    (small_disk / "db").rename(small_disk / "away")
    assert record(books, fact(1)) < DEADLINE_S
    assert record(books, fact(2)) < QUICK_S
    assert books.health().homeless == 2
    (small_disk / "filler").unlink()
    (small_disk / "away").rename(small_disk / "db")
    books._hands._rests_until = 0.0
    books.record(fact(3))
    assert kept(url) == ids(fact(0), fact(1), fact(2), fact(3))
    assert books.health().homeless == 0


def test_a_merge_brings_home_what_waited_in_memory(small_disk, books_of):
    url = f"sqlite:///{small_disk}/db/siaga.db"
    books = books_of(url, small_disk / "spool")
    fill(small_disk)
    books.record(fact(1))
    assert books.health().homeless == 1
    (small_disk / "filler").unlink()
    upgrade(url)
    assert books.merge() == 1
    assert kept(url) == ids(fact(1))
    assert books.health().homeless == 0


def test_a_fact_the_database_can_never_take_holds_up_no_other(
    tmp_path, url, books_of, monkeypatch
):
    apply = facts.apply

    def picky(connection, centre_id, told):
        new = apply(connection, centre_id, told)
        if any(one.fact_id == fact(2).fact_id for one in told):
            raise DataError("insert", {}, Exception("out of range"))
        return new

    monkeypatch.setattr(facts, "apply", picky)
    books_of(url).record(fact(1), fact(2), fact(3))
    assert kept(url) == ids(fact(1), fact(3))
    assert (tmp_path / "spool/refused.txt").read_text() == fact(2).to_json() + "\n"


def test_a_fork_at_any_time_leaves_both_processes_their_books(url, books_of):
    books = books_of(url)
    books.record(fact(1))
    child = os.fork()
    if child == 0:
        books.record(fact(2))
        os._exit(0 if books.health() == Health(database=True, waiting_bytes=0, homeless=0) else 1)
    books.record(fact(3))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sorted(kept(url)) == ids(fact(1), fact(2), fact(3))


def test_a_fork_while_others_write_hangs_nobody(url, books_of):
    books = books_of(url)
    stop = threading.Event()

    def busy(first):
        nth = first
        while not stop.is_set():
            books.record(fact(nth))
            nth += 1

    writers = [threading.Thread(target=busy, args=[first]) for first in (10_000, 20_000)]
    for thread in writers:
        thread.start()
    for nth in range(5):
        child = os.fork()
        if child == 0:
            books.record(fact(nth))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    stop.set()
    for thread in writers:
        thread.join()
    books.merge()
    assert set(ids(*[fact(nth) for nth in range(5)])) <= set(kept(url))


def test_a_hundred_callers_at_once_are_all_in_the_books(url, books_of):
    books = books_of(url)
    stories = [[fact(nth, call_id=f"siaga-{call}") for nth in range(5)] for call in range(100)]
    threads = [
        threading.Thread(target=lambda story=story: [books.record(one) for one in story])
        for story in stories
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    books.merge()
    assert sorted(kept(url)) == sorted(ids(*[one for story in stories for one in story]))


def test_books_that_were_closed_open_again(url, books_of):
    books = books_of(url)
    books.record(fact(1))
    books.close()
    books.record(fact(2))
    assert kept(url) == ids(fact(1), fact(2))


def test_callers_who_arrive_together_share_a_commit():
    begun, go_on, batches = threading.Event(), threading.Event(), []

    def slow(told):
        batches.append(len(told))
        begun.set()
        go_on.wait()

    gatherer = Gatherer("test", slow)
    first = gatherer.hand_in([fact(0)])
    begun.wait()
    others = [gatherer.hand_in([fact(nth)]) for nth in range(1, 50)]
    go_on.set()
    assert [ticket.wait(10) for ticket in [first, *others]] == [Outcome.KEPT] * 50
    assert batches == [1, 49]
    gatherer.close(10)


def test_facts_that_were_given_up_are_not_written_twice():
    begun, go_on, told = threading.Event(), threading.Event(), []

    def slow(batch):
        told.extend(batch)
        begun.set()
        go_on.wait()

    gatherer = Gatherer("test", slow)
    gatherer.hand_in([fact(0)])
    begun.wait()
    assert gatherer.hand_in([fact(1)]).wait(0) is Outcome.LATE
    last = gatherer.hand_in([fact(2)])
    go_on.set()
    assert last.wait(10) is Outcome.KEPT
    assert told == [fact(0), fact(2)]
    gatherer.close(10)
    assert gatherer.hand_in([fact(3)]).wait(10) is Outcome.FAILED


def test_the_spool_may_lie_in_a_folder_that_does_not_exist_yet(tmp_path, books_of):
    books = books_of("nonsense", tmp_path / "a" / "b")
    books.record(fact(1))
    assert len(list(Path(tmp_path / "a" / "b").glob("*.jsonl"))) == 1
