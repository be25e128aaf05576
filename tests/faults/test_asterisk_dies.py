"""Asterisk is killed in the middle of talks, and comes back by itself."""

import os
import signal
import time

import pytest
from breaking import PRESSES_0, Town, caller, in_menu, phones, reach

from call_router.call import Reason, Result
from centre.actors import AnswerAfter, HangUp, Press, Speak, Wait, WaitForHangup
from centre.trial import until

TALKED_S = 5.0  # MixMonitor writes the files in pieces of 2 s
LONG_TALK = (Speak(700.0, 60.0), WaitForHangup(60.0))
TALKS = (Wait(0.6), Press("0"), Speak(440.0, 60.0), HangUp())


@pytest.fixture(scope="module")
def town():
    with Town(4) as centre:
        yield centre


def test_calls_after_it_reach_a_call_taker_and_the_lost_ones_are_told_as_lost(town, figure):
    with (
        phones(town, town.numbers[:2], LONG_TALK, AnswerAfter(0.2)) as long_talkers,
        phones(town, town.numbers[2:]) as others,
    ):
        until("all are in the queue", lambda: town.queue_members() == 4)
        alice, bambang = caller(town, TALKS, number=1), caller(town, TALKS, number=2)
        citra = caller(town, (Wait(60.0), HangUp()), number=3)
        with alice.start(), bambang.start(), citra.start():
            talking_since = the_longest_idle_answer(town, long_talkers, others)
            until("citra is in the menu", lambda: in_menu(town, citra))
            until("they have talked", lambda: time.monotonic() - talking_since > TALKED_S)
            before = town.pid("asterisk")
            os.kill(before, signal.SIGKILL)
            killed = time.monotonic()
            until("Asterisk is back", lambda: town.pid("asterisk") != before)
            until("all seats are back", lambda: town.queue_members() == 4, 20.0, 0.1)
            figure("Asterisk killed: death to every seat back in the queue", seconds(killed))
            dewi = reach(town, others, PRESSES_0, within_s=10.0, number=4)
            figure("Asterisk killed: death to the next caller's end", seconds(killed))
        assert town.ended(dewi.call_id).ending.result is Result.ANSWERED

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


def the_longest_idle_answer(town, long_talkers, others):
    """Two callers talk; whoever answered them. Returns since when (monotonic)."""

    def answered():
        return len(long_talkers.happened("answered")) + len(others.happened("answered")) >= 2

    until("two callers talk", answered)
    return time.monotonic()


def seconds(since):
    return time.monotonic() - since
