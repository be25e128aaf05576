"""What a waiting caller costs in memory, and what many calls leave behind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench import load, proc
from bench.bare import OURS, QUEUE
from centre.actors import HangUp, Press, Wait
from centre.trial import until

if TYPE_CHECKING:
    from bench.proc import Cost
    from centre.trial import TrialCentre

RINGING_RATE: Final = 50.0
MENU_AT_S: Final = 4.5
"""By now 200 callers at 50/s have rung, and the first is still asked (prompt 4 s, then 3 s)."""
STAY_S: Final = 34.0
SHORT: Final = (Wait(0.3), Press("0"), Wait(0.3), HangUp())
SAMPLES: Final = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """KiB (PSS) a call, beyond the idle centre."""

    in_menu: Cost
    in_queue: Cost | None


@dataclass(slots=True)
class Growth:
    """Memory (PSS, MiB) after so many calls, sampled as they go by; the last is after a rest."""

    calls: list[int] = field(default_factory=list)
    asterisk_mib: list[float] = field(default_factory=list)
    ours_mib: list[float] = field(default_factory=list)
    failed: int = 0

    def after(self, calls: int) -> int:
        """Where among the samples `calls` were reached."""
        return next((n for n, at in enumerate(self.calls) if at >= calls), len(self.calls) - 1)

    def asterisk_per_1000(self, since: int) -> float:
        """MiB that 1,000 calls left in Asterisk, from call `since` on."""
        first = self.after(since)
        calls = self.calls[-1] - self.calls[first]
        grown = self.asterisk_mib[-1] - self.asterisk_mib[first]
        return grown / calls * 1000 if calls else 0.0


def measure_waiting(
    centre: TrialCentre, dialled: str, callers: int, *, queue: bool = True
) -> Waiting:
    """Let `callers` ring and press nothing: in the menu first, then (`queue`) all in the queue."""
    load.pour(centre, dialled, 20, 1)  # what the first call loads is no caller's
    idle = proc.pss_kib(centre)
    count = min(callers, round(RINGING_RATE * (MENU_AT_S - 0.5)))
    with load.ring(centre, dialled, RINGING_RATE, count, (Wait(STAY_S), HangUp())) as crowd:
        time.sleep(MENU_AT_S)
        in_menu = proc.pss_kib(centre) - idle
        in_queue = _in_queue(centre, count) - idle if queue else None
        crowd.stop()  # the callers vanish; Asterisk is told below
    centre.asterisk("channel request hangup all")
    load.quiet(centre)
    return Waiting(in_menu.times(1 / count), in_queue and in_queue.times(1 / count))


def _in_queue(centre: TrialCentre, callers: int) -> Cost:
    until(
        f"{callers} callers wait in the queue",
        lambda: load.waiting(centre.asterisk(f"queue show {QUEUE}")) >= callers,
        STAY_S - MENU_AT_S,
        0.5,
    )
    time.sleep(1.0)
    return proc.pss_kib(centre)


def measure_growth(centre: TrialCentre, calls: int, rate: float, longest_s: float) -> Growth:
    """Let short calls ring at `rate` until `calls` are made or `longest_s` is over."""
    growth = Growth()
    count = min(calls, round(rate * longest_s))
    with load.ring(centre, OURS, rate, count, SHORT) as crowd:
        while crowd.alive:
            placed = crowd.figures().placed
            if placed >= len(growth.calls) * count / SAMPLES:
                _sample(growth, centre, placed)
            time.sleep(0.5)
        load.quiet(centre)
        figures = crowd.figures()
    _sample(growth, centre, figures.placed)
    growth.failed = figures.placed - figures.successful
    return growth


def _sample(growth: Growth, centre: TrialCentre, calls: int) -> None:
    kib = proc.pss_kib(centre)
    growth.calls.append(calls)
    growth.asterisk_mib.append(kib.asterisk / 1024)
    growth.ours_mib.append((kib.workers + kib.keeper) / 1024)
