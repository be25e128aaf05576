"""Our FastAGI server beside panoramisk, pystrix and pyst2's own class, in the same run.

A synthetic Asterisk (`bench.fastagi_caller`, a process of its own) plays the same emergency call
of twelve commands against each: as fast as possible with 10 and with 100 callers at once, in
interleaved passes of which the median counts, and at 200 calls/s, where the turnaround is what
a caller waits between Asterisk's reply and our next command. Then every fault of
`bench.fastagi_faults` is played twenty times against ours, and each must end or complete right.

The synthetic Asterisk is written in Python and shares the machine's cores with the server: its
own cost a call is among the figures. It limits the fastest server most, so the ratios are lower
bounds. The peers run as their documentation says. What other programs took of the machine is
measured in each pass; the passes in which it was least (not those with the best results) count.

    python -m bench.fastagi [--quick] [--json]
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

from bench.fastagi_faults import FAULTS, Fault, normal_call

ROOT = Path(__file__).parents[1]
PEERS = {
    "ours": "ours",
    "panoramisk": "panoramisk_peer",
    "pystrix": "pystrix_peer",
    "pyst2 in threads": "pyst2_peer",
}
CALLERS = (10, 100)
CALLS_PER_S = 200
GOAL_RATIO = 1.8
GOAL_TURN_P99_MS = 0.5
_FAULT_DEADLINE_S = 0.5
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Peer:
    """A server in a process of its own."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.fastagi_peers.{module}", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline() or 0)
        if not self.port:
            raise RuntimeError(f"{module} does not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def cpu_s(self) -> float:
        """Give the processor time of the server and its workers so far."""
        return sum(map(_cpu_s, _family(self._process.pid)))


@dataclass(frozen=True)
class Pass:
    """What one pass measured, and the share of the machine that neighbours took meanwhile."""

    neighbours: float
    figures: dict[str, float]


@dataclass
class Figures:
    """What was measured of one server."""

    loops: dict[int, list[Pass]] = field(default_factory=lambda: {c: [] for c in CALLERS})
    rates: list[Pass] = field(default_factory=list)

    def take(self, peer: Peer, callers: int, seconds: float) -> None:
        """Measure one pass as fast as possible."""
        self.loops[callers].append(_measure(peer, "loop", callers, seconds))

    def take_rate(self, peer: Peer, seconds: float) -> None:
        """Measure one pass at the fixed rate."""
        self.rates.append(_measure(peer, "rate", CALLS_PER_S, seconds))

    def summary(self) -> dict[str, float]:
        """Give the medians of the quiet passes."""
        found: dict[str, float] = {}
        for callers, passes in self.loops.items():
            found[f"calls_per_s_c{callers}"] = round(_median(passes, "calls_per_s"))
            found[f"cpu_ms_per_call_c{callers}"] = round(_median(passes, "cpu_ms"), 3)
        if self.rates:
            found["turn_p50_ms"] = round(_median(self.rates, "turn_p50_ms"), 3)
            found["turn_p99_ms"] = round(_median(self.rates, "turn_p99_ms"), 3)
        every = [one for passes in (*self.loops.values(), self.rates) for one in passes]
        loops = [one for passes in self.loops.values() for one in passes]
        found["caller_cpu_ms_per_call"] = round(_median(loops, "caller_cpu_ms"), 3)
        found["neighbours_share"] = round(median(one.neighbours for one in every), 2)
        found["broken_calls"] = sum(one.figures["broken"] for one in every)
        return found


def _median(passes: list[Pass], figure: str) -> float:
    """Give the median over the quieter half of the passes."""
    quiet = sorted(passes, key=lambda one: one.neighbours)[: (len(passes) + 1) // 2]
    return median(one.figures[figure] for one in quiet)


def _measure(peer: Peer, how: str, amount: float, seconds: float) -> Pass:
    server_s, busy_s, began = peer.cpu_s(), _busy_s(), time.monotonic()
    made = _make_calls(peer, how, amount, seconds)
    server_s, busy_s = peer.cpu_s() - server_s, _busy_s() - busy_s
    calls = max(1, made["completed"])
    made["cpu_ms"] = server_s / calls * 1000
    made["caller_cpu_ms"] = made["own_cpu_s"] / calls * 1000
    neighbours_s = max(0.0, busy_s - server_s - made["all_cpu_s"])
    return Pass(neighbours_s / (time.monotonic() - began) / (os.cpu_count() or 1), made)


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measure everything; give ``{"name", "figures", "goals", "ok"}``.

    Under 3 minutes, `quick` under 30 seconds: shorter passes, and the fixed rate for ours only.
    """
    passes, loop_s, rates, rate_s, repeats = (3, 0.5, 4, 1.5, 3) if quick else (6, 1.2, 6, 2.0, 20)
    measured = {name: Figures() for name in PEERS}
    with ExitStack() as stack:
        peers = {name: stack.enter_context(Peer(module)) for name, module in PEERS.items()}
        for peer in peers.values():
            _make_calls(peer, "loop", CALLERS[0], 0.2)  # warm
        for _ in range(passes):
            for callers in CALLERS:
                for name, peer in peers.items():
                    measured[name].take(peer, callers, loop_s)
        for _ in range(rates):
            for name, peer in peers.items():
                if name == "ours" or not quick:
                    measured[name].take_rate(peer, rate_s)
    summaries = {name: figures.summary() for name, figures in measured.items()}
    with Peer("ours", str(_FAULT_DEADLINE_S)) as peer:
        wrong = _play_faults(peer, repeats)
    goals = _goals(summaries, wrong)
    return {
        "name": "fastagi",
        "figures": {**summaries, "faults": {"kinds": len(FAULTS), "wrong": wrong}},
        "goals": goals,
        "ok": all(goal["ok"] for goal in goals.values()),
    }


def _goals(summaries: dict[str, dict[str, float]], wrong: list[str]) -> dict[str, dict[str, Any]]:
    goals: dict[str, dict[str, Any]] = {}
    ours = summaries["ours"]
    for callers in CALLERS:
        key = f"calls_per_s_c{callers}"
        best = max(figures[key] for name, figures in summaries.items() if name != "ours")
        ratio = round(ours[key] / best, 2)
        goals[f"times_the_best_peer_c{callers}"] = {
            "is": ratio,
            "at_least": GOAL_RATIO,
            "ok": ratio >= GOAL_RATIO,
        }
    goals["turn_p99_ms"] = {
        "is": ours["turn_p99_ms"],
        "at_most": GOAL_TURN_P99_MS,
        "ok": ours["turn_p99_ms"] <= GOAL_TURN_P99_MS,
    }
    goals["faults_that_end_wrong"] = {"is": len(wrong), "at_most": 0, "ok": not wrong}
    goals["broken_calls"] = {
        "is": ours["broken_calls"],
        "at_most": 0,
        "ok": not ours["broken_calls"],
    }
    return goals


def _play_faults(peer: Peer, repeats: int) -> list[str]:
    """Play each fault `repeats` times at once, then normal calls; give the names of the wrong."""
    address = ("127.0.0.1", peer.port)
    wrong = []
    with ThreadPoolExecutor(repeats) as pool:
        for fault in FAULTS:
            if not all(
                pool.map(lambda _, fault=fault: _ends_right(fault, address), range(repeats))
            ):
                wrong.append(fault.name)
            after = Fault("the calls after " + fault.name, normal_call)
            if not all(_ends_right(after, address) for _ in range(5 * repeats)):
                wrong.append(after.name)
    return wrong


def _ends_right(fault: Fault, address: tuple[str, int]) -> bool:
    try:
        fault.play(address)
    except (AssertionError, OSError):
        return False
    return True


def _make_calls(peer: Peer, how: str, amount: float, seconds: float) -> dict[str, float]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.fastagi_caller",
            str(peer.port),
            how,
            str(amount),
            str(seconds),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    made: dict[str, float] = json.loads(done.stdout)
    return made


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _busy_s() -> float:
    """Give the time that all cores together have worked, or were taken by the host."""
    ticks = list(
        map(int, Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:9])
    )
    idle, waiting = ticks[3], ticks[4]
    return (sum(ticks) - idle - waiting) / _TICKS_PER_S


def _cpu_s(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_S


def main(arguments: list[str]) -> int:
    """Print the figures; exit 0 if every goal is reached."""
    began = time.monotonic()
    result = run(quick="--quick" in arguments)
    if "--json" in arguments:
        print(json.dumps(result))
        return 0 if result["ok"] else 1
    for name in PEERS:
        print(f"{name:18}" + "  ".join(f"{k} {v}" for k, v in result["figures"][name].items()))
    for name, goal in result["goals"].items():
        print(f"{'reached' if goal['ok'] else 'MISSED':8} {name}: {goal}")
    print(f"{len(FAULTS)} faults, wrong: {result['figures']['faults']['wrong'] or 'none'}")
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
