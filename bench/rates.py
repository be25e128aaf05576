"""The search for the highest rate at which calls still succeed, one probe after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Final

LOWEST: Final = 15.0
HIGHEST: Final = 260.0


def grid(step: float) -> list[float]:
    """Rates from `LOWEST` to `HIGHEST` calls/s, each `step` times the one before, whole."""
    rates = [LOWEST]
    while rates[-1] * step <= HIGHEST:
        rates.append(rates[-1] * step)
    return [float(round(rate)) for rate in rates]


@dataclass(slots=True)
class Search:
    """Bisects a grid: all below the answer passed, all above failed.

    `around` (a rate found before) narrows the search to `reach` places on either side; when the
    answer lies at the edge, that edge is what this pass says.
    """

    rates: list[float]
    around: float | None = None
    reach: int = 4
    _low: int = field(init=False)
    _high: int = field(init=False)

    def __post_init__(self) -> None:
        self._low, self._high = -1, len(self.rates)
        if self.around:
            at = min(range(len(self.rates)), key=lambda n: abs(self.rates[n] - (self.around or 0)))
            self._low, self._high = max(-1, at - self.reach), min(self._high, at + self.reach)

    @property
    def next(self) -> float | None:
        """The rate to try now; None when the answer is known."""
        if self._high - self._low <= 1:
            return None
        return self.rates[(self._low + self._high) // 2]

    def told(self, rate: float, *, passed: bool) -> None:
        """Take in what became of a try."""
        at = self.rates.index(rate)
        if passed:
            self._low = max(self._low, at)
        else:
            self._high = min(self._high, at)

    @property
    def best(self) -> float:
        """The highest rate that passed; 0 when none did."""
        return self.rates[self._low] if self._low >= 0 else 0.0


def middle(found: list[float]) -> float:
    """The median of what the passes found; 0 for none."""
    return median(found) if found else 0.0


def ratio(ours: float, other: float) -> float:
    """Ours to the other's, to two digits; 0 when the other has nothing."""
    return round(ours / other, 2) if other else 0.0


def percentile(values: list[float], percent: float) -> float:
    """The value that `percent` of `values` do not exceed; nan for none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]
