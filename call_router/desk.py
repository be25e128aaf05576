"""What a conversation may ask of us. Whatever fails here, the caller goes on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from call_router import numbers
from call_router.call import Call, Event, fold
from call_router.fact import Fact
from call_router.policy import FAILED, CentreState, decide

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from call_router.fact import JSON
    from call_router.policy import Asked, Decision, Rules
    from call_router.seats import SeatFact

log = structlog.get_logger()

_EVENTS = frozenset(Event)
UNKNOWN = CentreState(idle=None, staffed=None, waiting=None)


class Books(Protocol):
    """Where facts are kept; db/books.py is the real one."""

    def record(self, *facts: Fact | SeatFact) -> None:
        """Keep `facts`; return once they are durable, or could not be made so. Never raises."""

    def tell(self, *facts: Fact | SeatFact) -> None:
        """Keep `facts` soon, in order with what is recorded; nobody waits. Never raises."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A call that has just reached a flow, in the words of the dialplan (already filtered)."""

    call_id: str
    flow: str
    trunk: str = ""
    dialled: str = ""
    num: str = ""
    name: str = ""
    pres: str = ""
    from_user: str = ""
    pai: str = ""
    sip_call_id: str = ""
    recording: str = ""


class Desk:
    """The desk of one process; safe for many threads.

    `clock` returns aware time in the centre's zone (rules may speak of hours); `centre_state`
    returns what is known of the seats now. Building one reads the number tables, so that no
    caller waits for them (see numbers.preload).
    """

    def __init__(
        self,
        books: Books,
        rules: Rules,
        clock: Callable[[], datetime],
        centre_state: Callable[[], CentreState],
    ) -> None:
        self._books = books
        self._rules = rules
        self._clock = clock
        self._centre_state = centre_state
        numbers.preload()

    def receive(self, ring: Ring, language: str = "") -> Call:
        """Return the call that rings; its row is durable before this returns.

        With a `language` its menu begins in it at once, and one commit holds both. Raises
        NotAFact only for a call without an id. Trouble of the books is theirs alone.
        """
        told: dict[str, JSON] = asdict(ring)
        del told["call_id"]
        at = self._clock()
        facts = [Fact(ring.call_id, at, Event.RING, data=told)]
        if language:
            facts.append(Fact(ring.call_id, at, Event.MENU, data={"language": language}))
        self._books.record(*facts)
        return fold(facts)

    def note(self, call_id: str, what: str, why: str = "", **data: JSON) -> None:
        """Keep what happened to a call.

        An Event changes the call and is durable when this returns, before it is acted on; nobody
        waits for a note, which is kept before the call's next Event.
        """
        keep = self._books.record if what in _EVENTS else self._books.tell
        keep(Fact(call_id, self._clock(), what, why, data))

    def decide(self, call: Call, asked: Asked) -> Decision:
        """Return who takes the call. Never raises: a fault of ours opens the gate."""
        now = self._clock()
        try:
            return decide(self._rules, asked, call.caller, self._centre(), now)
        except Exception:
            # For the caller: straight to a human on the open lane, as if a key had been pressed.
            log.exception("policy.failed", call_id=call.call_id)
            return FAILED

    def hand_over(self, call: Call, decision: Decision, route: str) -> None:
        """Keep the decision; only when this has returned may the route be set."""
        data: dict[str, JSON] = {
            "lane": decision.lane,
            "priority": decision.priority,
            "rule": decision.rule,
            "route": route,
            "why_en": decision.why_en,
        }
        self._books.record(Fact(call.call_id, self._clock(), Event.HAND_OVER, decision.why, data))

    def end(self, call_id: str, name: str) -> None:
        """Keep that the flow ends this call, by name; Asterisk then tells the end itself."""
        self._books.record(Fact(call_id, self._clock(), "hang_up", data={"name": name}))

    def _centre(self) -> CentreState:
        try:
            return self._centre_state()
        except Exception:
            # For the caller: the rules go by what was asked alone.
            log.exception("centre_state.failed")
            return UNKNOWN
