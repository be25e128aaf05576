"""The disk guard: recordings give way before calls do.

Pure policy: told the free space, it says the level; the keeper acts by `DEEDS`. A level is left
only when clearly more is free than where it was entered, so that it does not flutter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

BYTES_PER_CALL_SECOND: Final = 3 * 2 * 8000
"""Three files of 8 kHz s16 for each second of a call."""


class Level(StrEnum):
    """How much room is left for recordings."""

    OK = "ok"
    LOW = "low"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Deed:
    """What the keeper does at a level; no level ever refuses or ends a call."""

    warn: bool
    record: bool
    words: str
    words_en: str


DEEDS: Final[Mapping[Level, Deed]] = {
    Level.OK: Deed(warn=False, record=True, words="ruang cukup", words_en="enough room"),
    Level.LOW: Deed(
        warn=True,
        record=True,
        words="ruang rekaman menipis; pindahkan rekaman lama",
        words_en="little room for recordings; move old ones away",
    ),
    Level.FLOOR: Deed(
        warn=True,
        record=False,
        words="ruang habis: panggilan berjalan tanpa rekaman",
        words_en="no room: calls go on without recording",
    ),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the levels begin, in bytes free; each also holds as a share of the whole disk.

    The larger of bytes and share counts. A level is left again at `leave_at` times its limit.
    Raises ValueError when the floor is not below the low mark.
    """

    low_bytes: int = 10 * 2**30
    floor_bytes: int = 2 * 2**30
    low_share: float = 0.10
    floor_share: float = 0.02
    leave_at: float = 1.10

    def __post_init__(self) -> None:
        if not (0 <= self.floor_bytes < self.low_bytes and 0 <= self.floor_share < self.low_share):
            raise ValueError("the floor must lie below the low mark, in bytes and in share")
        if self.low_share >= 1 or self.leave_at < 1:
            raise ValueError("the low share must be below 1 and leave_at at least 1")

    def low(self, total_bytes: int) -> float:
        """Below this many free bytes the level is LOW."""
        return max(self.low_bytes, self.low_share * total_bytes)

    def floor(self, total_bytes: int) -> float:
        """Below this many free bytes the level is FLOOR."""
        return max(self.floor_bytes, self.floor_share * total_bytes)


def judge(free_bytes: int, total_bytes: int, limits: Limits, before: Level = Level.OK) -> Level:
    """The level now, given the one `before`: worse at once, better only past `leave_at`."""
    floor, low = limits.floor(total_bytes), limits.low(total_bytes)
    if before is Level.FLOOR:
        floor *= limits.leave_at
    if before is not Level.OK:
        low *= limits.leave_at
    if free_bytes < floor:
        return Level.FLOOR
    return Level.LOW if free_bytes < low else Level.OK


def hours_left(free_bytes: int, total_bytes: int, limits: Limits, calls_at_once: float) -> float:
    """Hours until the floor at the present rate of `calls_at_once` recorded calls; inf if none."""
    room = max(free_bytes - limits.floor(total_bytes), 0.0)
    if calls_at_once <= 0:
        return float("inf")
    return room / (calls_at_once * BYTES_PER_CALL_SECOND * 3600)
