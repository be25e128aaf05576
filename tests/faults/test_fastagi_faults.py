"""FastAGI not there, dead, frozen, slow, mad: the dialplan alone takes the caller to a person."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from breaking import (
    STAYS,
    ByHand,
    Fake,
    Town,
    at_the_desks,
    caller,
    in_menu,
    reach,
    read_header,
    seconds_to,
    until_closed,
    workers,
)

from call_router.call import Reason, Result
from centre.actors import Press, Wait, WaitForHangup
from centre.trial import until

FIRST_WORD_S = 5.0  # agi_first_word_s: the dead man's handle before the first word
MARGIN_S = 3.0  # agi.channel.MARGIN_S: after the length of a step
TALKED = (Result.ANSWERED, Reason.CALL_TAKER_HUNG_UP)
LAP_S = 1.0  # agi.server: a thread may stand at the door for 0.5 s more, and refuse
PRESSES_0_LATE = (Wait(4.0), Press("0"), WaitForHangup(30.0))
ON_LINE = {"conversations": 0, "conversations-standby": 1}


@pytest.fixture(scope="module")
def town():
    with Town(6, without=ON_LINE) as centre:
        yield centre


@pytest.fixture(scope="module")
def desk(town):
    with at_the_desks(town) as line:
        yield line


def ending_of(row):
    return row.ending.result, row.ending.reason


def test_alice_reaches_a_call_taker_though_no_fastagi_runs(town, desk, figure):
    alice = reach(town, desk, within_s=10.0)
    row = town.ended(alice.call_id)
    fallback_s = seconds_to(town, row, "fallback")
    figure("nothing runs: ring to fall-back", fallback_s)
    figure("nothing runs: ring to a call-taker", row.wait_s)
    assert fallback_s < 1.0
    assert row.wait_s < 8.0
    assert (row.lane, row.fallback_why, ending_of(row)) == ("fallback", "agi_refused", TALKED)


def test_bambang_hears_the_whole_menu_though_the_first_line_is_dead(town, desk, figure):
    with ByHand(town, "conversations-standby"):
        bambang = reach(town, desk, within_s=8.0)
    row = town.ended(bambang.call_id)
    figure("first line dead, stand-by answers: ring to a call-taker", row.wait_s)
    assert (row.lane, row.first_key, row.fallback_why) == ("pressed", "0", "")
    assert seconds_to(town, row, "menu") < 1.0
    assert ending_of(row) == TALKED


def test_citra_reaches_a_call_taker_though_fastagi_is_killed_in_the_prompt(town, desk, figure):
    killed_at = []
    with ByHand(town, "conversations") as fastagi:

        def kill(_ringing, person):
            until("the prompt plays", lambda: in_menu(town, person))
            fastagi.signal(signal.SIGKILL)
            killed_at.append(time.time())

        citra = reach(town, desk, STAYS, within_s=10.0, during=kill)
    row = town.ended(citra.call_id)
    fallback_s = (
        next(e.fact.at for e in town.timeline(row) if e.fact.what == "fallback").timestamp()
        - killed_at[0]
    )
    figure("killed -9 in the prompt: death to fall-back", fallback_s)
    assert fallback_s < 0.5
    assert (row.lane, row.fallback_why, ending_of(row)) == ("fallback", "agi_failed", TALKED)


def test_dewi_reaches_a_call_taker_though_fastagi_is_frozen_before_its_first_word(
    town, desk, figure
):
    with ByHand(town, "conversations") as fastagi:
        until("both workers are there", lambda: len(workers(fastagi.pid)) == 2)
        before = workers(fastagi.pid)
        fastagi.signal(signal.SIGSTOP)
        dewi = reach(town, desk, within_s=15.0)
        row = town.ended(dewi.call_id)
        fallback_s = seconds_to(town, row, "fallback")
        figure("frozen before its first word: ring to fall-back", fallback_s)
        figure("frozen before its first word: ring to a call-taker", row.wait_s)
        assert FIRST_WORD_S - 0.5 < fallback_s < FIRST_WORD_S + 0.5
        assert (row.fallback_why, ending_of(row)) == ("agi_too_slow", TALKED)

        row = town.recorded(dewi.call_id)
        told = town.told(row)
        fastagi.signal(signal.SIGCONT)
        # The next caller is served by the same threads, after what they had left undone.
        eko = reach(town, desk, within_s=8.0)
        assert town.ended(eko.call_id).lane == "pressed"
        assert town.told(row) == told
        assert town.call(dewi.call_id) == row
        assert workers(fastagi.pid) == before
    town.one_row_each()


def test_fitri_reaches_a_call_taker_though_fastagi_freezes_in_the_prompt(town, desk, figure):
    with ByHand(town, "conversations") as fastagi:
        frozen_at = []

        def freeze(_ringing, person):
            until("the prompt plays", lambda: in_menu(town, person))
            fastagi.signal(signal.SIGSTOP)
            frozen_at.append(time.time())

        # She presses 0 into the frozen prompt, and nobody hears it.
        fitri = reach(town, desk, PRESSES_0_LATE, within_s=20.0, during=freeze)
        row = town.ended(fitri.call_id)
        rescue = next(e.fact.at for e in town.timeline(row) if e.fact.what == "fallback")
        rescued_s = rescue.timestamp() - frozen_at[0]
        longest_s = town.house.sounds.length_of("siaga/salam-112") + MARGIN_S + 1.0
        figure("frozen in the prompt: freeze to fall-back", rescued_s)
        figure("frozen in the prompt: ring to a call-taker", row.wait_s)
        assert rescued_s < longest_s
        assert (row.lane, row.fallback_why, ending_of(row)) == ("fallback", "agi_too_slow", TALKED)

        row = town.recorded(fitri.call_id)
        told = town.told(row)
        fastagi.signal(signal.SIGCONT)
        gita = reach(town, desk, within_s=8.0)
        assert town.ended(gita.call_id).lane == "pressed"
        assert town.told(row) == told
        assert town.call(fitri.call_id) == row
    town.one_row_each()


def test_six_callers_do_not_stall_though_one_of_two_workers_is_stopped(town, desk, figure):
    with ByHand(town, "conversations") as fastagi:
        until("both workers are there", lambda: len(workers(fastagi.pid)) == 2)
        os.kill(workers(fastagi.pid)[0], signal.SIGSTOP)
        before = len(desk.happened("answered"))
        people = [caller(town, number=number) for number in range(10, 16)]
        with ThreadPoolExecutor(6) as ringing:
            calls = list(ringing.map(lambda person: person.start(), people))
        desk.wait_for("answered", 15.0, times=before + 6)
        for call in calls:
            call.wait_ended(10.0)
            call.stop()
    rows = [town.ended(person.call_id) for person in people]
    slowest_s = max(seconds_to(town, row, "menu") for row in rows)
    figure("one of two workers stopped: slowest of six rings to the menu", slowest_s)
    assert slowest_s < 1.0
    assert {(row.lane, row.fallback_why, ending_of(row)) for row in rows} == {
        ("pressed", "", TALKED)
    }


def test_the_first_caller_of_fresh_workers_is_in_the_database_before_the_first_word(
    town, desk, figure
):
    log = town.house.run / "conversations.log"
    said = log.stat().st_size if log.exists() else 0
    with ByHand(town, "conversations"):
        indah = reach(town, desk, within_s=8.0)
    row = town.ended(indah.call_id)
    figure("first caller of fresh workers: ring to the menu", seconds_to(town, row, "menu"))
    assert row.lane == "pressed"
    assert b"books.not_kept" not in log.read_bytes()[said:]


def test_joko_does_not_wait_though_fastagi_is_told_to_stop_while_karin_is_in_its_menu(
    town, desk, figure
):
    log = town.house.run / "conversations.log"
    with ByHand(town, "conversations") as fastagi:
        said = log.stat().st_size
        karin = caller(town, PRESSES_0_LATE, number=20)
        with karin.start() as ringing:
            until("the prompt plays", lambda: in_menu(town, karin))
            os.kill(fastagi.pid, signal.SIGTERM)
            until("it drains", lambda: b'"draining"' in log.read_bytes()[said:])
            drains = time.monotonic()
            until("the last wait at the door is over", lambda: time.monotonic() > drains + LAP_S)
            joko = reach(town, desk, within_s=8.0, number=21)
            ringing.wait_ended(30.0)
        assert fastagi.process.wait(10) == 0
    row = town.ended(joko.call_id)
    figure("told to stop with a caller in its menu: the next ring to a call-taker", row.wait_s)
    assert row.wait_s < 1.5
    # And Karin is heard to the end of her menu.
    assert town.ended(karin.call_id).lane == "pressed"


def two_seconds_a_command(call):
    read_header(call)
    for _ in range(20):
        time.sleep(2.0)
        call.sendall(b'SET VARIABLE SIAGA_SLOW "1"\n')
        call.recv(4096)


def garbage_then_silence(call):
    read_header(call)
    call.sendall(b"\x00\xff\xfe(\nHTTP/1.1 400 Bad Request\n\n\n" + b"EXEC\n" * 20)
    until_closed(call)


def a_flood_of_garbage(call):
    read_header(call)
    while True:
        call.sendall(b"what is this\n" * 10)
        call.recv(65_536)


def failure(call):
    read_header(call)
    call.sendall(b"failure\n")


def closes_at_once(call):
    read_header(call)


def never_speaks(call):
    until_closed(call)


NONSENSE = {
    failure: (1.0, "agi_refused"),
    closes_at_once: (1.0, "agi_refused"),
    two_seconds_a_command: (FIRST_WORD_S + 0.5, "agi_too_slow"),
    garbage_then_silence: (FIRST_WORD_S + 0.5, "agi_too_slow"),
    a_flood_of_garbage: (FIRST_WORD_S + 0.5, "agi_too_slow"),
    never_speaks: (FIRST_WORD_S + 0.5, "agi_too_slow"),
}


@pytest.mark.parametrize("behave", NONSENSE, ids=lambda behave: behave.__name__)
def test_hadi_reaches_a_call_taker_whatever_answers_on_fastagis_port(town, desk, figure, behave):
    fallback_within_s, why = NONSENSE[behave]
    with Fake(town.settings.agi_ports[0], behave) as fake:
        hadi = reach(town, desk, within_s=15.0)
        assert fake.served == 1
    row = town.ended(hadi.call_id)
    fallback_s = seconds_to(town, row, "fallback")
    figure(f"{behave.__name__.replace('_', ' ')}: ring to fall-back", fallback_s)
    figure(f"{behave.__name__.replace('_', ' ')}: ring to a call-taker", row.wait_s)
    assert fallback_s < fallback_within_s
    assert (row.lane, row.fallback_why, ending_of(row)) == ("fallback", why, TALKED)
