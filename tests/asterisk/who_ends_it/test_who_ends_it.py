import pytest
from stage import (
    CALL_TAKER_HZ,
    CALLER_HZ,
    SECOND_HZ,
    ending,
    hang_up,
    heard,
    pressing,
    ringing,
    seat,
    seated,
    story,
    told,
    unbroken,
    unseat,
    waiting,
    whole,
)

from centre.actors import Ear, HangUp, NeverAnswer, Speak, Vanish, WaitForHangup
from centre.trial import until
from centre.trial_settings import TRUNK_IP

TALK = ["ring", "menu", "key", "hand_over", "queued", "answered"]
BOTH = {CALLER_HZ, CALL_TAKER_HZ}


def test_the_caller_hangs_up(centre):
    plan = pressing("0", Speak(CALLER_HZ, 3.0), HangUp())
    with seated(centre, "101") as line, ringing(centre, plan) as (call, sip_call_id):
        call.wait_ended(30.0)
        line.wait_for("other_hung_up", 5.0)
        row = centre.recorded(sip_call_id)
    assert ending(row) == ("answered", "caller_hung_up")
    assert "Q.850 16" in row.ending.detail
    assert story(centre, row) == [*TALK, "ended", "recorded"]
    assert row.left_count == 0
    whole(row)
    assert heard(centre, row, "", *BOTH) == BOTH


def test_the_call_taker_hangs_up(centre):
    plan = pressing("0", Speak(CALLER_HZ, 60.0), HangUp())
    with (
        seated(centre, "101", (Speak(CALL_TAKER_HZ, 1.5), HangUp())),
        ringing(centre, plan) as (call, sip_call_id),
    ):
        call.wait_for("other_hung_up", 30.0)
        row = centre.recorded(sip_call_id)
    assert ending(row) == ("answered", "call_taker_hung_up")
    assert story(centre, row) == [*TALK, "left", "ended", "recorded"]
    assert 1.0 < row.talk_s < 4.0
    whole(row)
    assert heard(centre, row, "", *BOTH) == BOTH


def test_the_trunks_own_word_for_a_lost_caller_is_believed(centre):
    plan = pressing("0", Speak(CALLER_HZ, 2.5), HangUp("Q.850;cause=27"))
    with seated(centre, "101"), ringing(centre, plan) as (call, sip_call_id):
        call.wait_ended(30.0)
        row = centre.ended(sip_call_id)
    assert ending(row) == ("answered", "network_lost_caller")
    assert "Q.850 27: destination out of order" in row.ending.detail


def test_a_caller_whom_the_network_lost_is_let_go_after_the_silence_the_trunk_allows(centre):
    in_talk = pressing("0", Speak(CALLER_HZ, 2.5), Vanish())
    in_queue = pressing("0", Speak(CALLER_HZ, 1.0), Vanish())
    with seated(centre, "101") as line, ringing(centre, in_talk) as (call, talking_id):
        call.wait_for("vanish", 20.0)
        unseat(centre, "101")
        with (
            seated(centre, "102", answer=NeverAnswer()),
            ringing(centre, in_queue) as (_, wait_id),
        ):
            talked = centre.recorded(talking_id, 30.0)
            waited = centre.recorded(wait_id, 30.0)
        line.wait_for("other_hung_up", 5.0)
    assert ending(talked) == ("answered", "network_lost_caller")
    assert "Q.850 44" in talked.ending.detail
    assert ending(waited) == ("lost", "network_lost_caller"), waited
    assert story(centre, waited) == [*TALK[:-1], "ended", "recorded"]
    assert story(centre, talked)[:6] == TALK
    whole(talked)
    assert heard(centre, talked, "", *BOTH) == BOTH
    silence_s = (talked.ended_at - talked.answered_at).total_seconds()
    assert 5.5 < silence_s < 15


@pytest.mark.unsteady
def test_a_call_taker_whom_the_network_lost_leaves_the_caller_at_the_head_of_the_line(centre):
    # Bambang talks to somebody while Alice's phone dies; two callers then wait for him.
    longer = pressing("0", WaitForHangup(60.0))
    talks = pressing("0", Speak(CALLER_HZ, 90.0), HangUp())
    bambang = seated(centre, "102", (Speak(SECOND_HZ, 60.0), HangUp()), sequence=1000)
    alice = centre.phone("101", (Speak(CALL_TAKER_HZ, 1.5), Vanish()), sequence=50_000)
    with bambang as second_desk, ringing(centre, longer, "081234560003") as (zero, _):
        second_desk.wait_for("answered", 20.0)
        with alice.start() as gone, ringing(centre, talks) as (first, first_id):
            seat(centre, "101")
            with Ear(TRUNK_IP, first.media_port) as ear:
                told(centre, first_id, "answered")
                with ringing(centre, longer, "081234560002") as (_, second_id):
                    gone.wait_for("vanish", 20.0)
                    unseat(centre, "101")
                    told(centre, first_id, "queued", times=2)
                    until("both wait", lambda: waiting(centre) == 2)
                    hang_up(centre, zero)
                    second_desk.wait_for("answered", 20.0, times=2)
                    told(centre, first_id, "answered", times=2)
                    sound = centre.recording(centre.call(first_id))
                    began = sound.stat().st_size
                    until("some talk", lambda: sound.stat().st_size > began + 40_000)
                    hang_up(centre, first)
                    first_row = centre.recorded(first_id)
                    other = told(centre, second_id, "answered")
    second_row = centre.call(second_id)
    assert ending(first_row) == ("answered", "caller_hung_up")
    assert (first_row.answered_by, first_row.left_count) == ("102", 1)
    assert story(centre, first_row) == [
        *(*TALK, "left", "queued", "answered", "ended", "recorded")
    ]
    entries = [entry.fact for entry in centre.timeline(first_row)]
    lost = next(fact for fact in entries if fact.what == "left")
    assert lost.data["source"] == "network"
    again = [fact for fact in entries if fact.what == "answered"][-1]
    assert again.at < other[0].at  # he was lost by us: he goes before those who came meanwhile
    assert second_row.answered_by == "102"

    whole(first_row)
    assert heard(centre, first_row, "-caller", CALLER_HZ, CALL_TAKER_HZ, SECOND_HZ) == {CALLER_HZ}
    first_spoke = unbroken(centre, first_row, "-other", CALL_TAKER_HZ, 500)
    then_spoke = unbroken(centre, first_row, "-other", SECOND_HZ, 500)
    assert first_spoke[1] - first_spoke[0] > 1.2
    between_s = then_spoke[0] - first_spoke[1]
    assert len(ear.samples()) / 8000 > between_s > 2  # the silence of the loss and the words
