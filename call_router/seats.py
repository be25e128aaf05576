"""A seat: a call-taker's phone, and whether calls may ring it; its states stand in one table."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from call_router.fact import JSON, NotAFact, checked, from_line, text, to_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

NO_ANSWER_REASON = "tidak menjawab"  # shown on the wallboard, and said to the call-taker


class SeatEvent(StrEnum):
    """What can happen to a seat."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    PAUSE = "pause"
    READY = "ready"
    NO_ANSWER = "no_answer"


class SeatState(StrEnum):
    """Whether calls ring the phone."""

    SIGNED_OUT = "signed_out"
    READY = "ready"
    PAUSED = "paused"


class IllegalSeatEvent(Exception):  # noqa: N818 - reads as the sentence it is
    """The event cannot happen to a seat in this state; nothing was changed."""


# Signing in and out is legal from anywhere: the newest person at the phone is right. So the
# facts since the last of the two tell the whole state (db/seats.py relies on it).
SEAT_TRANSITIONS: Mapping[tuple[SeatState, SeatEvent], SeatState] = {
    (SeatState.SIGNED_OUT, SeatEvent.SIGN_IN): SeatState.READY,
    (SeatState.READY, SeatEvent.SIGN_IN): SeatState.READY,
    (SeatState.PAUSED, SeatEvent.SIGN_IN): SeatState.READY,
    (SeatState.SIGNED_OUT, SeatEvent.SIGN_OUT): SeatState.SIGNED_OUT,
    (SeatState.READY, SeatEvent.SIGN_OUT): SeatState.SIGNED_OUT,
    (SeatState.PAUSED, SeatEvent.SIGN_OUT): SeatState.SIGNED_OUT,
    (SeatState.READY, SeatEvent.PAUSE): SeatState.PAUSED,
    (SeatState.PAUSED, SeatEvent.PAUSE): SeatState.PAUSED,
    (SeatState.READY, SeatEvent.READY): SeatState.READY,
    (SeatState.PAUSED, SeatEvent.READY): SeatState.READY,
    (SeatState.READY, SeatEvent.NO_ANSWER): SeatState.PAUSED,
    (SeatState.PAUSED, SeatEvent.NO_ANSWER): SeatState.PAUSED,
}

ABSOLUTE = (SeatEvent.SIGN_IN, SeatEvent.SIGN_OUT)


@dataclass(frozen=True, slots=True)
class SeatFact:
    """One thing that happened to a seat; see Fact. `seat` is the endpoint of the phone.

    The keys of `data`: sign_in{call_taker}, pause{reason, code}. Raises NotAFact as Fact does.
    """

    seat: str
    at: datetime
    what: str
    why: str = ""
    data: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    fact_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for name, value in checked("seat", self).items():
            object.__setattr__(self, name, value)

    @classmethod
    def new(cls, seat: str, at: datetime, what: str, why: str = "", **data: JSON) -> Self:
        """Return a fact with an id of its own."""
        return cls(seat, at, what, why, data)

    def to_json(self) -> str:
        """Return the fact as one line of ASCII without a line end."""
        return to_line("seat", self)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Return the fact of a line written by `to_json`. Raises NotAFact for any other."""
        return cls(**from_line("seat", line))


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat now. `since` is when it came into this state; `reason` says why it is paused."""

    seat: str
    state: SeatState = SeatState.SIGNED_OUT
    call_taker: str = ""
    reason: str = ""
    since: datetime | None = None

    def after(self, fact: SeatFact) -> Seat:
        """Return the seat once `fact` has happened.

        Raises IllegalSeatEvent, and changes nothing, when the event cannot happen in this
        state, is no SeatEvent, or belongs to another seat.
        """
        try:
            event = SeatEvent(fact.what)
            state = SEAT_TRANSITIONS[self.state, event]
        except (ValueError, KeyError):
            raise IllegalSeatEvent(f"{fact.what} cannot happen while {self.state}") from None
        if fact.seat != self.seat:
            raise IllegalSeatEvent(f"a fact of seat {fact.seat} was told to {self.seat}")
        call_taker = self.call_taker
        if event in ABSOLUTE:
            call_taker = text(fact.data, "call_taker") if event is SeatEvent.SIGN_IN else ""
        reason = self._reason(event, fact)
        same = (state, call_taker, reason) == (self.state, self.call_taker, self.reason)
        since = self.since if same and event not in ABSOLUTE else fact.at
        return replace(self, state=state, call_taker=call_taker, reason=reason, since=since)

    def _reason(self, event: SeatEvent, fact: SeatFact) -> str:
        if event is SeatEvent.PAUSE:
            return text(fact.data, "reason") or fact.why
        if event is SeatEvent.NO_ANSWER:
            # A pause that the call-taker chose says more than the phone's silence.
            return self.reason if self.state is SeatState.PAUSED else NO_ANSWER_REASON
        return ""


def seat_order(fact: SeatFact) -> tuple[datetime, str]:
    """Return what facts of a seat are sorted by: time, id."""
    return fact.at, fact.fact_id


def fold_seat(facts: Iterable[SeatFact]) -> Seat:
    """Return the seat that `facts` tell, whatever their order and however often repeated.

    Facts that cannot have happened are skipped. Raises NotAFact when there are none, or facts
    of several seats.
    """
    known = {fact.fact_id: fact for fact in facts}
    seats = {fact.seat for fact in known.values()}
    if len(seats) != 1:
        raise NotAFact(f"facts of {len(seats)} seats cannot be folded into one")
    seat = Seat(seats.pop())
    for fact in sorted(known.values(), key=seat_order):
        try:
            seat = seat.after(fact)
        except IllegalSeatEvent:
            continue  # told too late or twice; the history keeps it, the state is right
    return seat
