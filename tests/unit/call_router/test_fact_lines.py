from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_router.fact import MOST_DEEP, Fact, NotAFact, flag, number, text
from call_router.seats import SeatFact

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)

anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.text(st.characters(codec=None)),
        st.binary(),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(st.dictionaries(st.text(), anything), st.text(st.characters(codec=None)))
def test_whatever_a_caller_sends_becomes_a_fact_that_every_database_takes(data, why):
    fact = Fact("siaga-1.1", EIGHT, "ring", why, data)
    line = fact.to_json()
    assert line.isascii()
    assert "\\u0000" not in line
    assert Fact.from_json(line) == fact
    fact.why.encode()


@given(st.one_of(st.text(), st.binary()))
def test_any_other_line_is_refused_as_no_fact(line):
    for kind in (Fact, SeatFact):
        with pytest.raises(NotAFact):
            kind.from_json(line)


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        '{"call_id":1,"at":"2026-08-07T01:00:00+00:00","what":"x","why":"","data":{},"fact_id":"1"}',
        '{"call_id":"a","at":"2026-08-07T01:00:00","what":"x","why":"","data":{},"fact_id":"1"}',
        '{"call_id":"a","at":"yesterday","what":"x","why":"","data":{},"fact_id":"1"}',
        '{"call_id":"a","at":"2026-08-07T01:00:00+00:00","what":"x","why":"","data":4,"fact_id":"1"}',
        "[" * 100_000,
    ],
)
def test_a_broken_line_is_refused(line):
    with pytest.raises(NotAFact):
        Fact.from_json(line)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(NotAFact, match="zone"):
        Fact("a", EIGHT.replace(tzinfo=None), "ring")


@pytest.mark.parametrize("call_id", ["", "\x00", "a" * 129])
def test_a_call_needs_an_id_that_can_be_indexed(call_id):
    with pytest.raises(NotAFact, match="call_id"):
        Fact(call_id, EIGHT, "ring")


def test_times_are_kept_in_utc():
    wib = timezone(timedelta(hours=7))
    assert Fact("a", datetime(2026, 8, 7, 8, 0, tzinfo=wib), "ring").at == EIGHT
    assert Fact("a", datetime(2026, 8, 7, 8, 0, tzinfo=wib), "ring").at.tzinfo is UTC


def test_the_journals_words_read_as_numbers_and_yes():
    data = {"cause": "16", "big": "9" * 12, "no": "x", "yes": "TRUE", "nan": float("nan")}
    assert number(data, "cause") == 16
    assert [number(data, key) for key in ("big", "no", "missing", "nan")] == [None] * 4
    assert flag(data, "yes")
    assert not flag(data, "no")
    assert text({"a": None, "b": [1], "c": "x" * 500}, "c") == "x" * 200
    assert text({"a": None}, "a") == text({"b": [1]}, "b") == ""


def test_deep_data_is_cut_and_not_followed_for_ever():
    deep: list = []
    for _ in range(50):
        deep = [deep]
    kept = Fact("a", EIGHT, "ring", data={"deep": deep}).to_json()
    assert kept.count("[") == MOST_DEEP
