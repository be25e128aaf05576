"""What a conversation needs of the wire and of the desk, as far as it needs it.

`agi.channel.Channel` and `call_router.desk.Desk` are the real ones; `rehearsal` has others that
play in a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi.channel import Key, Silence
    from call_router.call import Call
    from call_router.desk import Ring
    from call_router.fact import JSON
    from call_router.policy import Asked, Decision


class Line(Protocol):
    """A caller's channel. Every verb may raise `agi.errors.Hangup`."""

    @property
    def call_id(self) -> str:
        """The call's id: Asterisk's UNIQUEID."""

    def get(self, variable: str) -> str:
        """Give a variable's value, "" if unset."""

    def set(self, variable: str, value: object) -> None:
        """Set a variable."""

    def answer(self) -> None:
        """Answer, if nobody has yet."""

    def say(self, sounds: Sequence[str], *, keys: str = "") -> str | None:
        """Play sounds; give the key that interrupted them."""

    def ask(self, sounds: Sequence[str], *, keys: str, wait_s: float) -> Key | Silence:
        """Play sounds and wait for a key."""

    def connect(self, lane: str, priority: int, route: str) -> None:
        """Set where the dialplan takes the caller next."""


class SeatLine(Line, Protocol):
    """A call-taker's own channel, when they dial a star code."""

    def collect(self, sounds: Sequence[str], *, max_digits: int, wait_s: float) -> str:
        """Play sounds and collect keys up to `#`."""

    def execute(self, app: str, *args: object) -> str:
        """Run a dialplan application."""


class FlowDesk(Protocol):
    """What a conversation may ask of the desk. Nothing here waits long or refuses a caller."""

    def receive(self, ring: Ring, language: str) -> Call:
        """Write the call down, and that its menu begins in `language`."""

    def note(self, call_id: str, what: str, why: str = "", **data: JSON) -> None:
        """Add a fact to the call's timeline."""

    def decide(self, call: Call, asked: Asked) -> Decision:
        """Choose lane and priority, with the reason."""

    def hand_over(self, call: Call, decision: Decision, route: str) -> None:
        """Write the decision down before it is acted on."""

    def end(self, call_id: str, name: str) -> None:
        """Write down that the flow itself ends the call, and under which name."""
