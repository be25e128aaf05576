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
BATCH_BYTES = 12 * 1024
"""A transaction: some 30 lines. Callers' own facts wait for the same lock, and not for long: the
database is given up for the spool after 0.18 s. No line is as long (Asterisk cuts at 4 KiB)."""
BREATH_S = 0.02
ROTATE_ABOVE_BYTES = 32 * 1024 * 1024
KEPT_ARCHIVES = 8
"""Some 130,000 calls: more than a city has between two backups."""


def fact_of(entry: JournalEntry) -> Fact:
    """Return the fact of one line; the same line always gives the same fact id.

    The call names itself (`call`): Asterisk's own linkedid moves when legs of two calls meet.
    """
    data = dict(entry.facts)
    call_id = data.pop("call", "") or entry.call_id
    why = data.get("why", "")
    return Fact(call_id, entry.at, entry.what, why, data, f"asterisk-{entry.entry_id}")


class JournalReader:
    """Follows one journal and its archives; `read` is blocking and belongs in a thread of its own.

    Where it stands is the database's word alone, asked anew each time: a database that was
    restored from an older backup gets again what it has forgotten.
    """

    def __init__(self, path: Path, engine: Engine, centre_id: str) -> None:
        self._path = path
        self._engine = engine
        self._centre_id = centre_id
        self._mark: Mark | None = None

    def read(self) -> list[Fact]:
        """Keep what is new and return its facts, in the journal's order.

        Raises StoreError while the database is in trouble: the lines wait where they are.
        """
        self._mark = marks.mark(self._engine, self._centre_id, NAME)
        facts: list[Fact] = []
        for file, offset in self._unread():
            facts += self._follow(file, offset)
            if file != self._path and not _is_complete(file):
                return facts  # its last line may still come, and belongs before the next file's
        self._rotate()
        return facts

    def known_behind_bytes(self) -> int:
        """How much is not in the books, by the database's own mark. Raises StoreError."""
        self._mark = marks.mark(self._engine, self._centre_id, NAME)
        return self.behind_bytes

    @property
    def behind_bytes(self) -> int:
        """How much of the journal is not yet in the books, as far as this reader knows."""
        return sum(max(0, _size(file) - offset) for file, offset in self._unread())

    @property
    def archives(self) -> list[Path]:
        """The rotated files, the oldest first."""
        return sorted(self._path.parent.glob(f"{self._path.stem}.*{self._path.suffix}"))

    def _unread(self) -> list[tuple[Path, int]]:
        """Every file that may hold news and where in it; all of them when the mark names none."""
        files = [file for file in (*self.archives, self._path) if file.exists()]
        mark = self._mark
        for count, file in enumerate(files):
            if mark and _identity(file) == mark.file:
                return [(file, mark.offset), *((later, 0) for later in files[count + 1 :])]
        return [(file, 0) for file in files]

    def _follow(self, path: Path, offset: int) -> list[Fact]:
        facts: list[Fact] = []
        identity = _identity(path)
        while True:
            entries, end = read_new(path, offset, max_bytes=BATCH_BYTES)
            if end == offset:
                return facts
            new = [fact_of(entry) for entry in entries]
            mark = Mark(identity, end)
            marks.take(self._engine, self._centre_id, NAME, new, mark, at=datetime.now(UTC))
            self._mark = mark
            facts += new
            offset = end
            time.sleep(BREATH_S)  # whoever waits for the lock has it before our next batch

    def _rotate(self) -> None:
        """Start a new file when this one is long; Asterisk opens it for each line.

        What has been read is kept a while: for a database that comes back from a backup.
        """
        size = _size(self._path)
        if size <= ROTATE_ABOVE_BYTES:
            return
        stem, suffix = self._path.stem, self._path.suffix
        self._path.rename(self._path.with_name(f"{stem}.{time.time_ns()}{suffix}"))
        for old in self.archives[:-KEPT_ARCHIVES]:
            old.unlink()
        log.info("journal rotated", bytes=size)


def _is_complete(archive: Path) -> bool:
    """A line that Asterisk was just writing lands in the old file; a second later none can."""
    return time.time() - archive.stat().st_ctime > 1.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _identity(path: Path) -> str:
    """A file's name for life, whatever it is called."""
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}"
