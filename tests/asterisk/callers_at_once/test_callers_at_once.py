from contextlib import ExitStack

from stage import (
    CALL_TAKER_HZ,
    CALLER_HZ,
    SECOND_HZ,
    hang_up,
    heard,
    pressing,
    ringing,
    seated,
    told,
    waiting,
    whole,
)

from centre.actors import AnswerAfter, HangUp, Speak
from centre.trial import until

STAYS = pressing("0", Speak(CALLER_HZ, 90.0), HangUp())


def test_two_callers_are_answered_by_two_phones_at_the_same_time(centre):
    with (
        seated(centre, "101", (Speak(CALL_TAKER_HZ, 2.0), HangUp()), answer=AnswerAfter(1.0)),
        seated(centre, "102", (Speak(SECOND_HZ, 2.0), HangUp()), answer=AnswerAfter(1.0)),
        ringing(centre, STAYS, "081234560021") as (_, one),
        ringing(centre, STAYS, "081234560022") as (_, two),
    ):
        rows = [centre.recorded(one, 30.0), centre.recorded(two, 30.0)]
    assert {row.answered_by for row in rows} == {"101", "102"}
    # Autofill: the second did not wait for the first to be answered.
    apart_s = abs((rows[0].answered_at - rows[1].answered_at).total_seconds())
    rang_apart_s = abs((rows[0].queued_at - rows[1].queued_at).total_seconds())
    assert apart_s < rang_apart_s + 0.9
    for row in rows:
        tone = CALL_TAKER_HZ if row.answered_by == "101" else SECOND_HZ
        whole(row)
        assert heard(centre, row, "-other", CALL_TAKER_HZ, SECOND_HZ) == {tone}


def test_three_callers_for_one_phone_are_answered_in_the_order_in_which_they_came(centre):
    numbers = ("081234560023", "081234560024", "081234560025")
    with ExitStack() as city, seated(centre, "101", answer=AnswerAfter(0.2)):
        came = []
        for number in numbers:
            call, sip_call_id = city.enter_context(ringing(centre, STAYS, number))
            told(centre, sip_call_id, "queued")
            came.append((call, sip_call_id))
        until("two wait, one talks", lambda: waiting(centre) == 2)
        for n, (call, sip_call_id) in enumerate(came):
            told(centre, sip_call_id, "answered")
            assert waiting(centre) == 2 - n
            recording = centre.recording(centre.call(sip_call_id))
            began = recording.stat().st_size
            until("some talk", lambda at=recording, b=began: at.stat().st_size > b + 20_000)
            hang_up(centre, call)
        rows = [centre.recorded(sip_call_id, 40.0) for _, sip_call_id in came]
    answered = [row.answered_at for row in rows]
    assert answered == sorted(answered)
    assert [row.queued_at for row in rows] == sorted(row.queued_at for row in rows)
    for row in rows:
        assert row.ending.reason == "caller_hung_up"
        whole(row)
        assert heard(centre, row, "", CALLER_HZ, CALL_TAKER_HZ) == {CALLER_HZ, CALL_TAKER_HZ}


def test_the_phone_that_has_been_idle_longest_rings_first(centre):
    talks = (Speak(CALL_TAKER_HZ, 1.0), HangUp())
    with ExitStack() as city:
        for number in ("101", "102"):
            city.enter_context(seated(centre, number, talks, answer=AnswerAfter(0.1)))
        answered = []
        for n in range(4):
            with ringing(centre, STAYS, f"08123456003{n}") as (_, sip_call_id):
                answered.append(centre.ended(sip_call_id, 30.0).answered_by)
    assert sorted(answered[:2]) == ["101", "102"]
    assert answered[2:] == answered[:2]
