"""Append facts to a history once, and keep the row folded from them.

Statements are built once and kept: building one costs SQLAlchemy more than SQLite's work.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from call_router.fact import Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import BindParameter, Connection, Select, Table
    from sqlalchemy.sql.dml import Insert

F = TypeVar("F", bound=Told)


def unknown(
    connection: Connection, table: Table, centre_id: str, facts: Iterable[F]
) -> Sequence[F]:
    """Return those of `facts` that `table` does not know, each once, in their order."""
    given = {fact.fact_id: fact for fact in facts}
    known = connection.execute(_known(table), {"centre": centre_id, "ids": list(given)})
    for fact_id in known.scalars():
        del given[fact_id]
    return list(given.values())


def append(
    connection: Connection, table: Table, subject: str, centre_id: str, facts: Iterable[F]
) -> None:
    """Add facts that `table` does not know. `subject` names the column they are about.

    Needs the writers' lock (store.atomic): `seq` must count in the order of the commits.
    """
    rows = [
        {
            "centre": centre_id,
            "centre_id": centre_id,
            "fact_id": fact.fact_id,
            subject: getattr(fact, subject),
            "at": fact.at,
            "what": fact.what,
            "why": fact.why,
            "data": json.dumps(fact.data, separators=(",", ":")),
        }
        for fact in facts
    ]
    connection.execute(_add(table, subject), rows)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert each row, or overwrite the one with the same primary key."""
    connection.execute(_overwrite(table, connection.dialect.name), rows)


@cache
def _known(table: Table) -> Select[Any]:
    mine = table.c.centre_id == bindparam("centre")
    ids: BindParameter[Any] = bindparam("ids", expanding=True)
    return select(table.c.fact_id).where(mine, table.c.fact_id.in_(ids))


@cache
def _add(table: Table, subject: str) -> Insert:
    mine = table.c.centre_id == bindparam("centre")
    following = select(func.coalesce(func.max(table.c.seq), 0) + 1).where(mine)
    names = ("centre_id", "fact_id", subject, "at", "what", "why", "data")
    told: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in names}
    return insert(table).values(seq=following.scalar_subquery(), **told)


@cache
def _overwrite(table: Table, dialect: str) -> Insert:
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.primary_key]
    values = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    overwrite: Insert = statement.on_conflict_do_update(index_elements=keys, set_=values)
    return overwrite
