"""What a running centre costs: processor time and memory of its programs, from /proc."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from centre.trial import TrialCentre

ASTERISK: Final = "asterisk"
WORKERS: Final = ("conversations", "conversations-standby")
KEEPER: Final = "keeper"
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of Asterisk, of the FastAGI workers (with their master and stand-by), of the keeper."""

    asterisk: float
    workers: float
    keeper: float

    def __sub__(self, before: Cost) -> Cost:
        return Cost(
            self.asterisk - before.asterisk,
            self.workers - before.workers,
            self.keeper - before.keeper,
        )

    def times(self, factor: float) -> Cost:
        """The same in another unit, or per call."""
        return Cost(self.asterisk * factor, self.workers * factor, self.keeper * factor)

    @property
    def whole(self) -> float:
        """All of it."""
        return self.asterisk + self.workers + self.keeper


def cpu_s(centre: TrialCentre) -> Cost:
    """Processor seconds so far, children included."""
    return _each(centre, _cpu_s)


def pss_kib(centre: TrialCentre) -> Cost:
    """Memory in KiB, pages shared with others counted in part (PSS)."""
    return _each(centre, _pss_kib)


def until_idle(centre: TrialCentre, within_s: float = 10.0) -> bool:
    """Wait until the centre has done its work: the keeper may lag behind the calls in a flood."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        before = cpu_s(centre)
        time.sleep(0.4)
        if (cpu_s(centre) - before).whole < 0.06:
            return True
    return False


def _each(centre: TrialCentre, of: Figure) -> Cost:
    def total(program: str) -> float:
        return sum(map(of, family(centre.pid(program))))

    return Cost(total(ASTERISK), sum(map(total, WORKERS)), total(KEEPER))


def family(pid: int) -> list[int]:
    """A process and all that come from it; one that has just ended is left out."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def _cpu_s(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return cpu_s_of(text)


def cpu_s_of(stat: str) -> float:
    """User and system seconds of a line of /proc/PID/stat (its name may hold any sign)."""
    after_name = stat.rsplit(")", 1)[1].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_S


def _pss_kib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return pss_kib_of(text)


def pss_kib_of(rollup: str) -> float:
    """The PSS line of /proc/PID/smaps_rollup, in KiB; 0 when there is none."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    return 0.0


if TYPE_CHECKING:
    from collections.abc import Callable

    Figure = Callable[[int], float]
