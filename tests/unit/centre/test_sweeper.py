"""What a crash left open is closed, and nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest

from call_router.call import Fact, Reason, Result, fold
from centre.keeping.sweeper import PATIENCE, Sweeper

NOON = datetime(2026, 8, 7, 5, 0, tzinfo=UTC)


def rang(number=1, *whats):
    name = f"siaga-1.{number}"
    facts = [Fact(name, NOON, "ring")]
    facts += [Fact(name, NOON + timedelta(seconds=n), what) for n, what in enumerate(whats, 1)]
    return facts


def swept(sweeper, calls, channels=(), began=NOON - timedelta(hours=1)):
    return sweeper.round(calls, set(channels), began)


def test_a_call_that_has_a_channel_is_never_touched():
    sweeper, call = Sweeper(), fold(rang())
    for _ in range(10):
        assert swept(sweeper, [call], [call.call_id]) == []


def test_a_call_without_a_channel_is_closed_after_its_last_line_had_time_to_come():
    sweeper, call = Sweeper(), fold(rang())
    for _ in range(PATIENCE - 1):
        assert swept(sweeper, [call]) == []
    (fact,) = swept(sweeper, [call])
    assert fold([*rang(), fact]).ending.reason is Reason.END_NOT_TOLD


def test_a_channel_that_is_seen_again_resets_the_patience():
    sweeper, call = Sweeper(), fold(rang())
    for _ in range(5):
        assert swept(sweeper, [call]) == []
        assert swept(sweeper, [call], [call.call_id]) == []


@pytest.mark.parametrize(
    ("whats", "result"), [((), Result.LOST), (("queued", "answered"), Result.ANSWERED)]
)
def test_a_call_older_than_this_asterisk_died_with_the_last_one(whats, result):
    sweeper, facts = Sweeper(), rang(1, *whats)
    began = NOON + timedelta(minutes=1)
    swept(sweeper, [fold(facts)], began=began)
    (fact,) = swept(sweeper, [fold(facts)], began=began)
    ending = fold([*facts, fact]).ending
    assert (ending.result, ending.reason) == (result, Reason.ASTERISK_DIED)


def test_an_unknown_start_of_asterisk_accuses_nobody():
    sweeper, call = Sweeper(), fold(rang())
    swept(sweeper, [call], began=None)
    (fact,) = swept(sweeper, [call], began=None)
    assert fact.data["lost"] == "end_not_told"


def test_a_call_swept_by_two_keepers_has_one_ending():
    one, other, call = Sweeper(), Sweeper(), fold(rang())
    for sweeper in (one, other):
        swept(sweeper, [call])
    (first,), (second,) = swept(one, [call]), swept(other, [call])
    assert fold([*rang(), first, second]).ending == fold([*rang(), first]).ending


def test_asterisks_own_account_outweighs_the_sweepers():
    sweeper, facts = Sweeper(), rang(1, "queued")
    swept(sweeper, [fold(facts)])
    (fact,) = swept(sweeper, [fold(facts)])
    own = Fact(
        "siaga-1.1",
        NOON + timedelta(seconds=9),
        "ended",
        data={"source": "caller", "where": "queue"},
    )
    ending = fold([*facts, fact, own]).ending
    assert ending.reason is Reason.CALLER_HUNG_UP_IN_QUEUE
