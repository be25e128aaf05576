import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from call_router.call import Fact, fold
from db import calls
from db.books import DurableBooks
from db.spool import SpoolFile, waiting_bytes
from db.store import atomic, reading

ROOT = Path(__file__).parents[3]
EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


class Clerk:
    """A process of its own that keeps facts; killed with kill -9."""

    def __init__(self, *words):
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("clerk.py"), *map(str, words)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = []

    def until(self, count):
        """Listen until it has said `count` words or gone."""
        while len(self.said) < count and (line := self._process.stdout.readline()):
            self.said.append(line.strip())

    def kill_within(self, seconds):
        """kill -9 after `seconds`, unless it has gone before."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
        rest, _ = self._process.communicate()
        self.said += rest.split()


def words_of(clerk):
    """What it said, without the log lines that go the same way."""
    return [word for word in clerk.said if word.count("-") == 1 and word[0].isdigit()]


def rows_tell_the_facts(engine):
    """Check every row against its timeline, and return the ids of all facts."""
    with reading(engine) as connection:
        entries = calls.since(connection, "smg", 0, limit=1_000_000)
        stories = {}
        for entry in entries:
            stories.setdefault(entry.fact.call_id, []).append(entry.fact)
        for call_id, story in stories.items():
            assert calls.get(connection, "smg", call_id) == fold(story)
    told = [entry.fact.fact_id for entry in entries]
    assert len(told) == len(set(told))
    return set(told)


@pytest.mark.parametrize("locked", [False, True], ids=["database", "spool"])
def test_a_clerk_killed_while_writing_loses_no_fact_it_let_go(tmp_path, url, engine, locked):
    acknowledged = set()
    for nth in range(4):
        clerk = Clerk("record", url, tmp_path / "spool", (nth + 1) * 10_000, 8)
        if locked:
            with atomic(engine):
                clerk.until(random.randint(1, 150))
                clerk.kill_within(random.uniform(0, 0.02))
        else:
            clerk.until(random.randint(1, 150))
            clerk.kill_within(random.uniform(0, 0.02))
        acknowledged |= set(words_of(clerk))
    books = DurableBooks(url, tmp_path / "spool", "smg")
    assert (waiting_bytes(tmp_path / "spool") > 0) >= locked
    books.merge()
    books.close()
    assert len(acknowledged) >= 4
    assert acknowledged <= rows_tell_the_facts(engine)


def test_a_clerk_killed_while_merging_loses_and_doubles_nothing(tmp_path, url, engine):
    folder = tmp_path / "spool"
    told = [
        Fact(f"siaga-{nth % 40}", EIGHT + timedelta(seconds=nth), "note", fact_id=str(nth))
        for nth in range(900)
    ]
    for first in range(3):
        file = SpoolFile(folder)
        file.append(told[first::3])
        file.close()
    for _ in range(5):
        clerk = Clerk("merge", url, folder)
        clerk.until(random.randint(1, 6))
        clerk.kill_within(random.uniform(0, 0.02))
    final = Clerk("merge", url, folder)
    final.kill_within(60)
    assert final.said[-1] == "done"
    assert waiting_bytes(folder) == 0
    assert rows_tell_the_facts(engine) == {fact.fact_id for fact in told}
    with reading(engine) as connection:
        in_order = [entry.fact for entry in calls.since(connection, "smg", 0)]
    assert in_order == told
