"""Our call beside the same call as bare dialplan, in one Asterisk and one run.

The same menu and queue without AGI is Answer, Read of a key on the same prompt, and the same
Queue. Ours also records every call (three files), which is no work of the menu's and costs as
much as the rest; so the bare call is measured with the same recording (`bare`, what the goals
compare with) and without (`unrecorded`, shown beside it).

`calls_per_s_*`: the highest rate of a grid at which 99.9 % succeed in a step of some seconds, SIPp
on the same cores; median of interleaved passes. The rest at 20 calls/s with phones that answer.
The keeper's work is counted with the call it belongs to: a pass ends when all is quiet.

    python -m bench.calls [--quick] [--json]
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench import load, memory, proc
from bench.bare import BARE, BARE_RECORDED, OURS, Seats, ground
from bench.rates import Search, grid, middle, percentile, ratio
from bench.wire import Delays, Tap, delays
from centre.actors import AnswerAfter, HangUp, Phone, Press, Wait
from centre.actors.sipp import free_ports
from centre.trial import PHONE_IP
from centre.trial_settings import TRUNK_IP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.proc import Cost
    from centre.trial import TrialCentre

GOAL_RATIO: Final = 0.85
CALLS_PER_S: Final = 20.0
NUMBERS: Final = {"ours": OURS, "bare": BARE_RECORDED, "unrecorded": BARE}
TALK: Final = (Wait(0.5), Press("0"), Wait(1.2), HangUp())
ANSWER_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; the full size takes under 12 minutes, the quick one under 90 s."""

    passes: int
    pass_s: float
    searches: int
    step: float
    step_s: float
    waiting: int
    growth_calls: int
    growth_rate: float
    growth_s: float
    kinds: tuple[str, ...] = ("ours", "bare", "unrecorded")
    around: float | None = None


FULL: Final = Size(2, 8.0, 2, 1.06, 5.0, 200, 20_000, 60.0, 340.0)
QUICK: Final = Size(1, 3.0, 1, 1.2, 2.5, 60, 200, 40.0, 10.0, ("ours", "bare"), 70.0)


@dataclass(slots=True)
class AtTwenty:
    """What the passes at 20 calls/s found, of one kind of call."""

    cpu_ms: list[Cost] = field(default_factory=list)
    waits: Delays = field(default_factory=Delays)


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measure everything; give ``{"name", "figures", "goals", "ok"}``."""
    size = QUICK if quick else FULL
    figures: dict[str, Any] = {}
    with ground(Seats(free_ports(PHONE_IP)[0])) as centre:
        figures |= of_twenty(at_twenty(centre, size))
    with ground(Seats()) as centre:
        if quick:
            figures |= of_memory(centre, size, queue=False)
        figures = of_rates(search(centre, size)) | figures
    if not quick:
        with ground(Seats()) as centre:
            figures |= of_memory(centre, size, queue=True)
        with ground(Seats()) as centre:
            bare = memory.measure_waiting(centre, BARE_RECORDED, size.waiting)
            figures |= of_waiting("bare", bare)
    goals = goals_of(figures)
    return {
        "name": "calls",
        "figures": figures,
        "goals": goals,
        "ok": all(goal["ok"] for goal in goals.values()),
    }


# --- the highest rate ---


def search(centre: TrialCentre, size: Size) -> dict[str, list[float]]:
    """Find each kind's highest rate; the kinds take turns at each try.

    Those whose ratio is a goal are looked for `size.searches` times.
    """
    found: dict[str, list[float]] = {name: [] for name in size.kinds}
    for count in range(size.searches):
        running = {
            name: Search(grid(size.step), around=found[name][-1] if found[name] else size.around)
            for name in size.kinds
            if count == 0 or name != "unrecorded"
        }
        while any(one.next is not None for one in running.values()):
            for name, one in running.items():
                if (rate := one.next) is not None:
                    one.told(rate, passed=passes(centre, NUMBERS[name], rate, size.step_s))
        for name, one in running.items():
            found[name].append(one.best)
    return found


def passes(centre: TrialCentre, dialled: str, rate: float, seconds: float) -> bool:
    """Whether 99.9 % succeed at `rate`; a near miss may be a neighbour's and gets a second try."""
    poured = load.pour(centre, dialled, rate, seconds)
    if poured.close:
        poured = load.pour(centre, dialled, rate, seconds)
    return poured.passed


def of_rates(found: dict[str, list[float]]) -> dict[str, Any]:
    """The figures of a search."""
    best = {name: middle(rates) for name, rates in found.items()}
    figures: dict[str, Any] = {f"calls_per_s_{name}": rate for name, rate in best.items()}
    figures["calls_per_s_ratio"] = ratio(best["ours"], best["bare"])
    if "unrecorded" in best:
        figures["calls_per_s_ratio_to_unrecorded"] = ratio(best["ours"], best["unrecorded"])
    return figures


# --- at 20 calls/s ---


def at_twenty(centre: TrialCentre, size: Size) -> dict[str, AtTwenty]:
    """Let the kinds take turns at 20 calls/s; each call is answered by a phone and talks."""
    found = {name: AtTwenty() for name in size.kinds}
    with _phones(centre).start(register=False):
        load.pour(centre, OURS, CALLS_PER_S, 1.0, TALK)  # warm
        for _ in range(size.passes):
            for name in size.kinds:
                _one_pass(centre, NUMBERS[name], size.pass_s, found[name])
    return found


def _one_pass(centre: TrialCentre, dialled: str, seconds: float, found: AtTwenty) -> None:
    rtp = (centre.settings.rtp_first, centre.settings.rtp_last)
    before = proc.cpu_s(centre)
    with Tap(centre.sip[1], rtp) as tap:
        poured = load.pour(centre, dialled, CALLS_PER_S, seconds, TALK)
    found.cpu_ms.append((proc.cpu_s(centre) - before).times(1000 / poured.placed))
    waits = delays(tap.packets, centre.sip, TRUNK_IP, PHONE_IP)
    found.waits.prompt_ms += waits.prompt_ms
    found.waits.ring_ms += waits.ring_ms


def _phones(centre: TrialCentre) -> Phone:
    text = (centre.house.plan.directories.etc / "pjsip.conf").read_text(encoding="utf-8")
    port = int(text.rpartition(f"@{PHONE_IP}:")[2].split()[0])
    talk = (Wait(20.0, rtp=False), HangUp())
    return Phone(
        *("phones", "bench", "", centre.sip),
        plan=talk,
        local_ip=PHONE_IP,
        sip_port=port,
        answer=AnswerAfter(ANSWER_S),
        trace=False,
    )


def of_twenty(found: dict[str, AtTwenty]) -> dict[str, Any]:
    """The figures of the passes at 20 calls/s."""
    figures: dict[str, Any] = {}
    for name, one in found.items():
        figures[f"cpu_ms_per_call_asterisk_{name}"] = _median(one.cpu_ms, "asterisk")
        if name == "ours":
            figures["cpu_ms_per_call_workers"] = _median(one.cpu_ms, "workers")
            figures["cpu_ms_per_call_keeper"] = _median(one.cpu_ms, "keeper")
    for what in ("prompt_ms", "ring_ms"):
        for name, one in found.items():
            for percent in (50, 99):
                values = getattr(one.waits, what)
                words = {"prompt_ms": "invite_to_prompt_ms", "ring_ms": "key_to_ringing_ms"}[what]
                figures[f"{words}_p{percent}_{name}"] = round(percentile(values, percent), 1)
    return figures


def _median(costs: Sequence[Cost], what: str) -> float:
    values: list[float] = [getattr(cost, what) for cost in costs]
    return round(median(values), 1)


# --- memory ---


def of_memory(centre: TrialCentre, size: Size, *, queue: bool) -> dict[str, Any]:
    """The figures of waiting callers and of growth."""
    waiting = memory.measure_waiting(centre, OURS, size.waiting, queue=queue)
    growth = memory.measure_growth(centre, size.growth_calls, size.growth_rate, size.growth_s)
    return of_waiting("ours", waiting) | of_growth(growth, size.growth_rate)


def of_waiting(name: str, waiting: memory.Waiting) -> dict[str, Any]:
    """KiB a waiting call, of Asterisk and of ours apart."""
    figures: dict[str, Any] = {}
    for where, cost in (("menu", waiting.in_menu), ("queue", waiting.in_queue)):
        if cost is None:
            continue
        figures[f"kib_per_call_in_{where}_asterisk_{name}"] = round(cost.asterisk)
        if name == "ours":
            figures[f"kib_per_call_in_{where}_workers"] = round(cost.workers)
    return figures


def of_growth(growth: memory.Growth, rate: float) -> dict[str, Any]:
    """What the calls left behind: in the first twentieth, and by 1,000 calls after it."""
    calls = growth.calls[-1]
    return {
        "growth_calls": calls,
        "growth_calls_per_s": rate,
        "growth_calls_failed": growth.failed,
        "growth_asterisk_mib": _road(growth.asterisk_mib),
        "growth_asterisk_mib_per_1000_calls_late": round(growth.asterisk_per_1000(calls // 2), 2),
        "growth_ours_mib": _road(growth.ours_mib),
    }


def _road(mib: Sequence[float]) -> str:
    """First, after a twentieth, half, all: 61 → 90 → 92 → 92."""
    chosen = (mib[0], mib[min(1, len(mib) - 1)], mib[len(mib) // 2], mib[-1])
    return " → ".join(f"{one:.0f}" for one in chosen)


def goals_of(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The promises of the issue that are a number."""
    return {
        "calls_per_s_ratio": {
            "goal": f"≥ {GOAL_RATIO} of the same call without AGI",
            "ok": figures["calls_per_s_ratio"] >= GOAL_RATIO,
        },
    }


def main(arguments: list[str]) -> int:
    """Print the figures; exit 0 if every goal is reached."""
    began = time.monotonic()
    result = run(quick="--quick" in arguments)
    if "--json" in arguments:
        print(json.dumps(result))
        return 0 if result["ok"] else 1
    for name, value in result["figures"].items():
        goal = result["goals"].get(name)
        mark = "" if goal is None else f"  {goal['goal']}: {'reached' if goal['ok'] else 'MISSED'}"
        print(f"{name:48} {value}{mark}")
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
