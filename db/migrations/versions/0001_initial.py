"""Calls, their timeline, seats, and the journal's place."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("flow", sa.Text),
        sa.Column("trunk", sa.Text),
        sa.Column("dialled", sa.Text),
        sa.Column("caller_kind", sa.String(20)),
        sa.Column("caller", sa.Text),
        sa.Column("caller_region", sa.Text),
        sa.Column("caller_carrier", sa.Text),
        sa.Column("caller_line", sa.Text),
        sa.Column("caller_note", sa.Text),
        sa.Column("rang_at", MOMENT, nullable=False),
        sa.Column("menu_at", MOMENT),
        sa.Column("first_key", sa.String(1)),
        sa.Column("key_at", MOMENT),
        sa.Column("handed_over_at", MOMENT),
        sa.Column("lane", sa.Text),
        sa.Column("priority", sa.Integer),
        sa.Column("rule", sa.Text),
        sa.Column("why", sa.Text),
        sa.Column("fallback_why", sa.Text),
        sa.Column("queued_at", MOMENT),
        sa.Column("answered_at", MOMENT),
        sa.Column("answered_by", sa.Text),
        sa.Column("phone", sa.Text),
        sa.Column("via", sa.Text),
        sa.Column("wait_s", sa.Double),
        sa.Column("talk_s", sa.Double, nullable=False),
        sa.Column("talking_since", MOMENT),
        sa.Column("left_count", sa.Integer, nullable=False),
        sa.Column("left_source", sa.Text),
        sa.Column("named_ending", sa.Text),
        sa.Column("ended_at", MOMENT),
        sa.Column("result", sa.String(20)),
        sa.Column("reason", sa.String(40)),
        sa.Column("detail", sa.Text),
        sa.Column("sip_call_id", sa.Text),
        sa.Column("recording", sa.Text),
        sa.Column("recorded", sa.Text),
        sa.Column("illegal_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("centre_id", "call_id"),
    )
    op.create_index("calls_by_ring", "calls", ["centre_id", "rang_at"])
    op.create_index("calls_by_state", "calls", ["centre_id", "state"])
    op.create_index("calls_by_caller", "calls", ["centre_id", "caller", "rang_at"])
    op.create_table(
        "timeline",
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("fact_id", sa.String(128), nullable=False),
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("what", sa.String(128), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("centre_id", "seq"),
        sa.UniqueConstraint("centre_id", "fact_id", name="timeline_fact_once"),
    )
    op.create_index("timeline_by_call", "timeline", ["centre_id", "call_id"])
    op.create_table(
        "seats",
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("seat", sa.String(128), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("call_taker", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", MOMENT),
        sa.PrimaryKeyConstraint("centre_id", "seat"),
    )
    op.create_table(
        "seat_history",
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("fact_id", sa.String(128), nullable=False),
        sa.Column("seat", sa.String(128), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("what", sa.String(128), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("centre_id", "seq"),
        sa.UniqueConstraint("centre_id", "fact_id", name="seat_history_fact_once"),
    )
    op.create_index("seat_history_by_seat", "seat_history", ["centre_id", "seat", "at"])
    op.create_table(
        "journal_offsets",
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("journal", sa.String(128), nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("centre_id", "journal"),
    )
    op.create_table(
        "meta",
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("centre_id", "key"),
    )
