"""Play a flow in a terminal: the words of its prompts on the screen, the keys from the keyboard.

One line is one answer: a key and Enter; Enter alone is silence; the end of input (Ctrl-D) hangs
up. In a terminal everything lasts as long as on the telephone; from a pipe nothing is waited for.
"""

from __future__ import annotations

import select
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from agi.channel import Key, Silence
from agi.errors import Hangup
from agi.variables import Variable
from call_router.call import Event
from call_router.desk import Desk
from call_router.policy import CentreState
from ivr_flows.runner import play

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from call_router.fact import Fact
    from call_router.policy import Rules
    from call_router.seats import SeatFact
    from ivr_flows.flow import Flow
    from ivr_flows.problems import Prompts

_HELP = (
    "Ketik tombol lalu Enter; Enter saja = diam; Ctrl-D = tutup telepon.\n"
    "Type a key and Enter; Enter alone = silence; Ctrl-D = hang up.\n"
)


def rehearse(
    flow: Flow,
    prompts: Prompts,
    rules: Rules,
    *,
    keyboard: TextIO,
    screen: TextIO,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> str:
    """Play `flow` between `keyboard` and `screen`, with the centre's `rules`.

    Gives the route on which the call left the flow, "" if the caller hung up. `clock` gives
    aware time, for `hours`.
    """
    terminal = Terminal(prompts, keyboard, screen)
    desk = Desk(_Shown(screen), rules, clock, lambda: CentreState(None, None, None))
    title = flow.title.get("id", flow.name)
    screen.write(f"☎ {flow.name} · {title}\n{_HELP}")
    try:
        play(terminal, flow, desk, clock=clock)
    except Hangup:
        screen.write("Penelepon menutup telepon. / The caller hung up.\n")
    return terminal.get(Variable.ROUTE)


class Terminal:
    """A caller's channel in a terminal; looks like agi.channel.Channel to a flow."""

    call_id = "rehearsal"

    def __init__(self, prompts: Prompts, keyboard: TextIO, screen: TextIO) -> None:
        self._prompts = prompts
        self._keyboard = keyboard
        self._screen = screen
        self._is_live = keyboard.isatty()
        self._variables: dict[str, str] = {}

    def get(self, variable: str) -> str:
        """Give what was set before, "" for the rest."""
        return self._variables.get(str(variable), "")

    def set(self, variable: str, value: object) -> None:
        """Keep a variable for the length of the rehearsal."""
        self._variables[str(variable)] = str(value)

    def answer(self) -> None:
        """Need nothing: a terminal is always there."""

    def say(self, sounds: Sequence[str], *, keys: str = "") -> str | None:
        """Show the words of `sounds`, each for as long as it lasts; give an interrupting key."""
        for sound in sounds:
            typed = self._show(sound)
            if typed and typed in keys:
                return typed
        return None

    def ask(self, sounds: Sequence[str], *, keys: str, wait_s: float) -> Key | Silence:
        """Show `sounds` and read one line; raises Hangup at the end of input."""
        began = time.monotonic()
        typed = None
        for sound in sounds:
            typed = self._show(sound)
            if typed is not None:
                break
        if typed is None:
            self._screen.write(f"    … {wait_s:g} s > ")
            self._screen.flush()
            typed = self._line(wait_s)
            if not (self._is_live and typed):
                self._screen.write(f"{typed or ''}\n")  # a terminal has shown what was typed
        if typed and (len(typed) > 1 or typed not in keys):
            self._screen.write(
                "    Suara belum didengar, dianggap diam. / Voice is not heard yet: silence.\n"
            )
            return Silence()
        return Key(typed, round((time.monotonic() - began) * 1000)) if typed else Silence()

    def connect(self, lane: str, priority: int, route: str) -> None:
        """Show where the caller goes."""
        self.set(Variable.LANE, lane)
        self.set(Variable.PRIORITY, priority)
        self.set(Variable.ROUTE, route)

    def _show(self, sound: str) -> str | None:
        """Show one prompt; in a live terminal listen while it lasts."""
        *before, name = sound.split("/")
        language = before[0] if len(before) > 1 else self.get("CHANNEL(language)")
        self._screen.write(f"[{language}] {self._prompts.words(name, language)}\n")
        self._screen.flush()
        return self._line(self._prompts.length_s(name, language)) if self._is_live else None

    def _line(self, seconds: float) -> str | None:
        """Read a line; None when nobody typed one in time."""
        if self._is_live and not select.select([self._keyboard], [], [], seconds)[0]:
            return None
        line = self._keyboard.readline()
        if not line:
            raise Hangup("the input ended")
        return line.strip()


class _Shown:
    """Books that show what would be written down."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen

    def record(self, *facts: Fact | SeatFact) -> None:
        for fact in facts:
            if fact.what == Event.RING:
                continue
            told = "  ".join(f"{key}={value}" for key, value in fact.data.items() if value != "")
            self._screen.write(f"    · {fact.what}  {told}  {fact.why}".rstrip() + "\n")

    tell = record
