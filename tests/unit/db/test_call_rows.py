import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from call_router.call import Event, Fact, Reason, Result, State, fold
from db import calls
from db.store import atomic, reading

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


def after(seconds, what, call_id="siaga-1.1", why="", **data):
    return Fact(call_id, EIGHT + timedelta(seconds=seconds), what, why, data)


def keep(engine, *facts, centre="smg"):
    with atomic(engine) as connection:
        return calls.apply(connection, centre, facts)


BOB = [
    after(
        0, "ring", flow="112", trunk="telkom", dialled="112", num="081234567890", recording="a/b"
    ),
    after(1, "menu", language="id"),
    after(2, "key", key="0", after_ms=900),
    after(3, "hand_over", why="Menekan tombol", lane="pressed", priority=10, rule="pressed"),
    after(4, "queued", lane="pressed", priority="10"),
    after(9, "answered", by="alice", phone="op1", via="queue"),
    after(39, "left", phone="op1", cause="44", source="network"),
    after(49, "ended", cause="16", source="caller", where="queue"),
    after(50, "recorded", length_s=48.5, legs={"caller": "ok"}),
]


def test_the_row_tells_what_the_facts_tell(engine):
    assert keep(engine, *BOB) == len(BOB)
    with reading(engine) as connection:
        assert calls.get(connection, "smg", "siaga-1.1") == fold(BOB)
        assert calls.get(connection, "smg", "siaga-1.2") is None


@pytest.mark.parametrize("num", ["anonymous", "356938035643809", "banana", "0211234567", None])
def test_every_kind_of_caller_comes_back(engine, num):
    ring = after(0, "ring") if num is None else after(0, "ring", num=num)
    keep(engine, ring)
    with reading(engine) as connection:
        assert calls.get(connection, "smg", "siaga-1.1").caller == fold([ring]).caller


def test_a_fact_told_twice_counts_once(engine):
    assert keep(engine, *BOB[:3]) == 3
    assert keep(engine, *BOB[1:4], BOB[3]) == 1
    assert keep(engine, *BOB[:4]) == 0
    with reading(engine) as connection:
        kept = [entry.fact for entry in calls.timeline_of(connection, "smg", "siaga-1.1")]
    assert kept == BOB[:4]


whats = st.sampled_from([*Event, "key", "silence", "hang_up", "recorded", "banana"])
data = st.dictionaries(
    st.sampled_from(["num", "flow", "lane", "priority", "cause", "source", "via", "by", "where"]),
    st.one_of(st.text(st.characters(codec=None), max_size=8), st.integers(), st.none()),
    max_size=4,
)
stories = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("abc"), whats, data), min_size=1, max_size=10
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories, st.data())
def test_any_facts_in_any_order_and_any_batches_give_the_rows_of_the_fold(engine, story, data):
    centre = uuid.uuid4().hex
    facts = [after(second, what, call_id, **told) for second, call_id, what, told in story]
    left = data.draw(st.permutations(facts + facts[:2]))
    while left:
        size = data.draw(st.integers(1, len(left)))
        keep(engine, *left[:size], centre=centre)
        left = left[size:]
    with reading(engine) as connection:
        for call_id in {fact.call_id for fact in facts}:
            mine = [fact for fact in facts if fact.call_id == call_id]
            assert calls.get(connection, centre, call_id) == fold(mine)
        entries = calls.since(connection, centre, 0)
        everything = calls.counts(connection, centre, EIGHT, EIGHT + timedelta(days=1))
        opened = calls.open_calls(connection, centre)
    assert sorted(entry.fact.fact_id for entry in entries) == sorted(f.fact_id for f in facts)
    assert [entry.seq for entry in entries] == list(range(1, len(facts) + 1))
    assert everything.rang == len({fact.call_id for fact in facts})
    assert everything.open == len(opened)
    assert everything.rang == everything.open + sum(getattr(everything, r.value) for r in Result)


def test_open_calls_are_those_without_an_ending_the_longest_first(engine):
    keep(engine, after(5, "ring", "b"), after(1, "ring", "a"), after(2, "ring", "c"))
    keep(engine, after(9, "ended", "c", source="caller"))
    with reading(engine) as connection:
        opened = calls.open_calls(connection, "smg")
    assert [call.call_id for call in opened] == ["a", "b"]


def test_recent_calls_come_newest_first(engine):
    keep(engine, *[after(nth, "ring", f"siaga-1.{nth}") for nth in range(5)])
    with reading(engine) as connection:
        assert [c.call_id for c in calls.recent(connection, "smg", 2)] == [
            "siaga-1.4",
            "siaga-1.3",
        ]


def test_counts_reconcile_to_the_last_call(engine):
    for nth, ended in enumerate(
        [
            {"source": "caller", "where": "menu"},
            {"source": "caller", "where": "menu"},
            {"source": "caller", "where": "talk"},
            {"source": "swept"},
            {"named_ending": "test-done"},
            None,
        ]
    ):
        keep(engine, after(nth, "ring", str(nth)))
        if ended is not None:
            keep(engine, after(nth + 1, "ended", str(nth), **ended))
    keep(engine, after(3600, "ring", "later"))
    with reading(engine) as connection:
        told = calls.counts(connection, "smg", EIGHT, EIGHT + timedelta(hours=1))
    assert (told.rang, told.open, told.answered, told.passed_on) == (6, 1, 1, 0)
    assert (told.abandoned, told.lost, told.flow_ended) == (2, 1, 1)
    assert told.by_reason[Reason.CALLER_HUNG_UP_IN_MENU] == 2


def test_a_reader_that_remembers_the_last_it_saw_misses_nothing(engine):
    keep(engine, *BOB[:2])
    with reading(engine) as connection:
        seen = calls.since(connection, "smg", 0)
        assert calls.newest(connection, "smg") == seen[-1].seq == 2
    keep(engine, *BOB[2:])
    with reading(engine) as connection:
        entries = calls.since(connection, "smg", seen[-1].seq, limit=3)
        assert [entry.fact for entry in entries] == BOB[2:5]
        assert calls.newest(connection, "nowhere") == 0


def test_a_timeline_is_told_by_time_even_when_it_came_late(engine):
    keep(engine, BOB[3])
    keep(engine, BOB[0], BOB[1])
    with reading(engine) as connection:
        story = calls.timeline_of(connection, "smg", "siaga-1.1")
    assert [entry.fact for entry in story] == [BOB[0], BOB[1], BOB[3]]
    assert [entry.seq for entry in story] == [2, 3, 1]


def test_two_centres_share_a_database_and_no_call(engine):
    keep(engine, BOB[0], centre="smg")
    keep(engine, replace(BOB[0], what="menu"), centre="sby")
    with reading(engine) as connection:
        assert calls.get(connection, "smg", "siaga-1.1").state == State.RINGING
        assert calls.get(connection, "sby", "siaga-1.1").state == State.MENU
        assert len(calls.since(connection, "smg", 0)) == 1
        assert len(calls.open_calls(connection, "sby")) == 1


def test_facts_that_could_not_have_happened_are_kept_and_counted(engine):
    keep(engine, after(0, "left"))
    with reading(engine) as connection:
        call = calls.get(connection, "smg", "siaga-1.1")
        assert (call.state, call.rang_at) == (State.NEW, EIGHT)
        assert len(calls.timeline_of(connection, "smg", "siaga-1.1")) == 1
