"""How the programs of a centre open what they share: the books and the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.books import DurableBooks
from db.store import open_store

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from centre.settings import Settings


def open_books(settings: Settings) -> DurableBooks:
    """The books of this centre, with its spool."""
    return DurableBooks(settings.database_url, settings.folder("spool"), settings.centre_id)


def open_database(settings: Settings) -> Engine:
    """The database of this centre, for reading and for the journal."""
    return open_store(settings.database_url)
