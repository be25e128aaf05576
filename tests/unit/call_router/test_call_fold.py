from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from call_router.call import Event, Fact, State, fold
from call_router.ending import Ending

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["16", "44", "0", "caller", "call_taker", "network", "asterisk", "swept"]),
    st.sampled_from(["menu", "queue", "talk", "outside", "TRUE", "+6281234567890"]),
)
keys = st.sampled_from(
    [
        *("flow", "trunk", "dialled", "num", "name", "pres", "pai", "key", "lane", "priority"),
        *("rule", "why", "by", "phone", "via", "cause", "source", "where", "abandoned"),
        *("named_ending", "lost", "recording", "sip_call_id"),
    ]
)
whats = st.sampled_from([*Event, "key", "silence", "hang_up", "recorded", "ring_all", "banana"])
facts = st.builds(
    lambda ms, what, why, data, nth: Fact(
        "siaga-1.1", EIGHT + timedelta(milliseconds=ms), what, why, data, f"fact-{nth}"
    ),
    st.integers(0, 6),
    whats,
    st.text(max_size=5),
    st.dictionaries(keys, values, max_size=5),
    st.integers(0, 10**6),
)
stories = st.lists(facts, min_size=1, max_size=12, unique_by=lambda fact: fact.fact_id)


@given(stories, st.data())
def test_any_order_and_any_repetition_tell_the_same_call(story, data):
    told = fold(story)
    shuffled = data.draw(st.permutations(story + data.draw(st.lists(st.sampled_from(story)))))
    again = fold(shuffled)
    assert again == told
    assert again.illegal == told.illegal


@given(stories)
def test_every_ended_call_has_exactly_one_ending_and_no_other_has_one(story):
    call = fold(story)
    assert (call.state == State.ENDED) == isinstance(call.ending, Ending)
    assert (call.ended_at is None) == (call.ending is None)
    if call.ending:
        assert call.ending.result
        assert call.ending.reason


@given(stories)
def test_a_call_with_an_account_of_its_end_is_ended(story):
    real = [f for f in story if f.what == "ended" and f.data.get("source") != "swept"]
    if real:
        assert fold(story).state == State.ENDED


@given(stories)
def test_lengths_are_never_negative_and_the_ring_is_the_earliest_fact(story):
    call = fold(story)
    assert call.talk_s >= 0
    assert call.wait_s is None or call.wait_s >= 0
    assert call.rang_at == min(fact.at for fact in story)


@given(stories)
def test_facts_survive_the_spool(story):
    for fact in story:
        line = fact.to_json()
        assert "\n" not in line
        assert Fact.from_json(line) == fact
