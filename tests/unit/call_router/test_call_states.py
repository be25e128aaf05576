from datetime import UTC, datetime, timedelta

import pytest

from call_router.call import (
    TRANSITIONS,
    Call,
    Event,
    Fact,
    IllegalEvent,
    NotAFact,
    Reason,
    Result,
    State,
    fold,
)
from call_router.numbers import E164, Withheld

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


def after(seconds, what, why="", **data):
    return Fact("siaga-1.1", EIGHT + timedelta(seconds=seconds), what, why, data)


def in_state(state):
    return Call("siaga-1.1", state=state, rang_at=EIGHT)


ALL = [(state, event) for state in State for event in Event]


@pytest.mark.parametrize(("state", "event"), ALL)
def test_an_event_moves_the_call_as_the_table_says_or_changes_nothing(state, event):
    before = in_state(state)
    fact = after(9, event)
    if (state, event) in TRANSITIONS:
        assert before.after(fact).state == TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalEvent, match=str(state)):
            before.after(fact)
    assert before == in_state(state)


@pytest.mark.parametrize("event", [event for event in Event if event is not Event.RING])
def test_nothing_but_a_late_account_of_its_ring_happens_to_an_ended_call(event):
    with pytest.raises(IllegalEvent):
        in_state(State.ENDED).after(after(9, event))


@pytest.mark.parametrize("state", [state for state in State if state is not State.ENDED])
def test_a_call_can_end_from_wherever_it_stands(state):
    ended = in_state(state).after(after(9, "ended"))
    assert ended.state == State.ENDED
    assert ended.ending is not None


def test_a_fact_of_another_call_is_illegal():
    with pytest.raises(IllegalEvent, match="told to"):
        in_state(State.RINGING).after(Fact("siaga-1.2", EIGHT, "menu"))


def test_bob_presses_zero_and_talks_to_alice():
    call = fold(
        [
            after(0, "ring", flow="112", trunk="telkom", dialled="112", num="081234567890"),
            after(0.1, "menu", language="id"),
            after(3, "key", key="0", after_ms=2900),
            after(3.1, "hand_over", "Menekan tombol", lane="pressed", priority=10, rule="pressed"),
            after(3.2, "queued", lane="pressed", priority="10", queue="112"),
            after(7, "answered", by="alice", phone="PJSIP/op1", via="queue"),
            after(67, "ended", cause="16", source="caller", where="talk"),
        ]
    )
    assert call.state == State.ENDED
    assert (call.flow, call.trunk, call.dialled) == ("112", "telkom", "112")
    assert call.caller == E164("+6281234567890", "Indonesia", "Telkomsel", "mobile")
    assert (call.rang_at, call.menu_at) == (EIGHT, EIGHT + timedelta(seconds=0.1))
    assert (call.first_key, call.key_at) == ("0", EIGHT + timedelta(seconds=3))
    assert (call.lane, call.priority, call.rule, call.why) == (
        *("pressed", 10, "pressed"),
        "Menekan tombol",
    )
    assert call.queued_at == EIGHT + timedelta(seconds=3.2)
    assert (call.answered_by, call.phone, call.via) == ("alice", "PJSIP/op1", "queue")
    assert (call.wait_s, call.talk_s) == (7.0, 60.0)
    assert call.talking_since is None
    assert call.ended_at == EIGHT + timedelta(seconds=67)
    assert call.ending.result == Result.ANSWERED
    assert call.illegal == ()


def test_the_second_account_of_a_ring_fills_gaps_and_the_earliest_time_counts():
    journal = after(0, "ring", trunk="telkom", dialled="112", num="", pres="32", recording="r")
    worker = after(0.02, "ring", flow="112", trunk="other", num="081234567890", sip_call_id="x@y")
    for told in ([journal, worker], [worker, journal]):
        call = fold(told)
        assert call.state == State.RINGING
        assert call.rang_at == EIGHT
        assert (call.flow, call.trunk, call.recording) == ("112", "telkom", "r")
        assert call.sip_call_id == "x@y"
        assert call.caller.key == "+6281234567890"
        assert call.illegal == ()


def test_a_known_number_is_not_forgotten_by_an_account_without_one():
    call = fold([after(0, "ring", num="081234567890"), after(1, "ring", num="", pres="67")])
    assert call.caller.key == "+6281234567890"


def test_a_ring_told_after_the_end_still_fills_the_row():
    call = fold(
        [after(0, "menu"), after(1, "ended", source="caller"), after(2, "ring", num="anonymous")]
    )
    assert call.state == State.ENDED
    assert call.caller == Withheld("anonymous")
    assert call.rang_at == EIGHT


def test_a_call_whose_ring_was_lost_still_has_a_row():
    call = fold([after(5, "queued", lane="open"), after(9, "ended", cause="16", source="caller")])
    assert (call.flow, call.trunk, call.caller) == ("", "", None)
    assert call.rang_at == EIGHT + timedelta(seconds=5)
    assert call.lane == "open"
    assert call.ending.reason == Reason.CALLER_HUNG_UP_IN_QUEUE


def test_talk_is_summed_over_two_call_takers_and_the_wait_counts_to_the_first():
    call = fold(
        [
            after(0, "ring"),
            after(10, "answered", by="alice", phone="op1", via="queue"),
            after(40, "left", phone="op1", cause="44", source="network"),
            after(40, "queued", lane="pressed"),
            after(50, "answered", by="budi", phone="op2", via="queue"),
            after(70, "ended", cause="16", source="call_taker"),
        ]
    )
    assert (call.wait_s, call.talk_s, call.left_count) == (10.0, 50.0, 1)
    assert call.answered_at == EIGHT + timedelta(seconds=10)
    assert (call.answered_by, call.phone) == ("budi", "op2")
    assert call.ending.reason == Reason.CALL_TAKER_HUNG_UP


def test_an_answer_told_twice_is_one_answer():
    call = fold(
        [
            after(0, "ring"),
            after(10, "answered", phone="op1"),
            after(10.5, "answered", by="alice"),
            after(20, "ended", source="caller"),
        ]
    )
    assert (call.talk_s, call.answered_by, call.phone) == (10.0, "alice", "op1")
    assert call.illegal == ()


def test_an_answer_told_twice_by_name_first_and_by_phone_later_keeps_the_name():
    call = fold(
        [after(0, "ring"), after(9, "answered", by="alice"), after(9, "answered", phone="a")]
    )
    assert (call.answered_by, call.phone) == ("alice", "a")


def test_alice_sends_bob_on_to_a_phone_whose_name_nobody_told():
    call = fold(
        [
            after(0, "ring"),
            after(10, "answered", by="alice", phone="op1", via="queue"),
            after(20, "transfer", to="op2"),
            after(22, "answered", phone="op2", via="transfer"),
            after(30, "ended", cause="16", source="caller", where="talk"),
        ]
    )
    assert (call.answered_by, call.phone, call.via) == ("", "op2", "transfer")
    assert (call.wait_s, call.talk_s) == (10.0, 20.0)
    assert call.ending.result == Result.ANSWERED


def test_while_they_talk_the_row_says_since_when():
    call = fold([after(0, "ring"), after(10, "answered", by="alice")])
    assert call.talking_since == EIGHT + timedelta(seconds=10)
    assert call.talk_s == 0


def test_a_standby_server_starts_the_menu_over():
    call = fold(
        [
            after(0, "ring"),
            after(0.1, "menu"),
            after(2, "hand_over", "first", lane="pressed"),
            after(2.1, "ring"),
            after(2.2, "menu"),
            after(5, "hand_over", "second", lane="silence"),
        ]
    )
    assert (call.state, call.lane, call.why) == (State.WAITING, "silence", "second")
    assert call.handed_over_at == EIGHT + timedelta(seconds=2)
    assert call.illegal == ()


@pytest.mark.parametrize("why", ["agi_refused", "agi_failed", "agi_too_slow"])
def test_the_fallback_keeps_its_reason_in_the_data_or_in_words(why):
    in_data = Fact("siaga-1.1", EIGHT, "fallback", data={"why": why})
    in_words = Fact("siaga-1.1", EIGHT, "fallback", why)
    assert fold([in_data]).fallback_why == fold([in_words]).fallback_why == why


def test_facts_of_the_same_microsecond_are_taken_in_the_order_they_must_have_happened():
    together = ["ended", "left", "answered", "queued", "fallback", "hand_over", "menu", "ring"]
    call = fold([after(0, what) for what in together])
    assert call.state == State.ENDED
    assert call.illegal == ()
    assert call.left_count == 1


def test_facts_told_late_but_from_before_the_end_count():
    early = [after(0, "ring"), after(9, "ended", cause="16", source="caller", where="talk")]
    late = [after(3, "queued", lane="open"), after(5, "answered", by="alice")]
    call = fold(early + late)
    assert (call.wait_s, call.talk_s, call.answered_by) == (5.0, 4.0, "alice")


def test_a_fact_after_the_end_is_listed_and_changes_nothing():
    story = [after(0, "ring"), after(1, "ended", source="caller")]
    late = after(2, "hand_over", lane="pressed")
    assert fold([*story, late]) == fold(story)
    assert fold([*story, late]).illegal == (late,)


@pytest.mark.parametrize("swept_at", [5, 60])
def test_the_journals_end_outweighs_a_sweepers_whichever_was_told_first(swept_at):
    real = after(30, "ended", cause="16", source="caller", where="talk")
    swept = after(swept_at, "ended", source="swept", lost="asterisk_died")
    story = [after(0, "ring"), after(10, "answered", by="alice")]
    for ends in ([real, swept], [swept, real]):
        call = fold(story + ends)
        assert call.ended_at == EIGHT + timedelta(seconds=30)
        assert call.ending.reason == Reason.CALLER_HUNG_UP
        assert (call.talk_s, call.illegal) == (20.0, ())


def test_a_sweepers_end_is_disproved_by_what_happened_later():
    swept = after(5, "ended", source="swept")
    call = fold([after(0, "ring"), swept, after(6, "answered", by="alice")])
    assert (call.state, call.ending) == (State.TALKING, None)
    again = after(60, "ended", source="swept")
    call = fold([after(0, "ring"), swept, after(6, "answered", by="alice"), again])
    assert call.ended_at == EIGHT + timedelta(seconds=60)
    assert call.ending.result == Result.ANSWERED


def test_a_note_after_the_sweep_does_not_bring_the_call_back():
    call = fold([after(0, "ring"), after(5, "ended", source="swept"), after(8, "recorded", s=3)])
    assert call.state == State.ENDED
    assert call.recorded == {"s": 3}


def test_two_accounts_of_the_end_leave_the_first():
    call = fold(
        [
            after(0, "ring"),
            after(5, "ended", cause="16", source="caller", where="queue"),
            after(6, "ended", cause="16", source="asterisk", where="queue"),
        ]
    )
    assert call.ending.result == Result.ABANDONED
    assert len(call.illegal) == 1


def test_no_facts_are_no_call():
    with pytest.raises(NotAFact):
        fold([])


def test_facts_of_two_calls_are_not_one_call():
    with pytest.raises(NotAFact):
        fold([Fact("a", EIGHT, "ring"), Fact("b", EIGHT, "ring")])
