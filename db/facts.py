"""Facts of every kind: to the right tables, and to and from a line of the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from call_router.fact import Fact, NotAFact
from call_router.seats import SeatFact
from db import calls, seats
from db.store import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine

AnyFact = Fact | SeatFact


def apply(connection: Connection, centre_id: str, facts: Sequence[AnyFact]) -> int:
    """Keep facts of calls and seats, each once; return how many were new (see calls.apply)."""
    of_calls = [fact for fact in facts if isinstance(fact, Fact)]
    of_seats = [fact for fact in facts if isinstance(fact, SeatFact)]
    new = calls.apply(connection, centre_id, of_calls) if of_calls else 0
    return new + (seats.apply(connection, centre_id, of_seats) if of_seats else 0)


def from_line(line: str | bytes) -> AnyFact:
    """Return the fact of one line of the spool. Raises NotAFact for any other line."""
    try:
        return Fact.from_json(line)
    except NotAFact:
        return SeatFact.from_json(line)


def keep(
    engine: Engine,
    centre_id: str,
    facts: Sequence[AnyFact],
    refuse: Callable[[AnyFact, Exception], None],
) -> int:
    """Commit all `facts` in one transaction; return how many were new.

    A fact that the database can never take is given to `refuse` and must not hold up the
    others. Raises SQLAlchemy's errors when the database itself is in trouble.
    """
    try:
        with atomic(engine) as connection:
            return apply(connection, centre_id, facts)
    except Exception as error:
        if not _is_about_the_facts(error):
            raise
        if len(facts) == 1:
            refuse(facts[0], error)
            return 0
    return sum(keep(engine, centre_id, [fact], refuse) for fact in facts)


def _is_about_the_facts(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | ValueError | TypeError | OverflowError)
