"""What each fact of a call adds to it. The keys of their data are listed in call.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from call_router import ending as endings
from call_router import numbers
from call_router.fact import number, text
from call_router.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from call_router.call import Call
    from call_router.fact import Fact

_PLACES = {
    State.NEW: "ringing",
    State.RINGING: "ringing",
    State.MENU: "menu",
    State.WAITING: "queue",
    State.TALKING: "talk",
}


def _ring(call: Call, fact: Fact) -> dict[str, Any]:
    data = fact.data
    changes: dict[str, Any] = {
        name: getattr(call, name) or text(data, name)
        for name in ("flow", "trunk", "dialled", "sip_call_id", "recording")
    }
    if any(key in data for key in ("num", "name", "pres", "pai")):
        told = numbers.parse(*(text(data, key) for key in ("num", "name", "pres", "pai")))
        if call.caller is None or (call.caller.key is None and told.key is not None):
            changes["caller"] = told
    return changes


def _menu(call: Call, fact: Fact) -> dict[str, Any]:
    return {"menu_at": call.menu_at or fact.at}


def _key(call: Call, fact: Fact) -> dict[str, Any]:
    if call.key_at is not None:
        return {}
    return {"first_key": text(fact.data, "key", 1), "key_at": fact.at}


def _hand_over(call: Call, fact: Fact) -> dict[str, Any]:
    return {
        "handed_over_at": call.handed_over_at or fact.at,
        "lane": text(fact.data, "lane") or call.lane,
        "priority": _known(number(fact.data, "priority"), call.priority),
        "rule": text(fact.data, "rule") or call.rule,
        "why": fact.why or call.why,
    }


def _fallback(call: Call, fact: Fact) -> dict[str, Any]:
    return {"fallback_why": call.fallback_why or text(fact.data, "why") or fact.why}


def _queued(call: Call, fact: Fact) -> dict[str, Any]:
    return {
        "queued_at": call.queued_at or fact.at,
        "lane": call.lane or text(fact.data, "lane"),
        "priority": _known(call.priority, number(fact.data, "priority")),
    }


def _answered(call: Call, fact: Fact) -> dict[str, Any]:
    phone = text(fact.data, "phone") or call.phone
    # Who answered last is known by name in the queue only; another phone is another person.
    before = call.answered_by if call.phone in ("", phone) else ""
    return {
        "answered_at": call.answered_at or fact.at,
        "answered_by": text(fact.data, "by") or before,
        "phone": phone,
        "via": text(fact.data, "via") or call.via,
        "talking_since": call.talking_since or fact.at,
    }


def _left(call: Call, fact: Fact) -> dict[str, Any]:
    return {
        "talk_s": _talked(call, fact.at),
        "talking_since": None,
        "left_count": call.left_count + 1,
        "left_source": text(fact.data, "source"),
    }


def _hang_up(call: Call, fact: Fact) -> dict[str, Any]:
    return {"named_ending": call.named_ending or text(fact.data, "name")}


def _recorded(_: Call, fact: Fact) -> dict[str, Any]:
    return {"recorded": fact.data}


def _ended(call: Call, fact: Fact) -> dict[str, Any]:
    before = endings.Before(
        place=_PLACES[call.state],
        answered=call.answered_at is not None,
        via=call.via,
        left_source=call.left_source,
        named_ending=call.named_ending,
    )
    return {
        "ended_at": fact.at,
        "talk_s": _talked(call, fact.at),
        "talking_since": None,
        "ending": endings.of(before, fact.data),
    }


def _talked(call: Call, until: datetime) -> float:
    """Return the seconds talked until now; a clock set back adds nothing."""
    if call.talking_since is None:
        return call.talk_s
    return call.talk_s + max(0.0, (until - call.talking_since).total_seconds())


def _known(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


EFFECTS: Mapping[str, Callable[[Call, Fact], dict[str, Any]]] = {
    "ring": _ring,
    "menu": _menu,
    "key": _key,
    "hand_over": _hand_over,
    "fallback": _fallback,
    "queued": _queued,
    "answered": _answered,
    "left": _left,
    "hang_up": _hang_up,
    "recorded": _recorded,
    "ended": _ended,
}
