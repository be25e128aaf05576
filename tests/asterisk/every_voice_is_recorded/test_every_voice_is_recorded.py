from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from secrets import randbits

import pytest
from stage import (
    CALLER_HZ,
    caller,
    heard,
    member,
    pressing,
    ringing,
    seat,
    seated,
    story,
    told,
    unbroken,
    unseat,
    whole,
)

from centre.actors import AnswerAfter, HangUp, Hold, RejectWith, Speak, Transfer, Vanish
from centre.trial import until

ALICE_HZ, UNHELD_HZ, BAMBANG_HZ, CITRA_HZ = 700.0, 900.0, 1150.0, 1400.0
OTHERS = (ALICE_HZ, UNHELD_HZ, BAMBANG_HZ, CITRA_HZ)
AT_ONCE, WAVES = 10, 3  # 30 runs
FIRST = [str(number) for number in range(113, 113 + AT_ONCE)]
SECOND = [str(number) for number in range(123, 123 + AT_ONCE)]
THIRD = ["101", "102", *(str(number) for number in range(104, 112))]
SPOKE_S = 1.2
CUT_MS = 400
"""The 40 ms of the re-arming, and what a busy machine keeps SIPp from sending in time."""


def _first(centre, number, target):
    """Alice: talks, holds, talks again in a new stream, and sends the caller on."""
    plan = (
        Speak(ALICE_HZ, SPOKE_S),
        Hold(1.2),
        Speak(UNHELD_HZ, SPOKE_S, sequence=randbits(16)),
        Transfer(target),
    )
    return centre.phone(number, plan, answer=AnswerAfter(0.2))


def _second(centre, number, *, dies):
    """Bambang: talks, and then his phone dies, or he sends the caller back to the line."""
    plan = (Speak(BAMBANG_HZ, 2 * SPOKE_S), Vanish() if dies else Transfer("112"))
    return centre.phone(number, plan, answer=AnswerAfter(0.2))


@pytest.mark.unsteady
@pytest.mark.parametrize("wave", range(WAVES))
def test_no_voice_is_lost_by_hold_transfer_and_a_lost_phone(centre, wave):
    with ExitStack() as city, ThreadPoolExecutor(AT_ONCE) as hands:
        phones = [_first(centre, *pair) for pair in zip(FIRST, SECOND, strict=True)]
        phones += [_second(centre, n, dies=bool(int(n) % 2)) for n in SECOND]
        citra = (Speak(CITRA_HZ, SPOKE_S), HangUp())
        phones += [centre.phone(n, citra, answer=AnswerAfter(0.2)) for n in THIRD]
        for line in hands.map(lambda phone: phone.start(), phones):
            city.enter_context(line)
        seat(centre, *FIRST)
        talk = pressing("0", Speak(CALLER_HZ, 90.0), HangUp())
        people = [caller(centre, talk, f"0812345602{n:02d}") for n in range(AT_ONCE)]
        rung = list(hands.map(lambda person: person.start(), people))
        for call in rung:
            city.enter_context(call)
            call.wait_for("answered", 20.0)
        for person in people:
            told(centre, person.call_id, "answered")
        # Whoever comes back to the line is to meet Citra and her colleagues.
        unseat(centre, *FIRST)
        seat(centre, *THIRD)
        for call in rung:
            call.wait_for("other_hung_up", 60.0)
        calls = [centre.recorded(person.call_id, 40.0) for person in people]

    for call in calls:
        _is_complete(centre, call)


def _is_complete(centre, call):
    assert (call.ending.result, call.ending.reason) == ("answered", "call_taker_hung_up")
    assert story(centre, call)[4:] == [
        *("queued", "answered", "left", "transfer", "answered", "left", "queued"),
        *("answered", "left", "ended", "recorded"),
    ]
    assert call.phone in THIRD
    whole(call)
    began = []
    for hz in OTHERS:
        for leg in ("", "-other"):
            begins, ends = unbroken(centre, call, leg, hz, CUT_MS)
            assert ends - begins > SPOKE_S - 0.3, (hz, leg, begins, ends)
        began.append(begins)
    assert began == sorted(began)
    for leg in ("", "-caller"):
        begins, ends = unbroken(centre, call, leg, CALLER_HZ, CUT_MS)
        assert begins < began[0] + 0.5
        assert ends > began[-1] + SPOKE_S - 0.3  # he speaks through all of it
    assert heard(centre, call, "-caller", CALLER_HZ, *OTHERS) == {CALLER_HZ}
    assert heard(centre, call, "-other", CALLER_HZ, *OTHERS) == set(OTHERS)


def test_a_colleague_who_does_not_take_the_transfer_sends_him_back_to_the_head_of_the_line(centre):
    talk = pressing("0", Speak(CALLER_HZ, 90.0), HangUp())
    alice = centre.phone("101", (Speak(ALICE_HZ, 1.0), Transfer("104")))
    with (
        alice.start() as line,
        centre.phone("104", (), answer=RejectWith(603)).start() as refusing,
        ringing(centre, talk) as (call, sip_call_id),
    ):
        seat(centre, "101")
        line.wait_for("answered", 20.0)
        with seated(centre, "102", (Speak(CITRA_HZ, 1.2), HangUp())):
            unseat(centre, "101")
            until("Alice is out", lambda: not member(centre, "101"))
            refusing.wait_for("rejected", 20.0)
            call.wait_for("other_hung_up", 20.0)
        row = centre.recorded(sip_call_id)
    assert row.answered_by == "102"
    again = told(centre, sip_call_id, "queued", times=2)[1]
    assert again.data["priority"] == "100"
    assert story(centre, row)[4:] == [
        *("queued", "answered", "left", "transfer", "queued", "answered", "left"),
        *("ended", "recorded"),
    ]
    whole(row)
    assert heard(centre, row, "-other", ALICE_HZ, CITRA_HZ) == {ALICE_HZ, CITRA_HZ}
