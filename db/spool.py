"""Where facts wait while the database cannot take them: files that survive kill -9.

One file a process, one JSON line a fact, fsync before anybody is told. A merge first renames a
file under its lock, so the writer starts a new one; then it reads, commits, and only then
removes it. Killed anywhere, the next merge begins again, and the facts' ids make each count
once. A line without its end was never acknowledged and is dropped.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from call_router.fact import NotAFact
from db.facts import from_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from db.facts import AnyFact

log = structlog.get_logger()

BATCH = 25  # facts a transaction: the lock is free again within 50 ms, on a busy machine too
BREATH_S = 0.02  # between two: a caller's own facts may be waiting for the lock


class SpoolFile:
    """The file of one process; one thread writes to it. Opened at the first append."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder
        self._fd = -1

    def append(self, facts: Sequence[AnyFact]) -> None:
        """Write facts and return once the disk holds them. Raises OSError: then none was kept."""
        lines = "".join(fact.to_json() + "\n" for fact in facts).encode()
        with self._held() as fd:
            size = os.fstat(fd).st_size
            try:
                written = 0
                while written < len(lines):
                    written += os.write(fd, lines[written:])
                os.fdatasync(fd)
            except OSError:
                # A line cut by a full disk must not run into the next one.
                os.ftruncate(fd, size)
                raise

    def close(self) -> None:
        """Close the file; the next append opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    @contextmanager
    def _held(self) -> Iterator[int]:
        """Hold the lock of a file that no merge has taken away."""
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if not self._is_mine():
                self.close()
        if self._fd < 0:
            self._open_locked()
        try:
            yield self._fd
        finally:
            with suppress(OSError):  # closing the file frees it too; the facts are kept or not
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _open_locked(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns()}-{os.getpid()}.jsonl"
        # A merge sees the file only once its lock is ours, so it cannot take it away empty.
        hidden = path.with_suffix(".new")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(hidden, flags, 0o640)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        hidden.rename(path)
        self._path = path
        _sync_folder(self._folder)

    def _is_mine(self) -> bool:
        try:
            here = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._fd)
        return (here.st_dev, here.st_ino) == (mine.st_dev, mine.st_ino)


def merge(folder: Path, keep: Callable[[Sequence[AnyFact]], int]) -> int:
    """Give all waiting facts to `keep`, by time, in batches; return how many were new.

    `keep` commits a batch or raises; what it raises goes on to the caller, and every file
    stays. Only one merge runs at a time in a folder: another returns 0 at once.
    """
    if not folder.is_dir():
        return 0
    with _only_one(folder) as alone:
        if not alone:
            return 0
        files = _take_over(folder)
        facts = heapq.merge(*(_facts(file) for file in files), key=lambda fact: fact.at)
        new = sum(keep(batch) for batch in _batches(facts))
        for file in files:
            file.unlink()
        if files:
            log.info("spool.merged", files=len(files), new=new)
        return new


def waiting_bytes(folder: Path) -> int:
    """Return how many bytes of facts wait in a spool; 0 when there is none."""
    total = 0
    for file in [*folder.glob("*.jsonl"), *folder.glob("*.merging")]:
        with suppress(FileNotFoundError):  # merged while we looked
            total += file.stat().st_size
    return total


def _take_over(folder: Path) -> list[Path]:
    """Take every file from its writer; files of a merge that was killed come first."""
    files = sorted(folder.glob("*.merging"))
    for file in sorted(folder.glob("*.jsonl")):
        taken = file.with_suffix(".merging")
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            file.rename(taken)
        finally:
            os.close(fd)
        files.append(taken)
    return files


def _facts(file: Path) -> Iterator[AnyFact]:
    with file.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return  # killed while writing: nobody was told that it is kept
            try:
                yield from_line(line)
            except NotAFact:
                log.exception("spool.unreadable_line", file=file.name)
                _set_aside(file.parent, line)


def _set_aside(folder: Path, line: bytes) -> None:
    """Keep a line that is no fact, for people to look at; it must not hold up the others."""
    with (folder / "refused.txt").open("ab") as refused:
        refused.write(line)
        refused.flush()
        os.fsync(refused.fileno())


def refuse(folder: Path, fact: AnyFact, error: Exception) -> None:
    """Keep a fact that the database can never take, for people to look at, and say so."""
    log.error("spool.refused", fact_id=fact.fact_id, error=type(error).__name__)
    folder.mkdir(parents=True, exist_ok=True)
    _set_aside(folder, fact.to_json().encode() + b"\n")


def _batches(facts: Iterator[AnyFact]) -> Iterator[Sequence[AnyFact]]:
    while batch := list(itertools.islice(facts, BATCH)):
        yield batch
        time.sleep(BREATH_S)


@contextmanager
def _only_one(folder: Path) -> Iterator[bool]:
    fd = os.open(folder / "merge.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
