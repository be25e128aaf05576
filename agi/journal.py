"""Asterisk's own account of every call: the file that cel_custom appends to.

Asterisk opens, writes and closes for each line, so a line survives any death of ours. One line
is CSV with seven fields, the last of which holds facts as ``k=v&k=v`` (urlencoded)::

    "USER_DEFINED","1795309200.123456","siaga-1.12","siaga-1.12","PJSIP/a-1","SIAGA_RING","flow=112"
"""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import structlog

PREFIX = "SIAGA_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = 7

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that Asterisk says happened to a call."""

    at: datetime
    """Aware, UTC, to the microsecond."""
    call_id: str
    """The UNIQUEID of the caller's channel (Asterisk's linkedid)."""
    uniqueid: str
    """The UNIQUEID of the channel it happened on."""
    channel: str
    what: str
    """What happened: the event's name without ``SIAGA_``, in lower case."""
    facts: dict[str, str]
    """Safe to store: bad bytes and NUL are replaced; the first of two equal keys wins."""
    entry_id: str
    """32 hex digits of the raw line: reading a line twice gives the same id."""


class Batch(list[JournalEntry]):
    """The entries of one read, and how many lines could not be understood."""

    garbage: int = 0


def read_new(path: Path, offset: int, *, max_bytes: int = 1_048_576) -> tuple[Batch, int]:
    """Read the lines written since `offset`; give their entries and the offset to go on from.

    At most `max_bytes` are read: call again until the offset no longer moves. A last line
    without its newline is left for the next time. When the file is shorter than `offset`, or
    `offset` is not the beginning of a line, the file was replaced and is read from its start:
    what was read before comes again under the same entry ids. No file yet is an empty one.
    """
    batch = Batch()
    try:
        journal = path.open("rb")
    except FileNotFoundError:
        return batch, 0
    with journal:
        offset = _still_valid(journal.seek(0, 2), offset, path)
        if offset:
            journal.seek(offset - 1)
            if journal.read(1) != b"\n":
                log.warning("journal was replaced, reading it from its start", path=str(path))
                offset = 0
        journal.seek(offset)
        chunk = journal.read(max_bytes)
        end = chunk.rfind(b"\n") + 1
        if not end and len(chunk) == max_bytes:
            # One line longer than a whole batch is no line of ours: pass over it.
            rest = journal.readline()
            if not rest.endswith(b"\n"):
                return batch, offset
            log.error("journal line too long, passed over", offset=offset)
            batch.garbage = 1
            return batch, offset + max_bytes + len(rest)
    batch.extend(_entries(chunk[:end], batch))
    if batch.garbage:
        log.error("journal lines not understood", lines=batch.garbage, offset=offset)
    return batch, offset + end


def parse(line: bytes) -> JournalEntry | None:
    """Parse one raw line without its newline.

    Gives None for an event that is not ours (not ``SIAGA_…``). Raises ValueError for garbage.
    """
    fields = next(csv.reader([line.decode("utf-8", "replace")], strict=True), [])
    if len(fields) != _FIELDS:
        raise ValueError(f"{len(fields)} fields instead of {_FIELDS}")
    _, at, uniqueid, linkedid, channel, name, extra = fields
    if not name.startswith(PREFIX):
        return None
    if not linkedid:
        raise ValueError("an event without a call")
    return JournalEntry(
        at=_moment(at),
        call_id=linkedid,
        uniqueid=uniqueid,
        channel=channel,
        what=name.removeprefix(PREFIX).lower(),
        facts=_facts(extra),
        entry_id=hashlib.blake2b(line, digest_size=16).hexdigest(),
    )


def _entries(chunk: bytes, batch: Batch) -> Iterator[JournalEntry]:
    for line in chunk.split(b"\n"):
        if not line.strip():
            continue
        try:
            entry = parse(line)
        except (ValueError, csv.Error):
            batch.garbage += 1
            continue
        if entry:
            yield entry


def _still_valid(size: int, offset: int, path: Path) -> int:
    if offset <= size:
        return max(0, offset)
    log.warning("journal is shorter than before, reading it from its start", path=str(path))
    return 0


def _moment(epoch: str) -> datetime:
    seconds, _, fraction = epoch.partition(".")
    micros = int(fraction.ljust(6, "0")[:6]) if fraction else 0
    try:
        return _EPOCH + timedelta(seconds=int(seconds), microseconds=micros)
    except OverflowError:
        raise ValueError("a time beyond all calendars") from None


def _facts(extra: str) -> dict[str, str]:
    if extra.startswith("{"):
        wrapped = json.loads(extra)
        extra = str(wrapped.get("extra", ""))
    pairs = parse_qsl(extra, keep_blank_values=True)
    return {key: value.replace("\0", "�") for key, value in reversed(pairs)}
