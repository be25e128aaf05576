"""The keeper dies or freezes: callers notice nothing, and the books are complete afterwards."""

import os
import signal
import time

import pytest
from breaking import Town, at_the_desks, reach

from call_router.call import Reason, Result
from centre.trial import until

FROZEN_S = 20.0
TALKED = (Result.ANSWERED, Reason.CALL_TAKER_HUNG_UP)
STORY = ("menu", "key", "hand_over", "queued", "answered", "left", "ended", "recorded")


@pytest.fixture(scope="module")
def town():
    with Town(2) as centre:
        yield centre


@pytest.fixture(scope="module")
def desk(town):
    with at_the_desks(town) as line:
        yield line


def is_complete(town, person):
    row = town.recorded(person.call_id, 20.0)
    assert (row.ending.result, row.ending.reason, row.lane) == (*TALKED, "pressed")
    told = town.told(row)
    assert [told.count(what) for what in STORY] == [1] * len(STORY), told
    return row


def test_alices_call_and_row_are_whole_though_the_keeper_is_killed_in_her_talk(town, desk):
    def kill(_ringing, _person):
        before = town.pid("keeper")
        os.kill(before, signal.SIGKILL)
        until("another keeper runs", lambda: town.pid("keeper") != before)

    alice = reach(town, desk, within_s=10.0, during=kill)
    assert is_complete(town, alice).wait_s < 3.0
    town.one_row_each()


def test_nobody_notices_though_the_keeper_is_frozen_for_20_seconds(town, desk, figure):
    keeper = town.pid("keeper")
    os.kill(keeper, signal.SIGSTOP)
    try:
        thaws_at = time.monotonic() + FROZEN_S
        people = []
        while time.monotonic() < thaws_at:
            people.append(reach(town, desk, within_s=10.0, number=len(people) + 2))
    finally:
        os.kill(keeper, signal.SIGCONT)
    thawed = time.monotonic()
    rows = [is_complete(town, person) for person in people]
    figure("keeper frozen for 20 s: thaw to complete books", time.monotonic() - thawed)
    figure("keeper frozen for 20 s: longest ring to a call-taker", max(r.wait_s for r in rows))
    assert max(row.wait_s for row in rows) < 3.0
    assert town.pid("keeper") == keeper
    town.one_row_each()
