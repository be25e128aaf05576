"""The kinds of step a flow is made of, and where each may lead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

KEYS = "0123456789*#"
"""What a caller can press."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(\w{3})(?:-(\w{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in a flow: `salam` in the caller's language, or `salam@en` in English always."""

    name: str
    language: str | None = None

    @property
    def sound(self) -> str:
        """The sound as Asterisk names it below its own sounds folder."""
        return f"{self.language}/siaga/{self.name}" if self.language else f"siaga/{self.name}"


@dataclass(frozen=True, slots=True)
class End:
    """One way out of a step: `label` is a key, or the word that stands in the file."""

    label: str
    target: str


@dataclass(frozen=True, slots=True)
class Say:
    """Play prompts, then go on. A key pressed meanwhile is not asked for: use Ask for that."""

    name: str
    prompts: tuple[Prompt, ...]
    goto: str

    def ends(self) -> tuple[End, ...]:
        """Say has one way out."""
        return (End("goto", self.goto),)


@dataclass(frozen=True, slots=True)
class Ask:
    """Play prompts and listen, during them (`barge_in`) and `wait_s` seconds after.

    `keys` maps a key to a step. The other ends: any other key, a voice, nothing at all, and our
    own failure to ask.
    """

    name: str
    prompts: tuple[Prompt, ...]
    wait_s: float
    keys: Mapping[str, str]
    other_key: str
    voice: str
    silence: str
    failure: str
    barge_in: bool = True

    def ends(self) -> tuple[End, ...]:
        """All ways out, keys first in the order of the file."""
        return (
            *(End(key, target) for key, target in self.keys.items()),
            End("key.other", self.other_key),
            End("voice", self.voice),
            End("silence", self.silence),
            End("failure", self.failure),
        )


@dataclass(frozen=True, slots=True)
class Connect:
    """Hand over to the queue. `lane` None: the centre's policy decides the lane."""

    name: str
    lane: str | None

    def ends(self) -> tuple[End, ...]:
        """Lead nowhere: a human is next."""
        return ()


@dataclass(frozen=True, slots=True)
class Goto:
    """Go on at another step; with `at_most`, only that often in a call, and then to `then`."""

    name: str
    goto: str
    at_most: int | None = None
    then: str | None = None

    def ends(self) -> tuple[End, ...]:
        """One way, or two when it is bounded."""
        after = (End("then", self.then),) if self.then is not None else ()
        return (End("goto", self.goto), *after)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours on some weekdays (0 = Monday), local time. `closes` ≤ `opens` means the next day."""

    days: frozenset[int]
    opens: time
    closes: time

    @classmethod
    def read(cls, written: str) -> Self | None:
        """Read "mon-fri 08:00-16:00", "sat 20:00-02:00"; None if it is neither."""
        found = _WINDOW.fullmatch(written)
        if found is None:
            return None
        days = _days(found[1], found[2] or found[1])
        opens, closes = _clock(found[3], found[4]), _clock(found[5], found[6])
        return None if not days or opens is None or closes is None else cls(days, opens, closes)

    def holds(self, local: datetime) -> bool:
        """Whether the window is open at a local time; it opens on the second, closes before it."""
        clock, day = local.time(), local.weekday()
        if self.opens < self.closes:
            return day in self.days and self.opens <= clock < self.closes
        yesterday = (local - timedelta(days=1)).weekday()
        return (day in self.days and clock >= self.opens) or (
            yesterday in self.days and clock < self.closes
        )


def _days(first: str, last: str) -> frozenset[int]:
    """Weekdays from `first` to `last`, over the weekend too; none if one is no weekday."""
    if first not in _DAYS or last not in _DAYS:
        return frozenset()
    begins = _DAYS.index(first)
    length = (_DAYS.index(last) - begins) % 7 + 1
    return frozenset((begins + day) % 7 for day in range(length))


def _clock(hours: str, minutes: str) -> time | None:
    """Read a time of day; 24:00 is the midnight at its end."""
    if (hours, minutes) == ("24", "00"):
        return time(0)
    valid = int(hours) < 24 and int(minutes) < 60
    return time(int(hours), int(minutes)) if valid else None


@dataclass(frozen=True, slots=True)
class Hours:
    """Go on by the centre's own clock: `holiday` on a listed day, else `inside` or `outside`."""

    name: str
    open: tuple[Window, ...]
    inside: str
    outside: str
    holiday: str
    zone: ZoneInfo
    holidays: frozenset[date]

    def ends(self) -> tuple[End, ...]:
        """All three ways out."""
        return (
            End("inside", self.inside),
            End("outside", self.outside),
            End("holiday", self.holiday),
        )

    def way(self, now: datetime) -> End:
        """Which end is taken at `now` (aware, any zone)."""
        local = now.astimezone(self.zone)
        inside, outside, holiday = self.ends()
        if local.date() in self.holidays:
            return holiday
        return inside if any(window.holds(local) for window in self.open) else outside


@dataclass(frozen=True, slots=True)
class Language:
    """Speak `language` from here on, in the queue too."""

    name: str
    language: str
    goto: str

    def ends(self) -> tuple[End, ...]:
        """Language has one way out."""
        return (End("goto", self.goto),)


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call under a name. Never in an emergency flow; `check` sees to that."""

    name: str
    ending: str

    def ends(self) -> tuple[End, ...]:
        """Lead nowhere: the call is over."""
        return ()


Step = Say | Ask | Connect | Goto | Hours | Language | HangUp
