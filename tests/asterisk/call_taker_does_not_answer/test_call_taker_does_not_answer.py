import pytest
from stage import (
    CALL_TAKER_HZ,
    CALLER_HZ,
    SECOND_HZ,
    ending,
    heard,
    member,
    pressing,
    ringing,
    seat_history,
    seat_row,
    seated,
    story,
    told,
    whole,
)

from call_router.seats import SeatState
from centre.actors import AnswerAfter, Ear, HangUp, NeverAnswer, RejectWith, Speak, WaitForHangup
from centre.trial import PHONE_IP, until
from recordings import wave_file


@pytest.mark.unsteady
def test_the_next_call_taker_gets_the_caller_and_the_deaf_phone_is_paused_and_told(centre):
    deaf = centre.phone("101", (WaitForHangup(),), answer=NeverAnswer())
    with deaf.start() as alice:
        centre.sign_in(deaf)
        plan = pressing("0", Speak(CALLER_HZ, 60.0), HangUp())
        with ringing(centre, plan) as (call, sip_call_id):
            alice.wait_for("rung", 15.0)
            with (
                # From now on Alice is back at her desk and picks up what rings.
                seated(centre, "102", (Speak(SECOND_HZ, 2.0), HangUp())) as bambang,
            ):
                alice.wait_for("cancelled", 15.0)
                back = centre.phone(
                    "101", (WaitForHangup(),), answer=AnswerAfter(0.2), sip_port=alice.sip_port
                )
                alice.stop()
                with back.start(register=False) as desk, Ear(PHONE_IP, desk.media_port) as ear:
                    bambang.wait_for("hung_up", 20.0)
                    call.wait_for("other_hung_up", 10.0)
                    row = centre.recorded(sip_call_id)

                    assert ending(row) == ("answered", "call_taker_hung_up")
                    assert (row.answered_by, row.phone) == ("102", "102")
                    assert row.wait_s > 5  # Alice's phone rang for 5 s first
                    assert story(centre, row).count("answered") == 1
                    whole(row)
                    assert heard(centre, row, "", CALLER_HZ, SECOND_HZ, CALL_TAKER_HZ) == {
                        CALLER_HZ,
                        SECOND_HZ,
                    }

                    desk.wait_for("answered", 20.0)  # the centre's own call to her
                    desk.wait_for("other_hung_up", 20.0)
                    said = len(ear.samples()) / wave_file.RATE_HZ

        sound = centre.settings.folder("sounds") / "id" / "anda-dijeda.wav"
        assert abs(said - wave_file.look(sound).seconds) < 0.5
        assert len(desk.happened("rung")) == 1
        seat = seat_row(centre, "101")
        assert (seat.state, seat.reason) == (SeatState.PAUSED, "tidak menjawab")
        assert "paused" in member(centre, "101")

        with back.dial("*30", wait_s=15.0) as ready:
            ready.wait_ended(20.0)
        until("she is ready in the queue", lambda: "paused" not in member(centre, "101"))
        seat = seat_row(centre, "101")
        assert (seat.state, seat.call_taker, seat.reason) == (SeatState.READY, "101", "")
        with back.dial("*10", wait_s=15.0) as leaving:
            leaving.wait_ended(20.0)
        history = [fact.what for fact in seat_history(centre, "101")]
        assert history[-4:] == ["sign_in", "no_answer", "ready", "sign_out"]


def test_a_phone_that_refuses_is_passed_over_at_once(centre):
    with (
        seated(centre, "102", answer=RejectWith(603)) as refusing,
        seated(centre, "104", (Speak(SECOND_HZ, 1.5), HangUp()), answer=AnswerAfter(0.5)),
        ringing(centre, pressing("0", Speak(CALLER_HZ, 60.0), HangUp())) as (_, sip_call_id),
    ):
        told(centre, sip_call_id, "answered")
        row = centre.ended(sip_call_id)
    assert (row.answered_by, row.ending.reason) == ("104", "call_taker_hung_up")
    assert refusing.happened("rejected")
    assert row.wait_s < 8
