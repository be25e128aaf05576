"""`siaga demo`: a whole centre on this machine, and a simulated city that rings it."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from call_router.call import Reason, Result
from centre import ground
from centre.actors import (
    AnswerAfter,
    Caller,
    CallerId,
    HangUp,
    NeverAnswer,
    Press,
    Speak,
    Wait,
    WaitForHangup,
)
from centre.trial import NotInTimeError, Shape, TrialCentre, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from call_router.call import Call
    from centre.actors import Deed

CALLER_HZ = 440.0
CALL_TAKER_HZ = 700.0
PROGRAMS = ("mmdebstrap", "espeak-ng", "sox", "sipp")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of call: what the caller does, and what must become of it."""

    name: str
    does: str
    plan: Sequence[Deed]
    result: Result
    reason: Reason
    lane: str | None
    caller: CallerId
    via: str = "queue"
    talks: bool = True
    fallback: bool = False


def kinds() -> tuple[Kind, ...]:
    """Every kind that a staffed centre can show, one caller each."""
    talk = (Speak(CALLER_HZ, 3.0), HangUp())
    answered, hung_up = Result.ANSWERED, Reason.CALLER_HUNG_UP

    def number(n: int) -> CallerId:
        return CallerId(f"08123456{n:04d}")

    return (
        Kind(
            "menekan 0",
            "presses 0",
            (Wait(1.0), Press("0"), Wait(1.0), *talk),
            answered,
            hung_up,
            "pressed",
            number(1),
        ),
        Kind(
            "menekan tombol lain",
            "presses 5",
            (Wait(1.0), Press("5"), Wait(1.0), *talk),
            answered,
            hung_up,
            "open",
            number(2),
        ),
        Kind(
            "diam, tidak menekan",
            "presses nothing, says nothing",
            (Wait(17.5), *talk),
            answered,
            hung_up,
            "silence",
            number(3),
        ),
        Kind(
            "nomor disembunyikan",
            "withheld number, presses 0",
            (Wait(1.0), Press("0"), Wait(1.0), *talk),
            answered,
            hung_up,
            "pressed",
            CallerId.anonymous(),
        ),
        Kind(
            "menutup di menu",
            "hangs up in the menu",
            (Wait(1.5), HangUp()),
            Result.ABANDONED,
            Reason.CALLER_HUNG_UP_IN_MENU,
            None,
            number(4),
            talks=False,
        ),
    )


def in_queue() -> Kind:
    """Hangs up while waiting: shown while the only call-taker lets it ring."""
    return Kind(
        "menutup di antrean",
        "presses 0, hangs up in the queue",
        (Wait(1.0), Press("0"), Wait(3.0), HangUp()),
        Result.ABANDONED,
        Reason.CALLER_HUNG_UP_IN_QUEUE,
        "pressed",
        CallerId("081234560005"),
        talks=False,
    )


def nobody_signed_in() -> Kind:
    """No call-taker at all: the outside number answers."""
    return Kind(
        "tak ada petugas masuk",
        "no call-taker signed in",
        (Wait(1.0), Press("0"), Wait(2.0), Speak(CALLER_HZ, 2.0), HangUp()),
        Result.PASSED_ON,
        Reason.OUTSIDE_NUMBER_ANSWERED,
        "pressed",
        CallerId("081234560006"),
        via="outside",
    )


def fastagi_killed() -> Kind:
    """Our own conversations are killed in the middle of the prompt."""
    return Kind(
        "FastAGI dimatikan",
        "FastAGI killed in mid-prompt",
        (Wait(8.0), Speak(CALLER_HZ, 2.0), HangUp()),
        Result.ANSWERED,
        Reason.CALLER_HUNG_UP,
        "fallback",
        CallerId("081234560007"),
        fallback=True,
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one kind: its row, and every way in which it was not as promised."""

    kind: Kind
    call: Call | None
    broken: tuple[str, ...]


def run(
    *, once: bool, keep: Path | None, say: Callable[[str], None], picture: Path | None = None
) -> int:
    """Run the demo; with `once` return 0 if every call ended as promised.

    `picture`: also write the table there as SVG, for the README.
    """
    began = time.monotonic()
    ground.ensure(PROGRAMS, say)
    say("starting a centre on loopback")
    with TrialCentre(Shape(outside=True), keep, say) as centre:
        say(f"ready after {time.monotonic() - began:.0f} s; its folder is {centre.folder}")
        if not once:
            return _stay(centre, say)
        outcomes = _one_of_each(centre, say)
    _print(outcomes, time.monotonic() - began, picture)
    return 1 if any(outcome.broken for outcome in outcomes) else 0


def _one_of_each(centre: TrialCentre, say: Callable[[str], None]) -> list[Outcome]:
    outcomes = []
    with ExitStack() as city:
        city.enter_context(centre.police((Speak(CALL_TAKER_HZ, 60.0), WaitForHangup(60.0))))
        say("nobody is signed in: one caller")
        outcomes.append(_ring(centre, nobody_signed_in()))
        say("a call-taker signs in (*11 and his PIN) and lets it ring: one caller gives up")
        with centre.phone("101", (WaitForHangup(60.0),), answer=NeverAnswer()).start() as deaf:
            centre.sign_in(deaf.phone)
            outcomes.append(_ring(centre, in_queue()))
        say("three call-takers sign in")
        _staff(centre, city)
        say("five callers at once: key, other key, silence, withheld, hang-up")
        with ThreadPoolExecutor(len(kinds())) as callers:
            five = [callers.submit(_ring, centre, kind) for kind in kinds()]
            until("all five have left the menu", lambda: _none_in_menu(centre), 40.0)
            say("FastAGI is killed in mid-prompt: one caller")
            last = _ring(centre, fastagi_killed(), in_the_menu=_kill_conversations)
            outcomes += [ringing.result() for ringing in five]
        outcomes.append(last)
    return outcomes


def _staff(centre: TrialCentre, city: ExitStack) -> None:
    """Three phones that answer, signed in at the same time."""
    plan = (Speak(CALL_TAKER_HZ, 60.0), WaitForHangup(60.0))
    phones = [centre.phone(number, plan, answer=AnswerAfter(0.5)) for number in _numbers(centre)]
    with ThreadPoolExecutor(len(phones)) as starting:
        for line in starting.map(lambda phone: phone.start(), phones):
            city.enter_context(line)
        list(starting.map(centre.sign_in, phones))


def _numbers(centre: TrialCentre) -> list[str]:
    return [call_taker.id for call_taker in centre.settings.call_takers]


def _none_in_menu(centre: TrialCentre) -> bool:
    """All of `kinds` have rung, and each was handed over or has ended."""
    rang = centre.calls()[: len(kinds())]
    return all(call.handed_over_at or call.ending for call in rang) and len(rang) >= len(kinds())


def _ring(
    centre: TrialCentre,
    kind: Kind,
    in_the_menu: Callable[[TrialCentre], None] | None = None,
) -> Outcome:
    caller = Caller(kind.name, kind.caller, centre.sip, plan=kind.plan)
    with caller.start() as ringing:
        if in_the_menu is not None:
            until("the caller is in the menu", lambda: _in_menu(centre, caller.call_id))
            in_the_menu(centre)
        ringing.wait_ended(90.0)
    try:
        call = centre.recorded(caller.call_id, 20.0)
    except NotInTimeError as late:
        return Outcome(kind, centre.call(caller.call_id), (str(late)[:60],))
    return Outcome(kind, call, tuple(_broken(centre, kind, call)))


def _in_menu(centre: TrialCentre, sip_call_id: str) -> bool:
    call = centre.call(sip_call_id)
    return call is not None and call.menu_at is not None


def _kill_conversations(centre: TrialCentre) -> None:
    """Kill -9, the master and its workers, which are in its session."""
    os.killpg(centre.pid("conversations"), signal.SIGKILL)


def _broken(centre: TrialCentre, kind: Kind, call: Call) -> list[str]:
    """Every promise that this call did not see kept, in words."""
    found = []
    ending = call.ending
    if ending is None or (ending.result, ending.reason) != (kind.result, kind.reason):
        found.append(f"ended {ending and ending.reason}, promised {kind.reason}")
    if kind.lane is not None and call.lane != kind.lane:
        found.append(f"lane {call.lane}, promised {kind.lane}")
    if kind.talks and call.via != kind.via:
        found.append(f"answered via {call.via or 'nobody'}, promised {kind.via}")
    if kind.fallback and not call.fallback_why:
        found.append("the fall-back road was not taken")
    found += _missing_voices(centre, kind, call)
    return found


def _missing_voices(centre: TrialCentre, kind: Kind, call: Call) -> list[str]:
    from recordings.tones import tones  # noqa: PLC0415  # numpy only when there is a recording

    wanted = (CALLER_HZ, CALL_TAKER_HZ) if kind.talks else ()
    if not wanted:
        return []
    heard = tones(centre.recording(call), wanted)
    names = {CALLER_HZ: "caller", CALL_TAKER_HZ: "call-taker"}
    return [f"recording lacks the {names[hz]}" for hz in wanted if not heard[hz]]


def _print(outcomes: list[Outcome], seconds: float, picture: Path | None) -> None:
    table = Table(title="Siaga 112: satu panggilan tiap jenis / one call of each kind")
    for column in (
        "jenis / kind",
        "penelepon / caller",
        "jalur / lane",
        "dijawab / answered by",
        "setelah / after",
        "akhir / ending",
        "rekaman / recording",
        "",
    ):
        table.add_column(column, overflow="fold")
    for outcome in outcomes:
        table.add_row(
            outcome.kind.name,
            outcome.kind.does,
            *_cells(outcome.call),
            "[red]✗ " + "; ".join(outcome.broken) if outcome.broken else "[green]✓",
        )
    console = Console(width=max(120, Console().width), highlight=False)
    if picture is not None:
        console = Console(width=140, highlight=False, record=True)
    console.print(table)
    good = sum(1 for outcome in outcomes if not outcome.broken)
    words = f"{good} of {len(outcomes)} calls ended as promised, {seconds:.0f} s in all"
    console.print(f"[bold]{words}[/bold]")
    if picture is not None:
        drawn = console.export_svg(title="./siaga demo --once")
        # Without fonts from elsewhere: a picture asks no other server for anything.
        picture.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), "utf-8")


def _cells(call: Call | None) -> tuple[str, str, str, str, str]:
    if call is None:
        return "–", "–", "–", "no row", "–"
    who = call.answered_by or call.phone or "–"
    wait = f"{call.wait_s:.1f} s" if call.wait_s is not None else "–"
    ending = f"{call.ending.result}: {call.ending.reason}" if call.ending else "open"
    return call.lane or "–", who, wait, ending.replace("_", " "), _recording_words(call)


def _recording_words(call: Call) -> str:
    files = call.recorded.get("files", {})
    mixed = files.get("mixed", {}) if isinstance(files, dict) else {}
    if not isinstance(mixed, dict) or "seconds" not in mixed:
        return "–"
    level = mixed.get("rms_dbfs")
    sound = "silent" if level is None else f"{float(str(level)):.0f} dBFS"
    return f"{float(str(mixed['seconds'])):.1f} s, {sound}"


def _stay(centre: TrialCentre, say: Callable[[str], None]) -> int:
    """A trickle of callers until Ctrl-C; what becomes of each is printed as it ends."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    chance = random.Random()
    with ExitStack() as city, ThreadPoolExecutor(8) as callers:
        city.enter_context(centre.police((Speak(CALL_TAKER_HZ, 60.0), WaitForHangup(60.0))))
        _staff(centre, city)
        host, port = centre.sip
        names = ", ".join(call_taker.name for call_taker in centre.settings.call_takers)
        say(f"SIP {host}:{port}; call-takers {names}")
        say(f"./siaga doctor --settings {centre.settings_file}")
        say("a caller every few seconds; Ctrl-C ends it")
        while not stop.wait(chance.expovariate(1 / 6.0)):
            kind = chance.choice(kinds())
            callers.submit(_show, centre, kind, say)
        say("stopping")
    return 0


def _show(centre: TrialCentre, kind: Kind, say: Callable[[str], None]) -> None:
    outcome = _ring(centre, kind)
    lane, who, wait, ending, recording = _cells(outcome.call)
    mark = "✗ " + "; ".join(outcome.broken) if outcome.broken else "✓"
    say(f"{kind.name:<22} {lane:<9} {who:<7} {wait:>7}  {ending:<38} {recording:<18} {mark}")
