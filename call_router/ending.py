"""How a call ended: one named result and reason, derived from the account of its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from call_router.fact import flag, number, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from call_router.fact import JSON


class Result(StrEnum):
    """What became of the caller. Every figure the city publishes is a sum of these."""

    ANSWERED = "answered"  # a call-taker of this centre spoke with the caller
    PASSED_ON = "passed_on"  # the outside number (for example the police's 110) answered
    ABANDONED = "abandoned"  # the caller hung up before anybody answered
    LOST = "lost"  # the network, Asterisk or an empty centre lost the caller
    FLOW_ENDED = "flow_ended"  # the flow itself ended the call, by name


class Reason(StrEnum):
    """Who or what ended the call."""

    CALLER_HUNG_UP = "caller_hung_up"
    CALLER_HUNG_UP_RINGING = "caller_hung_up_ringing"
    CALLER_HUNG_UP_IN_MENU = "caller_hung_up_in_menu"
    CALLER_HUNG_UP_IN_QUEUE = "caller_hung_up_in_queue"
    CALL_TAKER_HUNG_UP = "call_taker_hung_up"
    NETWORK_LOST_CALLER = "network_lost_caller"
    NETWORK_LOST_CALL_TAKER = "network_lost_call_taker"
    OUTSIDE_NUMBER_ANSWERED = "outside_number_answered"
    NOBODY_ANSWERED = "nobody_answered"
    ASTERISK_HUNG_UP = "asterisk_hung_up"  # an administrator, a time limit, the dialplan's end
    ASTERISK_DIED = "asterisk_died"
    END_NOT_TOLD = "end_not_told"  # Asterisk lives, the call is gone, and no account tells why
    FLOW = "flow"


@dataclass(frozen=True, slots=True)
class Ending:
    """The one ending of a call; `detail` adds the cause of Q.850 and the place, in words."""

    result: Result
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Before:
    """What the ending must know of the call just before it ended."""

    place: str  # "ringing", "menu", "queue" or "talk", by the call's state
    answered: bool
    via: str = ""
    left_source: str = ""  # who took the call-taker away, when the caller waits again
    named_ending: str = ""


# ITU-T Q.850 (05/2018), table 1: the causes Asterisk 22 can report.
CAUSES: Mapping[int, str] = {
    0: "no cause given",
    1: "unallocated number",
    2: "no route to transit network",
    3: "no route to destination",
    5: "misdialled trunk prefix",
    6: "channel unacceptable",
    7: "call awarded, being delivered",
    14: "ported number",
    16: "normal call clearing",
    17: "user busy",
    18: "no user responding",
    19: "no answer from user",
    20: "subscriber absent",
    21: "call rejected",
    22: "number changed",
    23: "redirected to new destination",
    26: "answered elsewhere",
    27: "destination out of order",
    28: "invalid number format",
    29: "facility rejected",
    30: "response to status enquiry",
    31: "normal, unspecified",
    34: "no circuit available",
    38: "network out of order",
    41: "temporary failure",
    42: "switching equipment congestion",
    43: "access information discarded",
    44: "requested circuit not available",
    50: "facility not subscribed",
    52: "outgoing calls barred",
    54: "incoming calls barred",
    57: "bearer capability not authorised",
    58: "bearer capability not available",
    65: "bearer capability not implemented",
    66: "channel type not implemented",
    69: "facility not implemented",
    81: "invalid call reference",
    88: "incompatible destination",
    95: "invalid message",
    96: "mandatory information missing",
    97: "message type non-existent",
    98: "wrong message",
    99: "information element non-existent",
    100: "invalid information element contents",
    101: "wrong call state",
    102: "recovery on timer expiry",
    103: "mandatory parameter length error",
    111: "protocol error",
    127: "interworking, unspecified",
}

# Asterisk reports 44 when the RTP of a leg stops; the others reach us in the trunk's own BYE
# (a Reason header), which then speaks for the network and not for the person.
NETWORK_CAUSES = frozenset({27, 34, 38, 41, 42, 44})

_HUNG_UP_IN = {
    "ringing": Reason.CALLER_HUNG_UP_RINGING,
    "menu": Reason.CALLER_HUNG_UP_IN_MENU,
    "fallback": Reason.CALLER_HUNG_UP_IN_QUEUE,
    "queue": Reason.CALLER_HUNG_UP_IN_QUEUE,
    "ring_all": Reason.CALLER_HUNG_UP_IN_QUEUE,
    "outside": Reason.CALLER_HUNG_UP_IN_QUEUE,
}

_TALK_ENDED_BY = {
    "caller": Reason.CALLER_HUNG_UP,
    "call_taker": Reason.CALL_TAKER_HUNG_UP,
    "network": Reason.NETWORK_LOST_CALLER,
}

_CALL_TAKER_LEFT_BY = {
    "call_taker": Reason.CALL_TAKER_HUNG_UP,
    "network": Reason.NETWORK_LOST_CALL_TAKER,
}


def of(before: Before, data: Mapping[str, JSON]) -> Ending:
    """Return the ending of a call that was as `before` when `data` told its end.

    `data` holds the keys of an `ended` fact: cause, source, where, abandoned, named_ending,
    lost. Any of them may be missing or strange; there is always exactly one ending.
    """
    source = _source(data)
    named = text(data, "named_ending") or before.named_ending
    # `where` is Asterisk's own word; "talk" proves an answer whose own fact was lost.
    answered = before.answered or text(data, "where") == "talk"
    detail = _detail(data, source)
    if answered and before.via == "outside":
        return Ending(Result.PASSED_ON, Reason.OUTSIDE_NUMBER_ANSWERED, detail)
    if answered:
        return Ending(Result.ANSWERED, _talk_reason(before, source, data), detail)
    if named:
        return Ending(Result.FLOW_ENDED, Reason.FLOW, named)
    place = text(data, "where") or before.place
    if source == "caller":
        reason = _HUNG_UP_IN.get(place, _HUNG_UP_IN.get(before.place, Reason.CALLER_HUNG_UP))
        return Ending(Result.ABANDONED, reason, detail)
    return Ending(Result.LOST, _lost_reason(source, place, data), detail)


def _source(data: Mapping[str, JSON]) -> str:
    """Return who ended the call: the account's word, corrected by the cause.

    Asterisk names no source when the network loses a caller (cause 44), and names the caller's
    channel when the trunk's BYE carries the network's own cause.
    """
    source = text(data, "source")
    if source in {"swept", "call_taker"}:
        return source
    if number(data, "cause") in NETWORK_CAUSES:
        return "network"
    if source in {"caller", "network"}:
        return source
    return "caller" if flag(data, "abandoned") and not source else "asterisk"


def _talk_reason(before: Before, source: str, data: Mapping[str, JSON]) -> Reason:
    if source == "swept":
        return _swept_reason(data)
    if source != "network" and before.place == "queue":
        # The call-taker's leg went first: that, not the caller's patience, ended the talk.
        left = _CALL_TAKER_LEFT_BY.get(before.left_source)
        if left is not None:
            return left
    return _TALK_ENDED_BY.get(source, Reason.ASTERISK_HUNG_UP)


def _lost_reason(source: str, place: str, data: Mapping[str, JSON]) -> Reason:
    if source == "swept":
        return _swept_reason(data)
    if source == "network":
        return Reason.NETWORK_LOST_CALLER
    if place in {"queue", "ring_all", "outside", "fallback"}:
        return Reason.NOBODY_ANSWERED
    return Reason.ASTERISK_HUNG_UP


def _swept_reason(data: Mapping[str, JSON]) -> Reason:
    lost = text(data, "lost")
    return Reason.ASTERISK_DIED if lost in {"", "asterisk_died"} else Reason.END_NOT_TOLD


def _detail(data: Mapping[str, JSON], source: str) -> str:
    parts = []
    cause = number(data, "cause")
    if cause is not None:
        parts.append(f"Q.850 {cause}: {CAUSES.get(cause, 'unknown cause')}")
    parts.append(f"ended by {source}")
    parts += [f"{key} {value}" for key in ("where", "lost") if (value := text(data, key))]
    return ", ".join(parts)
