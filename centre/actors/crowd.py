"""Many callers at once: one SIPp process that rings at a rate, a bounded number of times."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from centre.actors.sipp import Actor, Workplace, free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from centre.actors.caller import Caller

MOST_CALLS: Final = 100_000


@dataclass(frozen=True, slots=True)
class CrowdFigures:
    """What became of a crowd; `answer_ms` holds INVITE to 200 OK of each answered call."""

    placed: int
    successful: int
    failed: int
    retransmissions: int
    answer_ms: tuple[float, ...] = ()

    def percentile_ms(self, percent: float) -> float:
        """The time to the answer that `percent` of the calls did not exceed; nan if none."""
        ordered = sorted(self.answer_ms)
        if not ordered:
            return float("nan")
        return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


@dataclass(frozen=True, slots=True)
class Crowd:
    """`count` calls like `caller`'s at `rate` a second, at most `at_once` of them together.

    The n-th caller's number is `number` + n, so every row can be told from the others; the SIP
    Call-IDs are `<n>-<caller.call_id>`. Bounded in time by `longest_s`.
    """

    caller: Caller
    count: int
    rate: float
    at_once: int = 1000
    number: int = 62_811_000_0000
    longest_s: float = 600.0

    def start(self, folder: Path | None = None) -> CrowdCall:
        """Begin to ring. Raises ValueError for a crowd without bounds, ActorError as `Caller`."""
        if not (0 < self.count <= MOST_CALLS and self.rate > 0):
            raise ValueError(f"a crowd is 1 to {MOST_CALLS} calls at a rate above 0 a second")
        place = Workplace.prepare(folder)
        with place.cleared_on_failure() as here:
            return CrowdCall(self.caller.name, place, self._arguments(here))

    def _arguments(self, folder: Path) -> list[str]:
        numbers = folder / "numbers.csv"
        lines = ["SEQUENTIAL", *(f"+{self.number + n}" for n in range(1, self.count + 1))]
        numbers.write_text("\n".join(lines) + "\n")
        sender = replace(self.caller.caller_id, user="[field0]")
        scenario = replace(self.caller, caller_id=sender).write(folder, crowd=True)
        sip, media = free_ports(self.caller.local_ip)
        return [
            f"{self.caller.target[0]}:{self.caller.target[1]}",
            *("-sf", str(scenario), "-inf", str(numbers)),
            *("-cid_str", f"%u-{self.caller.call_id}"),
            *("-i", self.caller.local_ip, "-p", str(self.caller.sip_port or sip)),
            *("-mi", self.caller.local_ip, "-mp", str(media)),
            *("-m", str(self.count), "-l", str(self.at_once)),
            *_rate(self.rate),
            *("-timeout", f"{self.longest_s:.0f}s"),
            *("-trace_stat", "-stf", str(folder / "statistics.csv"), "-fd", "1"),
            *("-trace_rtt", "-rtt_freq", "1"),
        ]


class CrowdCall(Actor):
    """A crowd that is ringing."""

    def figures(self) -> CrowdFigures:
        """The figures so far; SIPp writes them once a second and at its end."""
        rows = _rows(self.folder / "statistics.csv")
        last = rows[-1] if rows else {}
        took = [
            float(row["response_time_ms"])
            for path in sorted(self.folder.glob("*_rtt.csv"))
            for row in _rows(path)
        ]
        return CrowdFigures(
            placed=int(last.get("OutgoingCall(C)", 0)),
            successful=int(last.get("SuccessfulCall(C)", 0)),
            failed=int(last.get("FailedCall(C)", 0)),
            retransmissions=int(last.get("Retransmissions(C)", 0)),
            answer_ms=tuple(took),
        )


def _rate(calls_a_second: float) -> tuple[str, ...]:
    if calls_a_second >= 1 and calls_a_second == int(calls_a_second):
        return ("-r", f"{calls_a_second:.0f}")
    return ("-r", "1", "-rp", f"{1000 / calls_a_second:.0f}")


def _rows(path: Path) -> list[dict[str, str]]:
    """The complete rows of one of SIPp's tables; none while it is not written yet."""
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter=";"))
    return [row for row in rows if None not in row.values()]
