"""A call as a row and back; the names of the columns are the names of Call's fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from call_router.call import Call, Ending, Fact, Reason, Result, State
from call_router.numbers import E164, NoSim, Unusable, Withheld

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from call_router.numbers import Caller

_PLAIN = (
    *("call_id", "rang_at", "menu_at", "key_at", "handed_over_at", "priority", "queued_at"),
    *("answered_at", "talk_s", "talking_since", "left_count", "ended_at"),
)
_TEXTS = (
    *("flow", "trunk", "dialled", "first_key", "lane", "rule", "why", "fallback_why"),
    *("answered_by", "phone", "via", "left_source", "named_ending", "sip_call_id", "recording"),
)


def columns(call: Call) -> dict[str, Any]:
    """Return a call as columns of `calls`; what is unknown is NULL."""
    return {
        **{name: getattr(call, name) for name in _PLAIN},
        **{name: getattr(call, name) or None for name in _TEXTS},
        **caller_columns(call.caller),
        "state": call.state.value,
        "wait_s": call.wait_s,
        "result": call.ending and call.ending.result.value,
        "reason": call.ending and call.ending.reason.value,
        "detail": call.ending and call.ending.detail,
        "recorded": json.dumps(call.recorded) if call.recorded else None,
        "illegal_count": len(call.illegal),
    }


def call_of(row: RowMapping) -> Call:
    """Return the call of a row of `calls`; its `illegal` facts are only in the timeline."""
    ending = None
    if row["result"] is not None:
        ending = Ending(Result(row["result"]), Reason(row["reason"]), row["detail"] or "")
    plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
    texts: dict[str, Any] = {name: row[name] or "" for name in _TEXTS}
    return Call(
        **plain,
        **texts,
        caller=caller_of(row),
        state=State(row["state"]),
        ending=ending,
        recorded=json.loads(row["recorded"]) if row["recorded"] else {},
    )


def fact_of(row: RowMapping) -> Fact:
    """Return the fact of a row of `timeline`."""
    return Fact.kept(
        call_id=row["call_id"],
        at=row["at"],
        what=row["what"],
        why=row["why"],
        data=json.loads(row["data"]),
        fact_id=row["fact_id"],
    )


def caller_columns(caller: Caller | None) -> dict[str, str | None]:
    """Return a caller as the six columns that begin with `caller`."""
    kind = number = region = carrier = line = note = None
    match caller:
        case E164():
            kind, number = "e164", caller.number
            region, carrier, line = caller.region_name, caller.carrier, caller.kind
        case Withheld():
            kind, note = "withheld", caller.reason
        case NoSim():
            kind, note = "no_sim", caller.imei
        case Unusable():
            kind, note = "unusable", caller.text
    return {
        "caller_kind": kind,
        "caller": number,
        "caller_region": region,
        "caller_carrier": carrier,
        "caller_line": line,
        "caller_note": note,
    }


def caller_of(row: RowMapping) -> Caller | None:
    """Return the caller of the columns written by `caller_columns`."""
    note = row["caller_note"] or ""
    match row["caller_kind"]:
        case "e164":
            return E164(
                row["caller"], row["caller_region"], row["caller_carrier"], row["caller_line"]
            )
        case "withheld":
            return Withheld(note)
        case "no_sim":
            return NoSim(note)
        case "unusable":
            return Unusable(note)
    return None
