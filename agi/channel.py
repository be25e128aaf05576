"""The verbs a conversation may use on a caller's channel.

Before every step the channel renews Asterisk's absolute timeout (the dead-man's handle): if this
program freezes in the middle of the step, Asterisk itself takes the caller to a human
`MARGIN_S` after the step should have been done.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import structlog

from agi.errors import AppFailed, Hangup, Refused
from agi.session import Session
from agi.variables import Variable

ALL_KEYS = "0123456789*#ABCD"
MARGIN_S = 3.0
"""How long after a step's own length Asterisk waits before it takes the caller away."""
_PATIENCE_S = 2.0
"""How much longer than Asterisk's own timeout we wait: Asterisk must be the first to act."""
UNKNOWN_LENGTH_S = 10.0
"""The length assumed for a sound whose length nobody knows."""

_Log = structlog.typing.FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Key:
    """The caller pressed `digit`, `after_ms` milliseconds after the question began."""

    digit: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller pressed nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What Asterisk asked for: ``agi://host/script?query``, and the whole AGI header."""

    script: str
    query: Mapping[str, str]
    env: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Request":
        """Read the request out of an AGI header; the first of two equal query keys wins."""
        path, _, query = env.get("agi_network_script", "").partition("?")
        pairs = parse_qsl(query, keep_blank_values=True) if query else ()
        return cls(path.strip("/"), dict(reversed(list(pairs))), env)


class Channel:
    """A caller's channel. Blocking, for one thread.

    Every verb may raise `Hangup` (a normal end), `DeadlineExceeded` or `ProtocolError`; after
    these nothing more can be said to Asterisk.
    """

    def __init__(
        self, session: Session, *, length_s: Callable[[str], float | None] | None = None
    ) -> None:
        self.request = Request.of(session.env)
        self.call_id = session.env.get("agi_uniqueid", "")
        self._session = session
        self._length_of = length_s
        self._log: _Log | None = None

    @property
    def log(self) -> _Log:
        """The log, with this call's id on every line."""
        if self._log is None:
            self._log = structlog.get_logger().bind(call_id=self.call_id)
        return self._log

    def get(self, variable: str) -> str:
        """Give a variable's or a dialplan function's value, '' if unset."""
        return str(self._session.get_variable(variable))

    def set(self, variable: str, value: object) -> None:
        """Set a variable or write a dialplan function."""
        self._session.set_variable(variable, value)

    def hold_for(self, seconds: float) -> None:
        """Renew the dead-man's handle: the caller stays ours for `seconds` and `MARGIN_S`."""
        self._session.set_variable("TIMEOUT(absolute)", math.ceil(seconds + MARGIN_S))

    def answer(self) -> None:
        """Answer the call, if nobody has yet."""
        self._step(0)
        self._session.answer()

    def say(self, sounds: Sequence[str], *, keys: str = "") -> str | None:
        """Play `sounds` in order; give the key among `keys` that interrupted them, else None.

        A sound that cannot be played is logged and counts as played: the caller goes on.
        """
        for sound in sounds:
            self._step(self._length_s(sound))
            try:
                digit = self._session.stream_file(sound, keys)
            except AppFailed:
                self.log.error("sound cannot be played", sound=sound)  # noqa: TRY400 # -1 says it all
                continue
            if digit:
                return str(digit)
        return None

    def ask(self, sounds: Sequence[str], *, keys: str, wait_s: float) -> Key | Silence:
        """Play `sounds`, then wait `wait_s` for a key; any key at any moment ends it.

        A key that is not among `keys` is given as well: what a wrong key means is the
        conversation's to decide.
        """
        if not set(keys) <= set(ALL_KEYS):
            raise Refused(f"keys of a telephone are {ALL_KEYS}")
        began = time.monotonic()
        digit = self.say(sounds, keys=ALL_KEYS) or self._wait(wait_s)
        # A program that was frozen hears the key late: Asterisk has taken the caller on by then.
        self._session.test_hangup()
        if not digit:
            return Silence()
        return Key(digit, round((time.monotonic() - began) * 1000))

    def collect(self, sounds: Sequence[str], *, max_digits: int, wait_s: float) -> str:
        """Collect up to `max_digits` keys; ``#`` or `wait_s` without a key ends it.

        For secrets: neither logged here nor shown in an error.
        """
        digit = self.say(sounds, keys=ALL_KEYS) or self._wait(wait_s)
        digits = ""
        while digit and digit != "#":
            digits += digit
            if len(digits) >= max_digits:
                break
            digit = self._wait(wait_s)
        return digits

    def connect(self, lane: str, priority: int, route: str) -> None:
        """Tell the dialplan where the caller goes now. ROUTE is set last: it makes the rest so."""
        self.hold_for(0)
        self.set(Variable.LANE, lane)
        self.set(Variable.PRIORITY, priority)
        self.set(Variable.ROUTE, route)

    def execute(self, app: str, *args: object, within_s: float = 0.0) -> str:
        """Run a dialplan application that takes up to `within_s`; give its result.

        Raises AppFailed when it failed or does not exist, Refused for an argument with a comma:
        Asterisk would read it as two.
        """
        if any("," in str(arg) for arg in args):
            raise Refused("an argument with a comma would be read as two arguments")
        self._step(within_s)
        result = str(self._session.exec_command(app, *args)["result"][0])
        if result == "-2":
            raise AppFailed(f"this Asterisk has no application {app}")
        return result

    def hang_up(self, cause: int = 16) -> None:
        """End the call with a Q.850 cause (16 is normal clearing)."""
        try:
            self.execute("Hangup", cause)
        except (Hangup, AppFailed):
            return

    def verbose(self, message: str, level: int = 1) -> None:
        """Write a line on Asterisk's own console."""
        printable = "".join(sign if sign.isprintable() else " " for sign in message)
        self._session.verbose(printable, level)

    def _wait(self, seconds: float) -> str:
        if seconds <= 0:
            return ""
        self._step(seconds)
        try:
            return str(self._session.wait_for_digit(round(seconds * 1000)))
        except AppFailed:
            # Nothing came and nothing can come: the conversation treats it as silence.
            self.log.error("cannot wait for a key")  # noqa: TRY400 # -1 says it all
            return ""

    def _step(self, seconds: float) -> None:
        self.hold_for(seconds)
        self._session.allow(seconds + MARGIN_S + _PATIENCE_S)

    def _length_s(self, sound: str) -> float:
        length_s: Any = self._length_of(sound) if self._length_of else None
        return UNKNOWN_LENGTH_S if length_s is None else float(length_s)
