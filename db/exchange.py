"""The door for data people: the calls as CSV, JSON or a small SQLite file.

sqlite-utils, Datasette and any spreadsheet read what comes out here.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlite_utils
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from db.store import StoreError, open_store, reading
from db.tables import calls

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

Rows = Iterable[Mapping[str, Any]]

_NUMBER = re.compile(r"[+-]?[0-9.]+")


class ExportError(Exception):
    """The file cannot be written. Says why and what to do."""


def export_calls(url: str, path: Path | str) -> int:
    """Write every call to `path` and return how many; the suffix chooses the form.

    .csv has a header line; .json is one list of objects; .db is an SQLite file with a table
    `calls`. Times are text in UTC, lengths in seconds, unknown is empty or null. The file
    appears whole or not at all. Raises ExportError (form unknown, cannot be written) and
    StoreError (the database cannot be read).
    """
    path = Path(path)
    write = _FORMS.get(path.suffix.lower())
    if write is None:
        known = ", ".join(sorted(_FORMS))
        raise ExportError(f"{path.name} names no known form. End it with one of {known}.")
    part = path.with_name(f".{path.name}.part")
    engine = open_store(url)
    try:
        part.unlink(missing_ok=True)
        with reading(engine) as connection:
            newest_last = select(calls).order_by(calls.c.centre_id, calls.c.rang_at)
            streamed = connection.execution_options(yield_per=500)
            with streamed.execute(newest_last) as found:
                count = write(part, (_plain(row) for row in found.mappings()))
        part.replace(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}.") from error
    except SQLAlchemyError as error:
        raise StoreError(f"the calls cannot be read: {error}") from error
    finally:
        part.unlink(missing_ok=True)
        engine.dispose()
    return count


def _plain(row: RowMapping) -> dict[str, Any]:
    return {str(name): _iso(v) if isinstance(v, datetime) else v for name, v in row.items()}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _write_csv(path: Path, rows: Rows) -> int:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in calls.columns])
        writer.writeheader()
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007 - the last count is the answer
            writer.writerow({name: _harmless(value) for name, value in row.items()})
        _to_disk(file)
    return count


def _harmless(value: Any) -> Any:
    """Return text that no spreadsheet runs as a formula: callers choose some of it."""
    if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def _write_json(path: Path, rows: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, 1):
            file.write("[\n" if count == 1 else ",\n")
            json.dump(row, file, ensure_ascii=False)
        file.write("\n]\n" if count else "[]\n")
        _to_disk(file)
    return count


def _write_db(path: Path, rows: Rows) -> int:
    database = sqlite_utils.Database(path)
    try:
        table = database.table("calls")
        table.create(
            {column.name: _SQLITE_TYPES.get(column.name, str) for column in calls.columns}
        )
        table.insert_all(dict(row) for row in rows)
        return int(table.count)
    finally:
        database.conn.close()


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


_SQLITE_TYPES: Mapping[str, type] = {
    "priority": int,
    "left_count": int,
    "illegal_count": int,
    "wait_s": float,
    "talk_s": float,
}

_FORMS: Mapping[str, Callable[[Path, Rows], int]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".db": _write_db,
}
