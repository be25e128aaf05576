"""kill -9 of any of our processes at random moments under 5 calls/s for two minutes."""

import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from breaking import Up, caller, phones, workers

from call_router.call import Result
from centre.actors import Crowd, HangUp, Press, Speak, Wait, WaitForHangup
from centre.trial import NotInTimeError, until

SEED = 112
STORM_S = 120
CALLS_A_SECOND = 5
SEATS = 30
STAYS_S = 30.0
VICTIMS = (
    "conversations",
    "a worker",
    "conversations-standby",
    "the stand-by's worker",
    "keeper",
    "supervisor",
)
PRESSES_0 = (Wait(1.0), Press("0"), WaitForHangup(STAYS_S))
TALKS_A_SECOND = (Speak(700.0, 1.0), HangUp())


def test_600_people_reach_a_call_taker_though_everything_of_ours_is_killed_again_and_again(figure):
    with Up(SEATS) as town, ExitStack() as desks:
        groups = [town.numbers[n::3] for n in range(3)]
        with ThreadPoolExecutor(3) as registering:
            list(
                registering.map(
                    lambda group: desks.enter_context(phones(town, group, TALKS_A_SECOND)), groups
                )
            )
        until("30 call-takers are in the queue", lambda: town.queue_members() == SEATS)
        one = caller(town, PRESSES_0)
        crowd = Crowd(one, STORM_S * CALLS_A_SECOND, CALLS_A_SECOND)
        with crowd.start() as ringing:
            began = time.monotonic()
            kills = storm(town, ringing, random.Random(SEED))
            figure("the storm lasted", time.monotonic() - began)
            told = ringing.figures()
        with suppress(NotInTimeError):  # what has not ended is named below
            until("all have ended", lambda: all(row.ending for row in town.calls()), 30.0, 0.5)
        rows = town.one_row_each()

    for victim, times in sorted(kills.items()):
        figure(f"kill -9 of {victim}, times", times)
    rang = {f"{n}-{one.call_id}" for n in range(1, crowd.count + 1)}
    assert told.placed == crowd.count
    assert {row.sip_call_id for row in rows} == rang
    assert len(rows) == crowd.count
    assert set(kills) == set(VICTIMS)

    # Nobody hung up early, so everybody must have talked with a call-taker.
    assert Counter(row.ending.result for row in rows) == {Result.ANSWERED: crowd.count}
    assert (told.successful, told.failed) == (crowd.count, 0)
    waits = sorted(row.wait_s for row in rows)
    figure("seconds to a call-taker in the storm, median", waits[len(waits) // 2])
    figure("seconds to a call-taker in the storm, longest of 600", waits[-1])
    figure("callers in the storm who took the fall-back", sum(1 for r in rows if r.fallback_why))
    assert waits[-1] < 15.0


def storm(town, ringing, chance):
    """Kill one of ours every few seconds until the crowd has gone home."""
    kills = Counter()
    stop_at = time.monotonic() + STORM_S
    while ringing.alive:
        pause_s = chance.uniform(0.5, 4.0)
        with suppress(Exception):  # the crowd is not home yet
            ringing.wait_for("exit", pause_s)
        if time.monotonic() < stop_at:
            victim = chance.choice(VICTIMS)
            kills[victim] += kill(town, victim, chance)
    return kills


def kill(town, victim, chance):
    if victim == "supervisor":
        town.kill_supervisor()
        town.up()
        return 1
    master = town.pid("conversations-standby" if "stand-by" in victim else "conversations")
    try:
        match victim:
            case "a worker" | "the stand-by's worker":
                pid = chance.choice(workers(master))
            case _:
                pid = town.pid(victim)
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError, IndexError):
        return 0  # it is dead already and not yet back
    return 1
