import os
import signal
from concurrent.futures import ThreadPoolExecutor

from stage import (
    CALL_TAKER_HZ,
    CALLER_HZ,
    ending,
    heard,
    member,
    pressing,
    ringing,
    seat_row,
    speaking,
    story,
    told,
    whole,
)

from call_router.seats import SeatState
from centre.actors import HangUp, Speak, WaitForHangup
from centre.trial import until


def test_asterisk_killed_in_mid_talk_comes_back_with_its_seats_and_its_books(centre):
    plan = (Speak(CALL_TAKER_HZ, 30.0), WaitForHangup())
    alice, bambang = centre.phone("101", plan), centre.phone("102", plan)
    with alice.start() as line, bambang.start():
        with ThreadPoolExecutor(2) as hands:
            list(hands.map(centre.sign_in, (alice, bambang)))
        with bambang.dial("*20", wait_s=15.0) as pausing:
            pausing.wait_ended(20.0)
        talk = pressing("0", Speak(CALLER_HZ, 60.0), HangUp())
        with ringing(centre, talk) as (_, lost_id):
            told(centre, lost_id, "answered")
            sound = centre.recording(centre.call(lost_id))
            until("some of the talk is on the disk", lambda: sound.stat().st_size > 60_000)
            died = centre.pid("asterisk")
            os.kill(died, signal.SIGKILL)
            until("another Asterisk runs", lambda: centre.pid("asterisk") != died)
            lost = centre.ended(lost_id, 60.0)
        line.vanish()
        assert ending(lost) == ("answered", "asterisk_died")
        assert story(centre, lost)[-1] in {"ended", "recorded"}

        until("both sit again", lambda: _members(centre) == {"101", "102"}, 30.0, 0.2)
        assert "paused" not in member(centre, "101")
        assert "paused" in member(centre, "102")
        assert seat_row(centre, "101").state is SeatState.READY
        assert (seat_row(centre, "102").state, seat_row(centre, "102").reason) == (
            SeatState.PAUSED,
            "istirahat",
        )

        with alice.start(), ringing(centre, speaking(3.0)) as (call, sip_call_id):
            call.wait_ended(30.0)
            row = centre.recorded(sip_call_id)
        assert ending(row) == ("answered", "caller_hung_up")
        assert row.answered_by == "101"
        whole(row)
        assert heard(centre, row, "", CALLER_HZ, CALL_TAKER_HZ) == {CALLER_HZ, CALL_TAKER_HZ}
        # What was said until the end is kept, though nobody closed the file.
        kept = centre.recorded(lost_id)
        assert kept.recorded["files"]["mixed"]["seconds"] > 1

        with alice.dial("*10") as leaving, bambang.dial("*10") as leaving_too:
            leaving.wait_ended(30.0)
            leaving_too.wait_ended(30.0)


def _members(centre):
    return {number for number in ("101", "102") if member(centre, number)}
