import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from call_router.seats import SeatEvent, SeatFact, SeatState, fold_seat
from db import seats
from db.store import atomic, reading

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


def after(minutes, what, seat="PJSIP/op1", **data):
    return SeatFact(seat, EIGHT + timedelta(minutes=minutes), what, data=data)


def keep(engine, *facts, centre="smg"):
    with atomic(engine) as connection:
        return seats.apply(connection, centre, facts)


def test_the_seats_now_and_how_that_came(engine):
    story = [after(0, "sign_in", call_taker="alice"), after(5, "pause", reason="salat")]
    keep(engine, *story, after(1, "sign_in", "PJSIP/op2", call_taker="budi"))
    with reading(engine) as connection:
        alice, budi = seats.current(connection, "smg")
        assert seats.get(connection, "smg", "PJSIP/op1") == alice
        assert seats.get(connection, "smg", "PJSIP/op9") is None
        assert seats.history_of(connection, "smg", "PJSIP/op1") == story
        assert [seq for seq, _ in seats.since(connection, "smg", 1)] == [2, 3]
    assert alice == fold_seat(story)
    assert (budi.state, budi.call_taker) == (SeatState.READY, "budi")


facts = st.builds(
    lambda minutes, what, seat, by: after(minutes, what, seat, call_taker=by, reason=by),
    st.integers(0, 5),
    st.sampled_from([*SeatEvent, "banana"]),
    st.sampled_from(["op1", "op2"]),
    st.sampled_from(["alice", "budi"]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(facts, min_size=1, max_size=10), st.data())
def test_any_facts_in_any_order_and_any_batches_give_the_rows_of_the_fold(engine, story, data):
    centre = uuid.uuid4().hex
    left = data.draw(st.permutations(story + story[:2]))
    while left:
        size = data.draw(st.integers(1, len(left)))
        keep(engine, *left[:size], centre=centre)
        left = left[size:]
    with reading(engine) as connection:
        for seat in seats.current(connection, centre):
            assert seat == fold_seat(fact for fact in story if fact.seat == seat.seat)
        assert len(seats.since(connection, centre, 0)) == len(story)
