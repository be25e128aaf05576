"""The seats: who sits at which phone now, and the history of how that came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from call_router.seats import ABSOLUTE, Seat, SeatFact, SeatState, fold_seat
from db.history import append, unknown, upsert
from db.tables import seat_history, seats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, RowMapping


def apply(connection: Connection, centre_id: str, facts: Iterable[SeatFact]) -> int:
    """Add the facts not yet known and fold their seats anew; return how many were new.

    Call it inside `store.atomic`: it needs the writers' lock, and a raise must undo all.
    """
    unseen = unknown(connection, seat_history, centre_id, facts)
    if not unseen:
        return 0
    append(connection, seat_history, "seat", centre_id, unseen)
    rows = []
    for seat in sorted({fact.seat for fact in unseen}):
        now = fold_seat(_recent_facts(connection, centre_id, seat))
        rows.append(
            {
                "centre_id": centre_id,
                "seat": seat,
                "state": now.state.value,
                "call_taker": now.call_taker,
                "reason": now.reason,
                "since": now.since,
            }
        )
    upsert(connection, seats, rows)
    return len(unseen)


def current(connection: Connection, centre_id: str) -> list[Seat]:
    """Return every seat that ever was, as it is now, by name."""
    chosen = select(seats).where(seats.c.centre_id == centre_id).order_by(seats.c.seat)
    return [_seat(row) for row in connection.execute(chosen).mappings()]


def get(connection: Connection, centre_id: str, seat: str) -> Seat | None:
    """Return one seat as it is now, or None when nothing is known of it."""
    chosen = select(seats).where(seats.c.centre_id == centre_id, seats.c.seat == seat)
    row = connection.execute(chosen).mappings().first()
    return None if row is None else _seat(row)


def history_of(connection: Connection, centre_id: str, seat: str) -> list[SeatFact]:
    """Return all that happened to a seat, by time."""
    mine = (seat_history.c.centre_id == centre_id, seat_history.c.seat == seat)
    chosen = select(seat_history).where(*mine).order_by(seat_history.c.at, seat_history.c.seq)
    return [_fact(row) for row in connection.execute(chosen).mappings()]


def since(
    connection: Connection, centre_id: str, seq: int, limit: int = 1000
) -> list[tuple[int, SeatFact]]:
    """Return (seq, fact) of all committed after `seq` (0 = from the first), in that order."""
    mine = (seat_history.c.centre_id == centre_id, seat_history.c.seq > seq)
    chosen = select(seat_history).where(*mine).order_by(seat_history.c.seq).limit(limit)
    return [(row["seq"], _fact(row)) for row in connection.execute(chosen).mappings()]


def _recent_facts(connection: Connection, centre_id: str, seat: str) -> list[SeatFact]:
    """Return the facts since the last sign-in or sign-out: they tell the whole state."""
    mine = (seat_history.c.centre_id == centre_id, seat_history.c.seat == seat)
    last = select(func.max(seat_history.c.at)).where(*mine, seat_history.c.what.in_(ABSOLUTE))
    since_then = connection.execute(last).scalar()
    chosen = select(seat_history).where(*mine)
    if since_then is not None:
        chosen = chosen.where(seat_history.c.at >= since_then)
    return [_fact(row) for row in connection.execute(chosen).mappings()]


def _seat(row: RowMapping) -> Seat:
    return Seat(
        seat=row["seat"],
        state=SeatState(row["state"]),
        call_taker=row["call_taker"],
        reason=row["reason"],
        since=row["since"],
    )


def _fact(row: RowMapping) -> SeatFact:
    return SeatFact(
        seat=row["seat"],
        at=row["at"],
        what=row["what"],
        why=row["why"],
        data=json.loads(row["data"]),
        fact_id=row["fact_id"],
    )
