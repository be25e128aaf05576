"""How far Asterisk's journal has been read: kept in the same transaction as what it said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from db.facts import apply
from db.history import upsert
from db.store import StoreError, atomic, reading
from db.tables import journal_offsets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Engine

    from db.facts import AnyFact


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a journal.

    `file` is any word that names it across rotation, such as its device and inode; `offset` is
    in bytes: the lines before it are in the books.
    """

    file: str
    offset: int


def mark(engine: Engine, centre_id: str, journal: str) -> Mark | None:
    """Return how far a journal was read; None when never. Raises StoreError."""
    mine = (journal_offsets.c.centre_id == centre_id, journal_offsets.c.journal == journal)
    try:
        with reading(engine) as connection:
            row = connection.execute(select(journal_offsets).where(*mine)).mappings().first()
    except SQLAlchemyError as error:
        raise StoreError(f"the journal's place cannot be read: {error}") from error
    return None if row is None else Mark(row["file"], row["offset"])


def take(
    engine: Engine,
    centre_id: str,
    journal: str,
    facts: Sequence[AnyFact],
    mark: Mark,
    *,
    at: datetime,
) -> int:
    """Keep what the journal said up to `mark`, both or neither; return how many were new.

    `at` is the time of reading. Raises StoreError: then read the same lines again later, the
    journal itself is their spool.
    """
    row = {
        "centre_id": centre_id,
        "journal": journal,
        "file": mark.file,
        "offset": mark.offset,
        "at": at,
    }
    try:
        with atomic(engine) as connection:
            new = apply(connection, centre_id, facts)
            upsert(connection, journal_offsets, [row])
    except SQLAlchemyError as error:
        raise StoreError(f"the journal's lines cannot be kept now: {error}") from error
    return new
