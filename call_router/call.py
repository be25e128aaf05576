"""A call: what is known of it, folded from its facts.

The facts that mean something, and the keys of their `data` (all optional; the journal tells
every value as text):

    ring       flow, trunk, dialled, num, name, pres, from_user, pai, sip_call_id, recording
    menu       language
    key        key, prompt, after_ms              (a note)
    silence    prompt                             (a note)
    hand_over  lane, priority, rule, route        `why` is the reason shown to people
    fallback   why: agi_refused | agi_failed | agi_too_slow
    queued     lane, priority, queue
    ring_all   status                             (a note)
    outside    number_name, status                (a note)
    transfer   to                                 (a note: sent on to this phone)
    answered   by, phone, via: queue | ring_all | outside | transfer
    left       phone, cause, source: call_taker | network | asterisk
    hang_up    name                               (a note: the flow ends the call, by this name)
    recorded   anything, kept whole               (a note: what became of the recording)
    ended      cause, source: caller | call_taker | asterisk | network | swept,
               where: menu | queue | talk | ring_all | outside | fallback,
               abandoned, named_ending, lost: asterisk_died | end_not_told

Any other `what` is a note that changes nothing here; the timeline keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from call_router.effects import EFFECTS
from call_router.ending import Ending, Reason, Result
from call_router.fact import JSON, Fact, NotAFact, text
from call_router.states import TRANSITIONS, Event, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from call_router.numbers import Caller

__all__ = [
    "JSON",
    "TRANSITIONS",
    "Call",
    "Ending",
    "Event",
    "Fact",
    "IllegalEvent",
    "NotAFact",
    "Reason",
    "Result",
    "State",
    "fold",
    "order",
]


class IllegalEvent(Exception):  # noqa: N818 - reads as the sentence it is
    """The event cannot happen to a call in this state; nothing was changed."""


_EVENTS = {event.value: event for event in Event}

# Two facts of the same microsecond are taken in this order; notes unknown here come last.
_ORDER = (
    *("ring", "menu", "key", "silence", "hand_over", "hang_up", "fallback", "queued"),
    *("ring_all", "outside", "answered", "left", "ended"),
)
_RANK = {what: rank for rank, what in enumerate(_ORDER)}


def order(fact: Fact) -> tuple[datetime, int, str]:
    """Return what facts of a call are sorted by: time, kind, id."""
    return fact.at, _RANK.get(fact.what, len(_ORDER)), fact.fact_id


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of one call. Times are aware UTC, lengths in seconds; "" and None: unknown.

    `rang_at` is the earliest fact. `answered_at` is the first answer (the clock of every
    figure); `answered_by`, `phone` and `via` name who answered last. `talk_s` sums all finished
    talk; `talking_since` is set while somebody talks. `illegal` lists the facts that `fold`
    could not use; it is not stored in the row.
    """

    call_id: str
    state: State = State.NEW
    flow: str = ""
    trunk: str = ""
    dialled: str = ""
    caller: Caller | None = None
    rang_at: datetime | None = None
    menu_at: datetime | None = None
    first_key: str = ""
    key_at: datetime | None = None
    handed_over_at: datetime | None = None
    lane: str = ""
    priority: int | None = None
    rule: str = ""
    why: str = ""
    fallback_why: str = ""
    queued_at: datetime | None = None
    answered_at: datetime | None = None
    answered_by: str = ""
    phone: str = ""
    via: str = ""
    talk_s: float = 0.0
    talking_since: datetime | None = None
    left_count: int = 0
    left_source: str = ""
    named_ending: str = ""
    ended_at: datetime | None = None
    ending: Ending | None = None
    sip_call_id: str = ""
    recording: str = ""
    recorded: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    illegal: tuple[Fact, ...] = field(default=(), compare=False)

    @property
    def wait_s(self) -> float | None:
        """Seconds from the first ring to the first answer; None while nobody answered."""
        if self.answered_at is None or self.rang_at is None:
            return None
        return (self.answered_at - self.rang_at).total_seconds()

    def after(self, fact: Fact) -> Call:
        """Return the call as it is once `fact` has happened.

        Raises IllegalEvent, and changes nothing, when the event cannot happen in this state or
        the fact belongs to another call. Notes are always legal.
        """
        if fact.call_id != self.call_id:
            raise IllegalEvent(f"a fact of call {fact.call_id} was told to {self.call_id}")
        changes: dict[str, Any] = {}
        event = _EVENTS.get(fact.what)
        if event is not None:
            state = TRANSITIONS.get((self.state, event))
            if state is None:
                raise IllegalEvent(f"{event} cannot happen to a call that is {self.state}")
            changes["state"] = state
        if self.rang_at is None or fact.at < self.rang_at:
            changes["rang_at"] = fact.at
        effect = EFFECTS.get(fact.what)
        if effect is not None:
            changes |= effect(self, fact)
        return replace(self, **changes) if changes else self


def fold(facts: Iterable[Fact]) -> Call:
    """Return the call that `facts` tell, whatever their order and however often repeated.

    Facts that cannot have happened are skipped and listed in `.illegal`. Asterisk's own account
    of the end outweighs a sweeper's; a sweeper's end before a later event of the same call is
    disproved by it. Raises NotAFact when there are no facts, or facts of several calls.
    """
    known: dict[str, Fact] = {}
    for fact in sorted(facts, key=order):
        known.setdefault(fact.fact_id, fact)
    calls = {fact.call_id for fact in known.values()}
    if len(calls) != 1:
        raise NotAFact(f"facts of {len(calls)} calls cannot be folded into one")
    call = Call(calls.pop())
    illegal = []
    for fact in _believed(known.values()):
        try:
            call = call.after(fact)
        except IllegalEvent:
            illegal.append(fact)
    # Also the earliest of facts that could not have happened: somebody did ring by then.
    rang_at = min(fact.at for fact in known.values())
    return replace(call, rang_at=rang_at, illegal=tuple(illegal))


def _believed(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts, sorted as given, without the sweepers' ends that do not count."""
    story = list(facts)
    swept = [fact for fact in story if _is_swept(fact)]
    told = [fact for fact in story if fact.what in _EVENTS and not _is_swept(fact)]
    if not swept:
        return story
    ended = any(fact.what == Event.ENDED for fact in told)
    standing = [fact for fact in swept if not told or order(told[-1]) < order(fact)]
    chosen = None if ended or not standing else standing[0]
    return [fact for fact in story if not _is_swept(fact) or fact is chosen]


def _is_swept(fact: Fact) -> bool:
    return fact.what == Event.ENDED and text(fact.data, "source") == "swept"
