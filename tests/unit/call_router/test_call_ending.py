from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_router.call import Fact, fold
from call_router.ending import CAUSES, Before, Ending, Reason, Result, of

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)

RING = ("ring", {})
MENU = ("menu", {})
KEY = ("key", {"key": "0"})
PASSED = ("hand_over", {"lane": "pressed"})
QUEUED = ("queued", {"lane": "pressed"})
FALLBACK = ("fallback", {"why": "agi_refused"})
TALK = ("answered", {"by": "alice", "via": "queue"})
OUTSIDE = ("answered", {"via": "outside"})
NETWORK_TOOK_HER = ("left", {"phone": "op1", "cause": "44", "source": "network"})
SHE_HUNG_UP = ("left", {"phone": "op1", "cause": "16", "source": "call_taker"})


def end(**data):
    return ("ended", data)


STORIES = {
    "hangs up while it still rings": (
        [RING, end(cause="0", source="caller")],
        (Result.ABANDONED, Reason.CALLER_HUNG_UP_RINGING),
    ),
    "hangs up in the menu": (
        [RING, MENU, end(cause="16", source="caller", where="menu")],
        (Result.ABANDONED, Reason.CALLER_HUNG_UP_IN_MENU),
    ),
    "hangs up in the menu before its first word was noted": (
        [RING, end(cause="16", source="caller", where="menu")],
        (Result.ABANDONED, Reason.CALLER_HUNG_UP_IN_MENU),
    ),
    "hangs up in the queue": (
        [RING, MENU, PASSED, QUEUED, end(cause="0", source="caller", where="queue")],
        (Result.ABANDONED, Reason.CALLER_HUNG_UP_IN_QUEUE),
    ),
    "hangs up in the queue, told only as abandoned": (
        [RING, MENU, QUEUED, end(cause="0", source="", abandoned="TRUE", where="queue")],
        (Result.ABANDONED, Reason.CALLER_HUNG_UP_IN_QUEUE),
    ),
    "pressed the key and hung up before an answer": (
        [RING, MENU, KEY, PASSED, end(cause="16", source="caller")],
        (Result.ABANDONED, Reason.CALLER_HUNG_UP_IN_QUEUE),
    ),
    "hung up while every phone rang": (
        [RING, FALLBACK, QUEUED, end(cause="16", source="caller", where="ring_all")],
        (Result.ABANDONED, Reason.CALLER_HUNG_UP_IN_QUEUE),
    ),
    "was answered and hung up": (
        [RING, MENU, QUEUED, TALK, end(cause="16", source="caller", where="talk")],
        (Result.ANSWERED, Reason.CALLER_HUNG_UP),
    ),
    "was answered and the call-taker hung up": (
        [RING, MENU, QUEUED, TALK, end(cause="16", source="call_taker", where="talk")],
        (Result.ANSWERED, Reason.CALL_TAKER_HUNG_UP),
    ),
    "was answered and the call-taker's leg went first": (
        [RING, QUEUED, TALK, SHE_HUNG_UP, end(cause="16", source="asterisk", where="queue")],
        (Result.ANSWERED, Reason.CALL_TAKER_HUNG_UP),
    ),
    "was answered and the network lost the caller, no source named": (
        [RING, QUEUED, TALK, end(cause="44", source="", where="talk")],
        (Result.ANSWERED, Reason.NETWORK_LOST_CALLER),
    ),
    "was answered and the trunk's BYE speaks for the network": (
        [RING, QUEUED, TALK, end(cause="27", source="caller", where="talk")],
        (Result.ANSWERED, Reason.NETWORK_LOST_CALLER),
    ),
    "was lost by the network in the queue": (
        [RING, MENU, QUEUED, end(cause="44", source="", abandoned="TRUE", where="queue")],
        (Result.LOST, Reason.NETWORK_LOST_CALLER),
    ),
    "was lost by the network in the menu": (
        [RING, MENU, end(cause="44", source="network", where="menu")],
        (Result.LOST, Reason.NETWORK_LOST_CALLER),
    ),
    "lost the call-taker to the network and left while waiting again": (
        [RING, QUEUED, TALK, NETWORK_TOOK_HER, QUEUED, end(cause="16", source="caller")],
        (Result.ANSWERED, Reason.NETWORK_LOST_CALL_TAKER),
    ),
    "lost the call-taker, then the network took the caller too": (
        [RING, QUEUED, TALK, NETWORK_TOOK_HER, QUEUED, end(cause="44", source="")],
        (Result.ANSWERED, Reason.NETWORK_LOST_CALLER),
    ),
    "lost the call-taker, was answered by another, and hung up": (
        [RING, QUEUED, TALK, NETWORK_TOOK_HER, QUEUED, TALK, end(cause="16", source="caller")],
        (Result.ANSWERED, Reason.CALLER_HUNG_UP),
    ),
    "was answered outside": (
        [RING, FALLBACK, QUEUED, OUTSIDE, end(cause="16", source="caller", where="outside")],
        (Result.PASSED_ON, Reason.OUTSIDE_NUMBER_ANSWERED),
    ),
    "was answered by nobody": (
        [RING, MENU, PASSED, QUEUED, end(cause="16", source="asterisk", where="outside")],
        (Result.LOST, Reason.NOBODY_ANSWERED),
    ),
    "was cut by Asterisk in the menu": (
        [RING, MENU, end(cause="16", source="asterisk", where="menu")],
        (Result.LOST, Reason.ASTERISK_HUNG_UP),
    ),
    "was cut by an administrator in the talk": (
        [RING, QUEUED, TALK, end(cause="16", source="", where="talk")],
        (Result.ANSWERED, Reason.ASTERISK_HUNG_UP),
    ),
    "was in the queue when Asterisk died": (
        [RING, MENU, QUEUED, end(source="swept", lost="asterisk_died")],
        (Result.LOST, Reason.ASTERISK_DIED),
    ),
    "was talking when Asterisk died": (
        [RING, QUEUED, TALK, end(source="swept", lost="asterisk_died")],
        (Result.ANSWERED, Reason.ASTERISK_DIED),
    ),
    "is gone and nobody can tell why": (
        [RING, QUEUED, end(source="swept", lost="end_not_told")],
        (Result.LOST, Reason.END_NOT_TOLD),
    ),
    "was talking, though the answer itself was lost": (
        [RING, MENU, end(cause="16", source="caller", where="talk")],
        (Result.ANSWERED, Reason.CALLER_HUNG_UP),
    ),
    "was ended by the flow, as the journal tells": (
        [RING, MENU, end(cause="16", source="asterisk", where="menu", named_ending="test-done")],
        (Result.FLOW_ENDED, Reason.FLOW),
    ),
    "was ended by the flow, as the flow tells": (
        [RING, MENU, ("hang_up", {"name": "test-done"}), end(cause="16", source="asterisk")],
        (Result.FLOW_ENDED, Reason.FLOW),
    ),
    "was ended by the flow, and Asterisk died before it could tell": (
        [RING, MENU, ("hang_up", {"name": "test-done"}), end(source="swept")],
        (Result.FLOW_ENDED, Reason.FLOW),
    ),
    "told nothing about the end": ([RING, end()], (Result.LOST, Reason.ASTERISK_HUNG_UP)),
}


@pytest.mark.parametrize("tale", STORIES)
def test_a_caller(tale):
    story, (result, reason) = STORIES[tale]
    facts = [
        Fact("siaga-1.1", EIGHT + timedelta(seconds=second), what, data=data)
        for second, (what, data) in enumerate(story)
    ]
    ending = fold(facts).ending
    assert (ending.result, ending.reason) == (result, reason)


def test_the_detail_says_the_cause_in_words():
    told = of(Before("talk", answered=True), {"cause": "44", "source": "", "where": "talk"})
    assert told.detail == (
        "Q.850 44: requested circuit not available, ended by network, where talk"
    )


def test_a_cause_that_nobody_knows_is_said_so():
    told = of(Before("talk", answered=True), {"cause": 77, "source": "caller"})
    assert told.detail.startswith("Q.850 77: unknown cause")


def test_the_flows_own_name_is_the_detail():
    told = of(Before("menu", answered=False), {"named_ending": "test-done", "cause": "16"})
    assert told == Ending(Result.FLOW_ENDED, Reason.FLOW, "test-done")


def test_the_usual_causes_have_their_names():
    assert CAUSES[16] == "normal call clearing"
    assert CAUSES[17] == "user busy"
    assert CAUSES[19] == "no answer from user"


words = st.one_of(st.text(max_size=10), st.sampled_from(["caller", "network", "swept", "talk"]))


@given(
    st.builds(
        Before,
        place=st.sampled_from(["ringing", "menu", "queue", "talk"]),
        answered=st.booleans(),
        via=words,
        left_source=words,
        named_ending=words,
    ),
    st.dictionaries(
        st.sampled_from(["cause", "source", "where", "abandoned", "named_ending", "lost"]), words
    ),
)
def test_there_is_always_an_ending(before, data):
    ending = of(before, data)
    assert ending.result in Result
    assert ending.reason in Reason
