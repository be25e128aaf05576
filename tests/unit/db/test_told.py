"""What nobody waits for: kept soon, in one commit with what somebody does wait for."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from call_router.call import Fact
from db import calls
from db.books import DurableBooks
from db.gather import LINGER_S, Gatherer, Outcome
from db.store import open_store, reading, upgrade

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


def fact(nth, what="note"):
    return Fact("siaga-1.1", EIGHT + timedelta(seconds=nth), what, fact_id=f"fact-{nth}")


class Kept:
    """Notes each commit; may be told to fail."""

    def __init__(self):
        self.commits = []
        self.fails = False
        self.came = threading.Event()

    def __call__(self, facts):
        if self.fails:
            raise OSError("disk full")
        self.commits.append([one.fact_id for one in facts])
        self.came.set()


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def gatherer(kept):
    made = Gatherer("test", kept)
    yield made
    made.close(1.0)


def test_a_note_rides_with_the_next_fact_that_somebody_waits_for(gatherer, kept):
    gatherer.hand_in([fact(1)], failed=lambda _: None)
    assert gatherer.hand_in([fact(2)]).wait(2.0) is Outcome.KEPT
    assert kept.commits == [["fact-1", "fact-2"]]


def test_a_note_without_company_is_kept_a_little_later(gatherer, kept):
    began = time.monotonic()
    gatherer.hand_in([fact(1)], failed=lambda _: None)
    assert kept.came.wait(LINGER_S + 5.0)
    assert time.monotonic() - began >= LINGER_S
    assert kept.commits == [["fact-1"]]


def test_a_note_that_was_not_kept_is_given_back(gatherer, kept):
    kept.fails, given_back = True, []
    ticket = gatherer.hand_in([fact(1)], failed=given_back.append)
    assert ticket.wait(LINGER_S + 5.0) is Outcome.FAILED
    gatherer.close(2.0)
    assert given_back == [[fact(1)]]


def test_closing_keeps_what_lingers(gatherer, kept):
    gatherer.hand_in([fact(1)], failed=lambda _: None)
    gatherer.close(2.0)
    assert kept.commits == [["fact-1"]]


def test_a_note_handed_in_too_late_is_given_back(gatherer):
    gatherer.close(2.0)
    given_back = []
    gatherer.hand_in([fact(1)], failed=given_back.append)
    assert given_back == [[fact(1)]]


def test_what_was_told_is_in_the_books_once_something_is_recorded(tmp_path):
    url = f"sqlite:///{tmp_path}/siaga.db"
    upgrade(url)
    books = DurableBooks(url, tmp_path / "spool", "smg", 2.0)
    books.tell(fact(1))
    books.record(fact(2))
    engine = open_store(url)
    with reading(engine) as connection:
        found = [entry.fact.fact_id for entry in calls.since(connection, "smg", 0)]
    engine.dispose()
    assert found == ["fact-1", "fact-2"]
    books.close()


def test_without_a_database_what_was_told_waits_in_the_spool(tmp_path):
    books = DurableBooks(f"sqlite:///{tmp_path}/none.db", tmp_path / "spool", "smg", 2.0)
    books.tell(fact(1))
    books.close()
    assert books.health().waiting_bytes > 0
    books.tell(fact(2))
    books.close()
    lines = [path.read_text() for path in sorted((tmp_path / "spool").glob("*.jsonl"))]
    assert sum(text.count("fact-") for text in lines) == 2
