import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from stage import (
    CALL_TAKER_HZ,
    CALLER_HZ,
    POLICE_HZ,
    SPEAKS,
    conversations_are_back,
    ending,
    heard,
    pressing,
    ringing,
    seated,
    speaking,
    story,
    told,
    waiting,
    whole,
)

from centre.actors import (
    CallerId,
    HangUp,
    NeverAnswer,
    Press,
    Speak,
    Wait,
    WaitForHangup,
)
from centre.trial import until

STAYS = pressing("0", Speak(CALLER_HZ, 90.0), HangUp())
TELLS = (Speak(CALL_TAKER_HZ, 1.5), HangUp())
TALKS = (Speak(CALLER_HZ, 2.0), HangUp())
BY_QUEUE = ["ring", "menu", "key", "hand_over", "queued", "answered", "ended", "recorded"]


def _acted(centre, plan, number):
    with ringing(centre, plan, number) as (call, sip_call_id):
        call.wait_ended(60.0)
    return centre.recorded(sip_call_id, 30.0)


def _both_are_recorded(centre, call):
    whole(call)
    assert heard(centre, call, "", CALLER_HZ, CALL_TAKER_HZ) == {CALLER_HZ, CALL_TAKER_HZ}
    assert heard(centre, call, "-caller", CALLER_HZ, CALL_TAKER_HZ) == {CALLER_HZ}
    assert heard(centre, call, "-other", CALLER_HZ, CALL_TAKER_HZ) == {CALL_TAKER_HZ}


def test_each_caller_gets_what_his_kind_is_promised(centre):
    # The silent caller needs 17 s of greeting and patience; the others happen meanwhile.
    plans = {
        "pressed": (pressing("0", Wait(0.7), *TALKS), "081234560011"),
        "other": (pressing("5", Wait(0.7), *TALKS), "081234560012"),
        "silent": ((WaitForHangup(90.0),), "081234560013"),
        "withheld": (pressing("0", Wait(0.7), *TALKS), CallerId.anonymous()),
        "in_menu": ((Wait(1.0), HangUp()), "081234560014"),
    }
    with ExitStack() as city, ThreadPoolExecutor(len(plans)) as callers:
        for number in ("101", "102", "104"):
            city.enter_context(seated(centre, number, (Speak(CALL_TAKER_HZ, 4.0), HangUp())))
        acting = {kind: callers.submit(_acted, centre, *plan) for kind, plan in plans.items()}
        calls = {kind: call.result() for kind, call in acting.items()}

    pressed, other, withheld = calls["pressed"], calls["other"], calls["withheld"]
    for call in (pressed, other, withheld):
        assert call.ending.result == "answered"
        assert story(centre, call) == BY_QUEUE
        assert call.via == "queue"
        assert call.answered_by == call.phone
        assert 0 < call.wait_s < 20
        _both_are_recorded(centre, call)
    assert (pressed.first_key, pressed.lane, pressed.rule) == ("0", "pressed", "pressed")
    assert pressed.caller.number == "+6281234560011"
    assert (other.first_key, other.lane, other.rule) == ("5", "open", "other-key")
    assert withheld.caller.reason == "anonymous"
    assert withheld.caller.key is None

    silent = calls["silent"]
    assert ending(silent) == ("answered", "call_taker_hung_up")
    assert (silent.lane, silent.first_key) == ("silence", "")
    assert story(centre, silent).count("silence") == 2
    assert heard(centre, silent, "-other", CALL_TAKER_HZ) == {CALL_TAKER_HZ}
    assert any("caller's leg: sunyi / silent" in one for one in silent.recorded["problems"])

    in_menu = calls["in_menu"]
    assert ending(in_menu) == ("abandoned", "caller_hung_up_in_menu")
    assert story(centre, in_menu) == ["ring", "menu", "ended", "recorded"]
    assert in_menu.answered_at is None


def test_a_caller_who_hangs_up_in_the_queue_has_abandoned_it(centre):
    plan = pressing("0", Speak(CALLER_HZ, 2.5), HangUp())
    with seated(centre, "101", SPEAKS, answer=NeverAnswer()) as deaf:
        call = _acted(centre, plan, "081234560015")
        deaf.wait_for("cancelled", 10.0)
    assert ending(call) == ("abandoned", "caller_hung_up_in_queue")
    assert story(centre, call) == [
        *("ring", "menu", "key", "hand_over", "queued", "ended", "recorded")
    ]
    assert call.wait_s is None
    assert heard(centre, call, "-caller", CALLER_HZ) == {CALLER_HZ}


def test_with_nobody_signed_in_every_phone_of_the_list_rings(centre):
    with (
        centre.phone("103", TELLS).start() as listed,
        ringing(centre, STAYS) as (call, sip_call_id),
    ):
        listed.wait_for("hung_up", 20.0)
        call.wait_for("other_hung_up", 20.0)
        row = centre.recorded(sip_call_id)
    assert ending(row) == ("answered", "call_taker_hung_up")
    assert (row.via, row.phone) == ("ring_all", "103")
    assert story(centre, row) == [
        *("ring", "menu", "key", "hand_over", "queued", "ring_all", "answered"),
        *("left", "ended", "recorded"),
    ]
    _both_are_recorded(centre, row)


def test_with_nobody_of_ours_the_outside_number_answers(centre):
    with (
        centre.police((Speak(POLICE_HZ, 1.5), HangUp())) as police,
        ringing(centre, STAYS) as (call, sip_call_id),
    ):
        police.wait_for("hung_up", 20.0)
        call.wait_for("other_hung_up", 20.0)
        row = centre.recorded(sip_call_id)
    assert ending(row) == ("passed_on", "outside_number_answered")
    assert story(centre, row) == [
        *("ring", "menu", "key", "hand_over", "queued", "ring_all", "outside", "answered"),
        *("left", "ended", "recorded"),
    ]
    whole(row)
    assert heard(centre, row, "", CALLER_HZ, POLICE_HZ) == {CALLER_HZ, POLICE_HZ}
    assert heard(centre, row, "-caller", CALLER_HZ, POLICE_HZ) == {CALLER_HZ}


def test_when_nobody_anywhere_answers_he_goes_round_until_somebody_signs_in(centre):
    phone = centre.phone("102", TELLS)
    with ringing(centre, STAYS) as (call, sip_call_id), phone.start() as line:
        told(centre, sip_call_id, "outside", within_s=30.0)
        second = told(centre, sip_call_id, "queued", times=2, within_s=30.0)[1]
        until("he waits in the line", lambda: waiting(centre) == 1)
        centre.sign_in(phone)
        line.wait_for("answered", 20.0)
        call.wait_for("other_hung_up", 20.0)
        row = centre.recorded(sip_call_id)
        with phone.dial("*10", wait_s=15.0) as leaving:
            leaving.wait_ended(20.0)
    assert second.data["priority"] == "100"  # the head of the line
    assert ending(row) == ("answered", "call_taker_hung_up")
    assert (row.via, row.answered_by) == ("queue", "102")
    assert story(centre, row) == [
        *("ring", "menu", "key", "hand_over", "queued", "ring_all", "outside", "queued"),
        *("answered", "left", "ended", "recorded"),
    ]
    _both_are_recorded(centre, row)


def test_fastagi_killed_in_mid_prompt_sends_him_straight_to_a_call_taker(centre):
    plan = (Wait(0.5), Speak(CALLER_HZ, 40.0), HangUp())
    with (
        seated(centre, "101", TELLS),
        ringing(centre, plan) as (call, sip_call_id),
    ):
        told(centre, sip_call_id, "menu")
        before = centre.pid("conversations")
        os.killpg(before, signal.SIGKILL)
        call.wait_for("other_hung_up", 30.0)
        row = centre.recorded(sip_call_id)
    conversations_are_back(centre, before)
    assert ending(row) == ("answered", "call_taker_hung_up")
    assert (row.lane, row.fallback_why) == ("fallback", "agi_failed")
    assert story(centre, row) == [
        *("ring", "menu", "fallback", "queued", "answered", "left", "ended", "recorded")
    ]
    _both_are_recorded(centre, row)


def test_the_next_caller_after_the_kill_hears_the_menu_again(centre):
    with seated(centre, "101"), ringing(centre, speaking(3.0)) as (call, sip_call_id):
        call.wait_ended(30.0)
        row = centre.recorded(sip_call_id)
    assert (row.lane, row.fallback_why, row.first_key) == ("pressed", "", "0")
    assert Press("0").key == row.first_key
