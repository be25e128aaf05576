"""The schema. Every table leads with the centre, so that PostgreSQL can spread it by city.

`timeline` and `seat_history` are the truth and only grow; `calls` and `seats` are folded from
them. `seq` counts within a centre, in the order of the commits: a reader that remembers the
last one it saw misses nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A time in UTC, to the microsecond. Naive times are refused (ValueError).

    PostgreSQL keeps a TIMESTAMPTZ. SQLite keeps 2026-08-07T01:02:03.000004Z: text of one length,
    that sorts, that people and sqlite-utils can read.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """Return the column type of this database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> object:
        """Return what the database is given."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value} names no zone")
        value = value.astimezone(UTC)
        if dialect.name != "sqlite":
            return value
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the aware time the database kept."""
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return datetime.fromisoformat(str(value))


def _centre() -> Column[str]:
    return Column("centre_id", String(40), nullable=False)


calls = Table(
    "calls",
    metadata,
    _centre(),
    Column("call_id", String(128), nullable=False),
    Column("state", String(20), nullable=False),
    Column("flow", Text),
    Column("trunk", Text),
    Column("dialled", Text),
    Column("caller_kind", String(20)),  # e164, withheld, no_sim, unusable
    Column("caller", Text),  # +62812... when it can be called back
    Column("caller_region", Text),
    Column("caller_carrier", Text),
    Column("caller_line", Text),  # mobile, fixed, ...
    Column("caller_note", Text),  # why withheld, the IMEI, or the unreadable text
    Column("rang_at", Moment, nullable=False),
    Column("menu_at", Moment),
    Column("first_key", String(1)),
    Column("key_at", Moment),
    Column("handed_over_at", Moment),
    Column("lane", Text),
    Column("priority", Integer),
    Column("rule", Text),
    Column("why", Text),
    Column("fallback_why", Text),
    Column("queued_at", Moment),
    Column("answered_at", Moment),
    Column("answered_by", Text),
    Column("phone", Text),
    Column("via", Text),  # queue, ring_all, outside
    Column("wait_s", Double),
    Column("talk_s", Double, nullable=False),
    Column("talking_since", Moment),
    Column("left_count", Integer, nullable=False),
    Column("left_source", Text),
    Column("named_ending", Text),
    Column("ended_at", Moment),
    Column("result", String(20)),
    Column("reason", String(40)),
    Column("detail", Text),
    Column("sip_call_id", Text),
    Column("recording", Text),
    Column("recorded", Text),  # JSON: what became of the recording
    Column("illegal_count", Integer, nullable=False),  # facts that could not have happened
    PrimaryKeyConstraint("centre_id", "call_id"),
    Index("calls_by_ring", "centre_id", "rang_at"),
    Index("calls_by_state", "centre_id", "state"),
    Index("calls_by_caller", "centre_id", "caller", "rang_at"),
)

timeline = Table(
    "timeline",
    metadata,
    _centre(),
    Column("seq", BigInteger, nullable=False),
    Column("fact_id", String(128), nullable=False),
    Column("call_id", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("what", String(128), nullable=False),
    Column("why", Text, nullable=False),
    Column("data", Text, nullable=False),  # JSON
    PrimaryKeyConstraint("centre_id", "seq"),
    UniqueConstraint("centre_id", "fact_id", name="timeline_fact_once"),
    Index("timeline_by_call", "centre_id", "call_id"),
)

seats = Table(
    "seats",
    metadata,
    _centre(),
    Column("seat", String(128), nullable=False),
    Column("state", String(20), nullable=False),
    Column("call_taker", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Moment),
    PrimaryKeyConstraint("centre_id", "seat"),
)

seat_history = Table(
    "seat_history",
    metadata,
    _centre(),
    Column("seq", BigInteger, nullable=False),
    Column("fact_id", String(128), nullable=False),
    Column("seat", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("what", String(128), nullable=False),
    Column("why", Text, nullable=False),
    Column("data", Text, nullable=False),  # JSON
    PrimaryKeyConstraint("centre_id", "seq"),
    UniqueConstraint("centre_id", "fact_id", name="seat_history_fact_once"),
    Index("seat_history_by_seat", "centre_id", "seat", "at"),
)

journal_offsets = Table(
    "journal_offsets",
    metadata,
    _centre(),
    Column("journal", String(128), nullable=False),
    Column("file", Text, nullable=False),  # which file: device and inode, for rotation
    Column("offset", BigInteger, nullable=False),  # bytes already in the books
    Column("at", Moment, nullable=False),
    PrimaryKeyConstraint("centre_id", "journal"),
)

meta = Table(
    "meta",
    metadata,
    _centre(),
    Column("key", String(128), nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("centre_id", "key"),
)
