"""The calls: facts go in once, in any order; rows come out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, func, select

from call_router.call import Call, Fact, Result, State, fold
from db.history import append, upsert
from db.rows import call_of, columns, fact_of
from db.tables import calls, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact in the timeline; `seq` counts within the centre, in the order of the commits."""

    seq: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class Counts:
    """How many calls rang in a span, by what became of them. The sum of the rest is `rang`."""

    rang: int
    open: int
    answered: int
    passed_on: int
    abandoned: int
    lost: int
    flow_ended: int
    by_reason: Mapping[str, int]


def apply(connection: Connection, centre_id: str, facts: Iterable[Fact]) -> int:
    """Add the facts not yet known and fold their calls anew; return how many were new.

    Call it inside `store.atomic`: it needs the writers' lock, and a raise must undo all.
    """
    given = {fact.fact_id: fact for fact in facts}
    stories: dict[str, list[Fact]] = defaultdict(list)
    touched = sorted({fact.call_id for fact in given.values()})
    told = connection.execute(_STORIES, {"centre": centre_id, "touched": touched})
    for row in told.mappings():
        stories[row["call_id"]].append(fact_of(row))
        given.pop(row["fact_id"], None)
    if not given:
        return 0
    append(connection, timeline, "call_id", centre_id, given.values())
    for fact in given.values():
        stories[fact.call_id].append(fact)
    changed = sorted({fact.call_id for fact in given.values()})
    rows = [{"centre_id": centre_id, **columns(fold(stories[call]))} for call in changed]
    upsert(connection, calls, rows)
    return len(given)


_STORIES = select(timeline).where(
    timeline.c.centre_id == bindparam("centre"),
    timeline.c.call_id.in_(bindparam("touched", expanding=True)),
)


def get(connection: Connection, centre_id: str, call_id: str) -> Call | None:
    """Return a call, or None when no fact of it is known."""
    chosen = select(calls).where(calls.c.centre_id == centre_id, calls.c.call_id == call_id)
    row = connection.execute(chosen).mappings().first()
    return None if row is None else call_of(row)


def open_calls(connection: Connection, centre_id: str) -> list[Call]:
    """Return the calls without an ending, the longest first."""
    chosen = select(calls).where(calls.c.centre_id == centre_id, calls.c.state != State.ENDED)
    oldest = connection.execute(chosen.order_by(calls.c.rang_at, calls.c.call_id))
    return [call_of(row) for row in oldest.mappings()]


def unrecorded(connection: Connection, centre_id: str) -> list[str]:
    """Return the ids of ended calls whose recording has not been finished, the oldest first."""
    chosen = select(calls.c.call_id).where(
        calls.c.centre_id == centre_id,
        calls.c.state == State.ENDED,
        calls.c.recording != "",
        calls.c.recorded.is_(None),
    )
    return list(connection.execute(chosen.order_by(calls.c.rang_at)).scalars())


def recent(connection: Connection, centre_id: str, limit: int = 50) -> list[Call]:
    """Return the calls that rang last, the newest first."""
    chosen = select(calls).where(calls.c.centre_id == centre_id)
    last = chosen.order_by(calls.c.rang_at.desc(), calls.c.call_id.desc()).limit(limit)
    return [call_of(row) for row in connection.execute(last).mappings()]


def counts(connection: Connection, centre_id: str, since: datetime, until: datetime) -> Counts:
    """Count the calls that rang in [since, until), both aware. Every call is in one sum."""
    rows = connection.execute(
        select(calls.c.result, calls.c.reason, func.count())
        .where(calls.c.centre_id == centre_id, calls.c.rang_at >= since, calls.c.rang_at < until)
        .group_by(calls.c.result, calls.c.reason)
    ).all()
    results: dict[str | None, int] = defaultdict(int)
    reasons: dict[str, int] = defaultdict(int)
    for result, reason, count in rows:
        results[result] += count
        if reason is not None:
            reasons[reason] += count
    return Counts(
        rang=sum(results.values()),
        open=results[None],
        by_reason=dict(reasons),
        **{result.value: results[result.value] for result in Result},
    )


def timeline_of(connection: Connection, centre_id: str, call_id: str) -> list[Entry]:
    """Return all that is known of one call, by time."""
    chosen = select(timeline).where(
        timeline.c.centre_id == centre_id, timeline.c.call_id == call_id
    )
    return _entries(connection, chosen.order_by(timeline.c.at, timeline.c.seq))


def since(connection: Connection, centre_id: str, seq: int, limit: int = 1000) -> list[Entry]:
    """Return the facts committed after `seq` (0 = from the first), in that order."""
    chosen = select(timeline).where(timeline.c.centre_id == centre_id, timeline.c.seq > seq)
    return _entries(connection, chosen.order_by(timeline.c.seq).limit(limit))


def newest(connection: Connection, centre_id: str) -> int:
    """Return the last `seq`; 0 while nothing has happened."""
    last = select(func.max(timeline.c.seq)).where(timeline.c.centre_id == centre_id)
    return connection.execute(last).scalar() or 0


def _entries(connection: Connection, chosen: Select[Any]) -> list[Entry]:
    rows = connection.execute(chosen).mappings()
    return [Entry(row["seq"], fact_of(row)) for row in rows]
