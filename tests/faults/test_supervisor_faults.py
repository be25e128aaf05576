"""`siaga up` killed, started again, stopped: calls go on, and nothing is left running."""

import signal
import subprocess
import sys
import time

import pytest
from breaking import HOUSE, Up, caller, phones, reach

from call_router.call import Reason, Result
from centre.actors import HangUp, Press, Speak, Wait
from centre.trial import until

CALL_TAKER_TALKS_S = 300.0
TALKS_S = 200.0


@pytest.fixture(scope="module")
def town():
    with Up(2) as centre:
        yield centre


@pytest.fixture(scope="module")
def desk(town):
    plan = (Speak(700.0, CALL_TAKER_TALKS_S), HangUp())
    with phones(town, town.numbers, plan) as line:
        until("all are in the queue", lambda: town.queue_members() == 2)
        yield line


def talks(seconds):
    return (Wait(0.6), Press("0"), Speak(440.0, seconds), HangUp())


def test_alice_talks_on_though_the_supervisor_is_killed_and_another_adopts_asterisk(
    town, desk, figure
):
    alice = caller(town, talks(TALKS_S), number=1)
    with alice.start() as ringing:
        desk.wait_for("answered", 10.0)
        before = {name: town.pid(name) for name in town.programs}
        town.kill_supervisor()
        killed = time.monotonic()
        assert town.running().keys() == set(town.programs)
        town.up()
        town.until_ready()
        stood_s = time.monotonic() - killed
        figure("supervisor killed: death to another one ready", stood_s)
        after = {name: town.pid(name) for name in town.programs}
        assert "2 active channels" in town.asterisk("core show channels")  # they still talk
        town.asterisk("channel request hangup all")
        assert ringing.wait_ended(15.0) == 0
    assert after.pop("asterisk") == before.pop("asterisk")
    assert not set(after.values()) & set(before.values())
    assert {name: pids[0] for name, pids in town.running().items()} == after | {
        "asterisk": town.pid("asterisk")
    }
    row = town.ended(alice.call_id)
    assert (row.ending.result, row.ending.reason) == (Result.ANSWERED, Reason.ASTERISK_HUNG_UP)
    assert row.talk_s > stood_s

    bambang = reach(town, desk, talks(1.0), within_s=10.0, number=2)
    assert town.ended(bambang.call_id).lane == "pressed"


def test_a_second_up_is_refused_in_words_and_does_no_harm(town):
    before = town.running()
    second = subprocess.run(
        [sys.executable, "-m", "centre", "up", "--settings", str(town.settings_file)],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert "run by another program already" in second.stderr
    assert town.running() == before


def test_citra_talks_to_the_end_though_the_centre_is_told_to_stop(town, desk, figure):
    before = len(desk.happened("answered"))
    citra = caller(town, talks(6.0), number=3)
    with citra.start() as ringing:
        desk.wait_for("answered", 10.0, times=before + 1)
        town.supervisor.send_signal(signal.SIGTERM)
        told = time.monotonic()
        assert ringing.wait_ended(15.0) == 0
    assert town.supervisor.wait(40) == 0
    figure("told to stop in a talk of 6 s: until nothing runs", time.monotonic() - told)
    assert town.running() == {}
    # The keeper kept the books to the end: nobody has to start the centre to see how it ended.
    row = town.call(citra.call_id)
    assert (row.ending.result, row.ending.reason) == (Result.ANSWERED, Reason.CALLER_HUNG_UP)
    town.one_row_each()


def test_ctrl_c_ends_it_cleanly_and_leaves_nothing_running(town, figure):
    town.up()
    town.until_ready()
    dewi = caller(town, (Wait(1.0), HangUp()), number=4)
    with dewi.start() as ringing:
        assert ringing.wait_ended(10.0) == 0
    told = time.monotonic()
    town.supervisor.send_signal(signal.SIGINT)
    assert town.supervisor.wait(60) == 0
    figure("Ctrl-C: until nothing runs", time.monotonic() - told)
    assert town.running() == {}
    assert "Traceback" not in town.words.read_text()
    assert "stopped" in town.words.read_text()
