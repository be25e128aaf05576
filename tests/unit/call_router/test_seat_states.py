from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_router.fact import NotAFact
from call_router.seats import (
    NO_ANSWER_REASON,
    SEAT_TRANSITIONS,
    IllegalSeatEvent,
    Seat,
    SeatEvent,
    SeatFact,
    SeatState,
    fold_seat,
)

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


def after(minutes, what, **data):
    return SeatFact("PJSIP/op1", EIGHT + timedelta(minutes=minutes), what, data=data)


@pytest.mark.parametrize("state", SeatState)
@pytest.mark.parametrize("event", SeatEvent)
def test_an_event_moves_the_seat_as_the_table_says_or_changes_nothing(state, event):
    before = Seat("PJSIP/op1", state=state, call_taker="alice")
    if (state, event) in SEAT_TRANSITIONS:
        assert before.after(after(1, event)).state == SEAT_TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalSeatEvent):
            before.after(after(1, event))
    assert before == Seat("PJSIP/op1", state=state, call_taker="alice")


def test_alice_signs_in_pauses_for_a_prayer_and_is_ready_again():
    story = [after(0, "sign_in", call_taker="alice")]
    assert fold_seat(story) == Seat("PJSIP/op1", SeatState.READY, "alice", "", EIGHT)
    story.append(after(5, "pause", reason="salat", code="21"))
    paused = fold_seat(story)
    assert (paused.state, paused.reason) == (SeatState.PAUSED, "salat")
    assert paused.since == EIGHT + timedelta(minutes=5)
    story.append(after(15, "ready"))
    ready = fold_seat(story)
    assert (ready.state, ready.call_taker, ready.reason) == (SeatState.READY, "alice", "")


def test_a_phone_that_is_not_answered_is_paused_and_says_so():
    seat = fold_seat([after(0, "sign_in", call_taker="alice"), after(1, "no_answer")])
    assert (seat.state, seat.reason) == (SeatState.PAUSED, NO_ANSWER_REASON)


def test_the_reason_that_alice_chose_outlives_the_phones_silence():
    seat = fold_seat(
        [
            after(0, "sign_in", call_taker="alice"),
            after(1, "pause", reason="salat"),
            after(2, "no_answer"),
        ]
    )
    assert (seat.reason, seat.since) == ("salat", EIGHT + timedelta(minutes=1))


def test_budi_takes_over_the_phone_that_alice_left_signed_in():
    seat = fold_seat(
        [after(0, "sign_in", call_taker="alice"), after(9, "sign_in", call_taker="budi")]
    )
    assert (seat.call_taker, seat.since) == ("budi", EIGHT + timedelta(minutes=9))


def test_who_signs_out_leaves_no_name_behind():
    seat = fold_seat([after(0, "sign_in", call_taker="alice"), after(1, "sign_out")])
    assert (seat.state, seat.call_taker) == (SeatState.SIGNED_OUT, "")


def test_another_seats_fact_is_illegal():
    with pytest.raises(IllegalSeatEvent, match="told to"):
        Seat("PJSIP/op2").after(after(0, "sign_in"))


def test_a_word_that_is_no_event_is_illegal():
    with pytest.raises(IllegalSeatEvent):
        Seat("PJSIP/op1").after(after(0, "banana"))


def test_no_facts_are_no_seat():
    with pytest.raises(NotAFact):
        fold_seat([])


seat_facts = st.builds(
    lambda minutes, what, by, nth: SeatFact(
        "op1", EIGHT + timedelta(minutes=minutes), what, "", {"call_taker": by}, str(nth)
    ),
    st.integers(0, 4),
    st.sampled_from([*SeatEvent, "banana"]),
    st.sampled_from(["alice", "budi"]),
    st.integers(0, 10**6),
)


@given(st.lists(seat_facts, min_size=1, unique_by=lambda fact: fact.fact_id), st.data())
def test_any_order_and_any_repetition_tell_the_same_seat(story, data):
    twice = data.draw(st.permutations(story + story))
    assert fold_seat(twice) == fold_seat(story)
    assert [SeatFact.from_json(fact.to_json()) for fact in story] == story
