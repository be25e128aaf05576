from datetime import UTC, datetime

import pytest

from call_router.call import Fact
from call_router.seats import SeatFact
from db import calls, seats
from db.journal import Mark, mark, take
from db.store import StoreError, atomic, open_store, reading

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)
RING = Fact("siaga-1.1", EIGHT, "ring", fact_id="journal-1")
DEAF = SeatFact("op1", EIGHT, "sign_in", data={"call_taker": "alice"}, fact_id="journal-2")


def test_the_place_and_the_facts_are_kept_together(engine):
    assert mark(engine, "smg", "cel") is None
    assert take(engine, "smg", "cel", [RING, DEAF], Mark("8:15", 120), at=EIGHT) == 2
    assert mark(engine, "smg", "cel") == Mark("8:15", 120)
    with reading(engine) as connection:
        assert calls.get(connection, "smg", "siaga-1.1") is not None
        assert seats.get(connection, "smg", "op1").call_taker == "alice"


def test_the_same_lines_read_again_add_nothing(engine):
    take(engine, "smg", "cel", [RING], Mark("8:15", 60), at=EIGHT)
    assert take(engine, "smg", "cel", [RING, DEAF], Mark("8:16", 0), at=EIGHT) == 1
    assert mark(engine, "smg", "cel") == Mark("8:16", 0)


def test_lines_without_facts_move_the_place_too(engine):
    assert take(engine, "smg", "cel", [], Mark("8:15", 300), at=EIGHT) == 0
    assert mark(engine, "smg", "cel") == Mark("8:15", 300)


def test_a_database_in_trouble_leaves_the_place_where_it_was(url, engine):
    take(engine, "smg", "cel", [], Mark("8:15", 1), at=EIGHT)
    hasty = open_store(url, busy_s=0.05)
    with atomic(engine), pytest.raises(StoreError, match="kept now"):
        take(hasty, "smg", "cel", [RING], Mark("8:15", 60), at=EIGHT)
    assert mark(engine, "smg", "cel") == Mark("8:15", 1)
    with reading(engine) as connection:
        assert calls.get(connection, "smg", "siaga-1.1") is None
    hasty.dispose()


def test_a_missing_database_is_said_so(tmp_path):
    engine = open_store(f"sqlite:///{tmp_path}/gone.db")
    with pytest.raises(StoreError):
        mark(engine, "smg", "cel")
