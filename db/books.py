"""The books: a fact is durable when `record` returns, or everybody hears that it is not.

First the database, within a part of the deadline; else the spool. After a failure facts go to
the spool at once for a while, so that callers are not each delayed. A merge brings them home.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from db import spool
from db.facts import keep
from db.gather import CROWD_S, MOST, Gatherer, Outcome
from db.store import open_store, sqlite_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Engine

    from db.facts import AnyFact

log = structlog.get_logger()

DEADLINE_S = 0.3  # the desk's promise is that no caller waits over 0.4 s for the books
DATABASE_SHARE = 0.6  # of the deadline; the rest is the spool's
REST_S = 2.0  # how long the database is left alone after a failure
MOST_HOMELESS = 10_000  # facts held in memory when neither database nor spool takes them


@dataclass(frozen=True, slots=True)
class Health:
    """How the books are: for doctor and the alarms.

    `database` says whether the last commit worked (None: nothing was written yet);
    `waiting_bytes` wait in the spool; `homeless` facts are only in memory and die with us.
    """

    database: bool | None
    waiting_bytes: int
    homeless: int


class DurableBooks:
    """Keeps facts; safe for many threads, and for a fork at any time.

    `url` as in store.open_store, `spool_dir` a folder of the same centre on a disk of its own
    if possible, `deadline_s` the longest that `record` may take.
    """

    def __init__(
        self, url: str, spool_dir: Path, centre_id: str, deadline_s: float = DEADLINE_S
    ) -> None:
        self._url = url
        self._spool_dir = spool_dir
        self._centre_id = centre_id
        self._deadline_s = deadline_s
        self._homeless: deque[AnyFact] = deque(maxlen=MOST_HOMELESS)
        self._opening = threading.Lock()
        self._hands: _Hands | None = None
        self._pid = 0
        os.register_at_fork(after_in_child=self._forget)

    def record(self, *facts: AnyFact) -> None:
        """Keep `facts`; return when they are durable, or after `deadline_s`. Never raises.

        When neither database nor spool takes them, that is logged as critical, they stay in
        memory and are tried again with the next ones; the call goes on.
        """
        started = time.monotonic()
        try:
            self._record(facts, started)
        except Exception:
            # For the caller: nothing; the call goes on, and what is not written is told here.
            log.critical("books.failed", facts=len(facts), exc_info=True)
            self._homeless.extend(facts)

    def warm_up(self, wait_s: float = 5.0) -> None:
        """Open the database before the first caller's fact needs it. Never raises.

        A cold start takes longer than a caller may wait, and that fact would go to the spool.
        """
        try:
            self._my_hands().database.hand_in(()).wait(wait_s)
        except Exception:
            # For the caller: nothing; the first fact opens the database, or goes to the spool.
            log.exception("books.cold")

    def tell(self, *facts: AnyFact) -> None:
        """Keep `facts` soon, with what is recorded next; nobody waits. Never raises.

        For what no caller's way hangs on: killed within `gather.LINGER_S`, we may lose it.
        """
        try:
            hands = self._my_hands()
            if hands.may_write():
                hands.database.hand_in(facts, partial(self._tell_spool, hands))
            else:
                hands.spool.hand_in(facts, self._homeless.extend)
        except Exception:
            # For the caller: nothing, as in `record`.
            log.critical("books.failed", facts=len(facts), exc_info=True)
            self._homeless.extend(facts)

    def merge(self) -> int:
        """Bring home what waits in the spool and in memory; return how many were new.

        Raises SQLAlchemy's errors when the database is still in trouble (try again later),
        OSError when the spool cannot be read.
        """
        hands = self._my_hands()
        new = 0
        if spool.waiting_bytes(self._spool_dir):
            new = spool.merge(self._spool_dir, hands.merge)
        while homeless := self._take_homeless():
            try:
                new += hands.merge(homeless)
            except Exception:
                self._homeless.extendleft(reversed(homeless))
                raise
        return new

    def health(self) -> Health:
        """Say how the books are, without touching the database."""
        hands = self._hands
        return Health(
            database=hands.well if hands else None,
            waiting_bytes=spool.waiting_bytes(self._spool_dir),
            homeless=len(self._homeless),
        )

    def close(self) -> None:
        """Keep what is under way and stop; `record` then opens anew."""
        with self._opening:
            hands, self._hands = self._hands, None
        if hands is not None:
            hands.close(self._deadline_s)

    def _record(self, facts: Sequence[AnyFact], started: float) -> None:
        hands = self._my_hands()
        facts = [*self._take_homeless(), *facts]
        if not facts:
            return
        until = started + self._deadline_s
        if hands.may_write():
            ticket = hands.database.hand_in(facts)
            if ticket.wait(self._deadline_s * DATABASE_SHARE) is Outcome.KEPT:
                return
            hands.rest()
        if hands.spool.hand_in(facts).wait(until - time.monotonic()) is Outcome.KEPT:
            return
        self._homeless.extend(facts)
        log.critical("books.homeless", facts=len(facts), in_memory=len(self._homeless))

    def _tell_spool(self, hands: _Hands, facts: Sequence[AnyFact]) -> None:
        hands.rest()
        hands.spool.hand_in(facts, self._homeless.extend)

    def _take_homeless(self) -> list[AnyFact]:
        taken: list[AnyFact] = []
        with suppress(IndexError):  # empty
            while len(taken) < MOST:
                taken.append(self._homeless.popleft())
        return taken

    def _my_hands(self) -> _Hands:
        with self._opening:
            if self._hands is None:
                # Less than a waiter's share: what failed is then known to have failed in time.
                busy_s = self._deadline_s * DATABASE_SHARE - 3 * CROWD_S
                self._hands = _Hands(self._url, self._spool_dir, self._centre_id, busy_s)
            return self._hands

    def _forget(self) -> None:
        """Begin anew in a forked child: the parent's threads, locks and files are not ours."""
        if self._hands is not None:
            _left_behind.append(self._hands)
        self._hands = None
        self._homeless = deque(maxlen=MOST_HOMELESS)
        self._opening = threading.Lock()


# A child must not close its parent's database: SQLite would think that the last one left.
_left_behind: list[_Hands] = []


class _Hands:
    """The threads and files of one process."""

    def __init__(self, url: str, spool_dir: Path, centre_id: str, busy_s: float) -> None:
        self._url, self._spool_dir, self._centre_id = url, spool_dir, centre_id
        self._busy_s = busy_s
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None
        self._rests_until = 0.0
        self._spool_file = spool.SpoolFile(spool_dir)
        self.well: bool | None = None
        self.database = Gatherer("books", self._keep)
        self.spool = Gatherer("spool", self._spool_file.append)

    def may_write(self) -> bool:
        """Say whether the database is worth a try now."""
        return time.monotonic() >= self._rests_until

    def rest(self) -> None:
        """Leave the database alone for a while."""
        self.well = False
        self._rests_until = time.monotonic() + REST_S

    def merge(self, facts: Sequence[AnyFact]) -> int:
        """Commit a batch of the spool in the thread of the merge."""
        engine = open_store(self._url)
        try:
            new = keep(engine, self._centre_id, facts, self._refuse)
        finally:
            engine.dispose()
        self._rests_until, self.well = 0.0, True
        return new

    def close(self, wait_s: float) -> None:
        """Stop both threads, each after what waits is kept."""
        self.database.close(wait_s)
        self.spool.close(wait_s)
        self._spool_file.close()
        if self._engine is not None:
            self._engine.dispose()

    def _keep(self, facts: Sequence[AnyFact]) -> None:
        try:
            keep(self._ready_engine(), self._centre_id, facts, self._refuse)
        except Exception:
            self._drop_engine()
            raise
        self.well = True

    def _ready_engine(self) -> Engine:
        """Return the engine, opened anew when the file was moved away under us."""
        file = _identity(sqlite_path(self._url))
        if self._engine is not None and file != self._file:
            self._drop_engine()
        if self._engine is None:
            self._engine = open_store(self._url, busy_s=self._busy_s)
            self._file = file
        return self._engine

    def _drop_engine(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        self._engine = None

    def _refuse(self, fact: AnyFact, error: Exception) -> None:
        spool.refuse(self._spool_dir, fact, error)


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Return what names a file itself, not its path. Raises OSError when it is missing."""
    if path is None:
        return None
    stat = path.stat()
    return stat.st_dev, stat.st_ino
