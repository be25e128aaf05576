"""Group commit: many threads hand in facts, one thread keeps all that wait in one go.

A commit costs an fsync whether it holds one fact or fifty; callers who arrive together share
it, and none waits for a lock behind the others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.facts import AnyFact

    Failed = Callable[[Sequence[AnyFact]], object]

log = structlog.get_logger()

LINGER_S = 0.25  # what nobody waits for rides with what somebody does, for so long at most
CROWD_S = 0.01  # between two commits: in a crowd they come fewer and fuller, alone none waits
MOST = 200  # facts a commit: the last of a crowd waits for a few commits, not for one endless


class Outcome(StrEnum):
    """What became of facts that were handed in."""

    KEPT = "kept"
    FAILED = "failed"
    LATE = "late"  # nobody knows yet; they may still be kept


class Ticket:
    """Facts on their way; `wait` says what became of them."""

    def __init__(self, facts: Sequence[AnyFact], failed: Failed | None = None) -> None:
        self.facts = facts
        self.given_up = False
        self.awaited = failed is None
        self._failed = failed
        self._outcome = Outcome.LATE
        self._settled = threading.Event()

    def wait(self, seconds: float) -> Outcome:
        """Return the outcome once known, LATE after `seconds`; then the rest is skipped."""
        if not self._settled.wait(max(0.0, seconds)):
            self.given_up = True
        return self._outcome

    def settle(self, outcome: Outcome) -> None:
        """Say what became of the facts, and wake who waits."""
        self._outcome = outcome
        self._settled.set()
        if self._failed is not None and outcome is Outcome.FAILED:
            self._failed(self.facts)


class Gatherer:
    """One daemon thread that gives waiting facts to `keep`, many at once.

    `keep` returns when the facts are durable and raises when they are not.
    """

    def __init__(self, name: str, keep: Callable[[Sequence[AnyFact]], object]) -> None:
        self._keep = keep
        self._waiting: deque[Ticket] = deque()
        self._awaited = 0
        self._kept_s = 0.0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def hand_in(self, facts: Sequence[AnyFact], failed: Failed | None = None) -> Ticket:
        """Return a ticket for `facts`, which go with the next commit.

        With `failed` nobody waits for them: they make no commit of their own before `LINGER_S`
        have passed, and `failed` is given those that were not kept.
        """
        ticket = Ticket(facts, failed)
        with self._changed:
            if self._closed:
                ticket.settle(Outcome.FAILED)
            else:
                self._waiting.append(ticket)
                self._awaited += ticket.awaited
                self._changed.notify()
        return ticket

    def close(self, wait_s: float) -> None:
        """Keep what waits, then stop the thread; return after `wait_s` at the latest."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(wait_s)

    def _run(self) -> None:
        while tickets := self._next():
            facts = [fact for ticket in tickets for fact in ticket.facts]
            try:
                self._keep(facts)
                outcome = Outcome.KEPT
            except Exception as error:  # noqa: BLE001
                # For the callers: each is told, and keeps the facts in another place.
                log.warning("books.not_kept", by=self._thread.name, error=_in_words(error))
                outcome = Outcome.FAILED
            self._kept_s = time.monotonic()
            for ticket in tickets:
                ticket.settle(outcome)

    def _next(self) -> list[Ticket]:
        """Wait for tickets; return those of the next commit, none when closed and empty."""
        tickets: list[Ticket] = []
        count = 0
        with self._changed:
            while not tickets and (self._waiting or not self._closed):
                self._wait()
                while self._waiting and count < MOST:
                    ticket = self._waiting.popleft()
                    self._awaited -= ticket.awaited
                    if not ticket.given_up:
                        tickets.append(ticket)
                        count += len(ticket.facts)
        return tickets

    def _wait(self) -> None:
        """Wait until a commit is worth its price: somebody waits for it, or lingered enough."""
        self._changed.wait_for(lambda: self._waiting or self._closed)
        self._changed.wait_for(lambda: self._awaited or self._closed, LINGER_S)
        crowded_s = self._kept_s + CROWD_S - time.monotonic()
        if crowded_s > 0:
            self._changed.wait_for(lambda: self._closed, crowded_s)


def _in_words(error: Exception) -> str:
    """Return what failed in one line, without the values that SQLAlchemy would add."""
    return f"{type(error).__name__}: {getattr(error, 'orig', error)}".splitlines()[0][:200]
