"""The words of a policy: rules, lanes and limits as frozen data. policy.toml explains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import time

OUTCOMES = ("key", "other_key", "voice", "silence", "failure")
KEYS = tuple("0123456789*#")
CALLERS = ("e164", "withheld", "no_sim", "unusable", "unknown")
IDLE = ("some", "none")

OPEN_LANE = "open"  # where faults lead: a human, at once


@dataclass(frozen=True, slots=True)
class Asked:
    """How a question to the caller ended: one of OUTCOMES, and the key if one was pressed."""

    outcome: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of the day in the centre's own time; over midnight when `until` <= `since`."""

    since: time
    until: time

    def has(self, now: time) -> bool:
        """Say whether `now` lies in [since, until)."""
        if self.since < self.until:
            return self.since <= now < self.until
        return now >= self.since or now < self.until


@dataclass(frozen=True, slots=True)
class When:
    """The conditions of a rule; an empty one is no condition."""

    outcome: frozenset[str] = frozenset()
    key: frozenset[str] = frozenset()
    caller: frozenset[str] = frozenset()
    idle: str = ""
    hours: Hours | None = None

    def holds(self, asked: Asked, caller: str, idle: str, now: time) -> bool:
        """Say whether all conditions hold; what is unknown meets no condition."""
        return (
            (not self.outcome or asked.outcome in self.outcome)
            and (not self.key or asked.key in self.key)
            and (not self.caller or caller in self.caller)
            and self.idle in ("", idle)
            and (self.hours is None or self.hours.has(now))
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `line` is where it stands in the file."""

    id: str
    lane: str
    why: str
    why_en: str
    when: When = When()
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """A way to the call-takers; `priority` 0-100, larger first."""

    priority: int
    say: str = ""
    say_en: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a caller may be kept, in seconds; the reasons stand in policy.toml.

    `answer_within_s` answer to queue by the longest way of a menu, `queue_wait_s` queue to
    ring-all, `ring_s` one phone, `ring_all_s` all phones, `outside_s` the outside number.
    """

    answer_within_s: int
    queue_wait_s: int
    ring_s: int
    ring_all_s: int
    outside_s: int


@dataclass(frozen=True, slots=True)
class Rules:
    """A checked policy: `policy.load_rules` builds one."""

    file: str
    lanes: Mapping[str, Lane]
    rules: tuple[Rule, ...]
    limits: Limits


class PolicyError(ValueError):
    """The policy cannot be used. Says the file, the line, why, and what to do."""

    def __init__(self, file: str, line: int | None, reason: str, remedy: str) -> None:
        self.file, self.line, self.reason, self.remedy = file, line, reason, remedy
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {reason}. {remedy}")
