from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from call_router.call import NotAFact, Result, State, fold
from call_router.desk import Desk, Ring
from call_router.policy import FAILED, Asked, CentreState, load_rules

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)
BOB_RINGS = Ring("siaga-1.1", "112", trunk="telkom", dialled="112", num="081234567890")


class Memory:
    """Books in memory; they remember the order in which things were made durable."""

    def __init__(self):
        self.facts = []

    def record(self, *facts):
        self.facts += facts

    tell = record


@pytest.fixture
def books():
    return Memory()


@pytest.fixture
def clock():
    times = (EIGHT + timedelta(seconds=second) for second in range(1000))
    return lambda: next(times)


@pytest.fixture
def desk(books, clock):
    return Desk(books, load_rules(), clock, lambda: CentreState(idle=1, staffed=1, waiting=0))


def test_bob_is_in_the_books_before_he_hears_a_word(desk, books):
    call = desk.receive(BOB_RINGS)
    assert [fact.what for fact in books.facts] == ["ring"]
    assert call == fold(books.facts)
    assert (call.state, call.rang_at, call.flow) == (State.RINGING, EIGHT, "112")
    assert call.caller.key == "+6281234567890"


def test_the_menu_begins_in_the_same_breath(desk, books):
    call = desk.receive(BOB_RINGS, "id")
    assert [fact.what for fact in books.facts] == ["ring", "menu"]
    assert (call.state, call.menu_at) == (State.MENU, EIGHT)


def test_everything_the_dialplan_knew_is_in_the_ring(desk, books):
    desk.receive(replace(BOB_RINGS, name="Bob", pres="0", pai="x", from_user="y", recording="r"))
    assert books.facts[0].data == {
        "flow": "112",
        "trunk": "telkom",
        "dialled": "112",
        "num": "081234567890",
        "name": "Bob",
        "pres": "0",
        "from_user": "y",
        "pai": "x",
        "sip_call_id": "",
        "recording": "r",
    }


def test_a_hand_over_is_durable_with_its_reason_when_it_returns(desk, books):
    call = desk.receive(BOB_RINGS)
    decision = desk.decide(call, Asked("key", "0"))
    desk.hand_over(call, decision, "queue,s,1")
    told = books.facts[-1]
    assert (told.what, told.why) == ("hand_over", decision.why)
    assert told.data == {
        "lane": "pressed",
        "priority": 10,
        "rule": "pressed",
        "route": "queue,s,1",
        "why_en": decision.why_en,
    }
    row = fold(books.facts)
    assert (row.state, row.lane, row.rule, row.why) == (
        *(State.WAITING, "pressed", "pressed"),
        decision.why,
    )


def test_deciding_alone_writes_nothing(desk, books):
    call = desk.receive(BOB_RINGS)
    desk.decide(call, Asked("silence"))
    assert len(books.facts) == 1


def test_notes_are_kept_as_told(desk, books):
    desk.receive(BOB_RINGS)
    desk.note("siaga-1.1", "menu", language="id")
    desk.note("siaga-1.1", "key", "pressed while it spoke", key="0", prompt="welcome", after_ms=9)
    call = fold(books.facts)
    assert (call.state, call.first_key) == (State.MENU, "0")
    assert books.facts[-1].why == "pressed while it spoke"


def test_a_flow_that_hangs_up_names_the_ending(desk, books):
    call = desk.receive(BOB_RINGS)
    desk.end(call.call_id, "test-done")
    ended = replace(books.facts[-1], what="ended", data={"source": "asterisk"}, fact_id="e")
    assert fold([*books.facts, ended]).ending.result == Result.FLOW_ENDED


def test_rules_that_fail_open_the_gate(books, clock):
    broken = replace(load_rules(), lanes={})
    desk = Desk(books, broken, clock, CentreState)
    call = desk.receive(BOB_RINGS)
    assert desk.decide(call, Asked("key", "0")) == FAILED
    assert FAILED.lane == "open"


def test_a_centre_that_cannot_be_asked_is_unknown_and_the_caller_goes_on(books, clock):
    def unreachable():
        raise OSError("no seats table")

    desk = Desk(books, load_rules(), clock, unreachable)
    call = desk.receive(BOB_RINGS)
    assert desk.decide(call, Asked("key", "0")).lane == "pressed"


def test_a_call_without_an_id_is_a_fault_of_the_program(desk):
    with pytest.raises(NotAFact):
        desk.receive(replace(BOB_RINGS, call_id=""))
