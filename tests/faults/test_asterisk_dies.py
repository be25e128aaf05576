"""Asterisk is killed in the middle of talks, and comes back by itself."""

import os
import signal
import time

import pytest
from breaking import Town, at_the_desks, caller, in_menu, reach

from call_router.call import Reason, Result
from centre.actors import HangUp, Press, Speak, Wait, WaitForHangup
from centre.trial import until

TALKED_S = 5.0  # MixMonitor writes the files in pieces of 2 s
LONG_TALK = (Speak(700.0, 60.0), WaitForHangup(60.0))
TALKS = (Wait(0.6), Press("0"), Speak(440.0, 60.0), HangUp())
TALKS_BRIEFLY = (Wait(0.6), Press("0"), Speak(440.0, 1.5), HangUp())


@pytest.fixture(scope="module")
def town():
    with Town(4) as centre:
        yield centre


def test_calls_after_it_reach_a_call_taker_and_the_lost_ones_are_told_as_lost(town, figure):
    with at_the_desks(town, LONG_TALK) as desk:
        alice, bambang = caller(town, TALKS, number=1), caller(town, TALKS, number=2)
        citra = caller(town, (Wait(60.0), HangUp()), number=3)
        with alice.start(), bambang.start():
            desk.wait_for("answered", 10.0, times=2)
            talking_since = time.monotonic()
            citras_phone = citra.start()
            until("citra is in the menu", lambda: in_menu(town, citra))
            until("they have talked", lambda: time.monotonic() - talking_since > TALKED_S)
            before = town.pid("asterisk")
            os.kill(before, signal.SIGKILL)
            killed = time.monotonic()
            until("Asterisk is back", lambda: town.pid("asterisk") != before)
            until("all seats are back", lambda: idle_seats(town) == 4, 20.0, 0.1)
            figure("Asterisk killed: death to every seat back in the queue", seconds(killed))
            dewi = reach(town, desk, TALKS_BRIEFLY, within_s=10.0, number=4)
            figure("Asterisk killed: death to the next caller's end", seconds(killed))
            citras_phone.stop()
        row = town.ended(dewi.call_id)
        figure("Asterisk killed: the next caller's ring to a call-taker", row.wait_s)
        assert row.ending.result is Result.ANSWERED

    lost = [town.recorded(person.call_id, 25.0) for person in (alice, bambang, citra)]
    figure("Asterisk killed: death to the lost calls' rows and recordings done", seconds(killed))
    assert [(row.ending.result, row.ending.reason) for row in lost] == [
        (Result.ANSWERED, Reason.ASTERISK_DIED),
        (Result.ANSWERED, Reason.ASTERISK_DIED),
        (Result.LOST, Reason.ASTERISK_DIED),
    ]
    for row in lost[:2]:
        files = row.recorded["files"]
        assert set(files) == {"mixed", "caller", "other"}, row.recorded
        assert all(file["seconds"] >= TALKED_S - 2.5 for file in files.values()), files
        assert any("repaired" in problem for problem in row.recorded["problems"])
        assert not files["mixed"]["silent"]
    town.one_row_each()


def idle_seats(town):
    """Seats that a waiting caller can reach now."""
    shown = town.asterisk("queue show 112").splitlines()
    return sum("PJSIP/" in line and "(Not in use)" in line for line in shown)


def seconds(since):
    return time.monotonic() - since
