"""Who takes this call: rules as data (policy.toml), read in order, the last one for everybody.

A pure function of what was asked, who calls, what is known of the centre, and the time given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from call_router.numbers import E164, NoSim, Unusable, Withheld
from call_router.policy_file import check, load_rules
from call_router.rules import OPEN_LANE, Asked, Lane, Limits, PolicyError, Rule, Rules, When

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from call_router.numbers import Caller

__all__ = [
    "FAILED",
    "OPEN_LANE",
    "Asked",
    "CentreState",
    "Decision",
    "Lane",
    "Limits",
    "PolicyError",
    "Rule",
    "Rules",
    "When",
    "check",
    "decide",
    "load_rules",
]

_CALLER_KINDS: Mapping[type, str] = {
    E164: "e164",
    Withheld: "withheld",
    NoSim: "no_sim",
    Unusable: "unusable",
}


@dataclass(frozen=True, slots=True)
class CentreState:
    """How many seats are free, how many are staffed, how many callers wait; None = unknown."""

    idle: int | None = None
    staffed: int | None = None
    waiting: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The lane and its priority (0-100, larger first), the rule's id, the reason in words."""

    lane: str
    priority: int
    rule: str
    why: str
    why_en: str


# What happens to a call when the rules themselves fail: a human, at once.
FAILED = Decision(
    lane=OPEN_LANE,
    priority=10,
    rule="policy-failed",
    why="Aturan tidak dapat dibaca: langsung ke petugas.",
    why_en="The rules could not be applied: straight to a call-taker.",
)


def decide(
    rules: Rules, asked: Asked, caller: Caller | None, centre: CentreState, now: datetime
) -> Decision:
    """Return who takes the call. `now` is aware, in the centre's own zone.

    The first rule that holds decides. Checked rules end with a catch-all, so a LookupError
    means that `rules` were never checked.
    """
    kind = _CALLER_KINDS.get(type(caller), "unknown")
    idle = "" if centre.idle is None else "some" if centre.idle > 0 else "none"
    for rule in rules.rules:
        if rule.when.holds(asked, kind, idle, now.time()):
            priority = rules.lanes[rule.lane].priority
            return Decision(rule.lane, priority, rule.id, rule.why, rule.why_en)
    raise LookupError(f"no rule of {rules.file} takes this call; check() would have said so")
