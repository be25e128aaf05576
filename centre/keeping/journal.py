"""Asterisk's journal into the books: every line once, in order, whatever dies in between.

The journal is its own spool: a line counts as read only in the transaction that keeps its fact.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from agi.journal import JournalEntry, read_new
from call_router.call import Fact
from db import journal as marks
from db.journal import Mark

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

log = structlog.get_logger()

NAME = "asterisk"
ROTATE_ABOVE_BYTES = 32 * 1024 * 1024


def fact_of(entry: JournalEntry) -> Fact:
    """Return the fact of one line; the same line always gives the same fact id.

    The call names itself (`call`): Asterisk's own linkedid moves when legs of two calls meet.
    """
    data = dict(entry.facts)
    call_id = data.pop("call", "") or entry.call_id
    why = data.get("why", "")
    return Fact(call_id, entry.at, entry.what, why, data, f"asterisk-{entry.entry_id}")


class JournalReader:
    """Follows one journal file; `read` is blocking and belongs in a thread of its own."""

    def __init__(self, path: Path, engine: Engine, centre_id: str) -> None:
        self._path = path
        self._old = path.with_suffix(".old.csv")
        self._engine = engine
        self._centre_id = centre_id
        self._mark: Mark | None = None
        self._marked = False

    def read(self) -> list[Fact]:
        """Keep what is new and return its facts, in the journal's order.

        Raises StoreError while the database is in trouble: the lines wait where they are.
        """
        if not self._marked:
            self._mark, self._marked = marks.mark(self._engine, self._centre_id, NAME), True
        if self._old.exists():
            return self._finish_old()
        facts = self._follow(self._path)
        self._rotate()
        return facts

    def known_behind_bytes(self) -> int:
        """How much is not in the books, by the database's own mark. Raises StoreError."""
        self._mark = marks.mark(self._engine, self._centre_id, NAME)
        return self.behind_bytes

    @property
    def behind_bytes(self) -> int:
        """How much of the journal is not yet in the books, as far as this reader knows."""
        try:
            return self._path.stat().st_size - self._offset(self._path)
        except FileNotFoundError:
            return 0

    def _offset(self, path: Path) -> int:
        mark = self._mark
        return mark.offset if mark and mark.file == _identity(path) else 0

    def _follow(self, path: Path) -> list[Fact]:
        facts: list[Fact] = []
        try:
            identity = _identity(path)
        except FileNotFoundError:
            return facts
        offset = self._offset(path)
        while True:
            entries, end = read_new(path, offset)
            if end == offset:
                return facts
            new = [fact_of(entry) for entry in entries]
            mark = Mark(identity, end)
            marks.take(self._engine, self._centre_id, NAME, new, mark, at=datetime.now(UTC))
            self._mark = mark
            facts += new
            offset = end

    def _rotate(self) -> None:
        """Start a new file when this one is long and read; Asterisk opens it for each line."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size > ROTATE_ABOVE_BYTES and self.behind_bytes == 0:
            self._path.replace(self._old)
            log.info("journal rotated", bytes=size)

    def _finish_old(self) -> list[Fact]:
        """Read a rotated file to its end before the new one is begun.

        A line that Asterisk was just writing lands in the old file; a second later none can.
        """
        renamed_s = time.time() - self._old.stat().st_ctime
        facts = self._follow(self._old)
        if renamed_s > 1.0:
            self._old.unlink()
        return facts


def _identity(path: Path) -> str:
    """A file's name for life, whatever it is called."""
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}"
