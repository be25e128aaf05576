"""Play a flow on a caller's channel. Whatever fails, the caller goes to the queue."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import structlog

from agi.channel import Key, Silence
from agi.errors import AppFailed, Hangup, Refused, UnknownCommand, WrongUsage
from agi.variables import Variable
from call_router.desk import Ring
from call_router.policy import FAILED, Asked
from ivr_flows.steps import KEYS, Ask, Connect, Goto, HangUp, Hours, Language, Say

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_router.call import Call
    from call_router.fact import JSON
    from ivr_flows.flow import Flow
    from ivr_flows.ports import FlowDesk, Line

log = structlog.get_logger(__name__)

QUEUE_ROUTE = "queue,s,1"
ENDED_ROUTE = "ended,s,1"
MOST_STEPS = 500
"""A checked flow ends long before; this ends the impossible one, with a human."""

_RING_FACTS = tuple(f.name for f in fields(Ring) if f.name not in ("call_id", "flow"))
_ASK_FAILED = (AppFailed, UnknownCommand, WrongUsage, Refused)  # after these the channel goes on


def play(
    channel: Line,
    flow: Flow,
    desk: FlowDesk,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Play `flow` until the caller is handed over, the flow ends the call, or they hang up.

    The call is written down before the first prompt. Raises Hangup when the caller left, a normal
    end. Anything else that fails hands the caller over to the queue on the open lane, with the
    reason; it raises only if even that cannot be said to Asterisk, and then the dialplan's own
    fallback takes the caller. `clock` gives aware time, for steps that ask for the hours.
    """
    talk = _Conversation(channel, flow, desk, clock)
    try:
        talk.begin()
        talk.go_through()
    except Hangup:
        raise
    except Exception as broken:
        log.exception("flow_failed", call_id=channel.call_id, flow=flow.name, step=talk.step)
        talk.rescue(broken)


def ring_of(channel: Line, flow: str) -> Ring:
    """Read what the dialplan knows of a call; what it did not tell is ""."""
    told = dict(parse_qsl(channel.get(Variable.RING), keep_blank_values=True))
    return Ring(channel.call_id, flow, **{name: told.get(name, "") for name in _RING_FACTS})


class _Conversation:
    """One call in one flow: where it stands, and what the caller did last."""

    def __init__(
        self, channel: Line, flow: Flow, desk: FlowDesk, clock: Callable[[], datetime]
    ) -> None:
        self.step = flow.start
        self._channel = channel
        self._flow = flow
        self._desk = desk
        self._clock = clock
        self._call: Call | None = None
        self._asked = Asked("failure", None)  # until the caller has been asked
        self._rounds: dict[str, int] = {}

    def begin(self) -> None:
        ring = ring_of(self._channel, self._flow.name)
        self._call = self._desk.receive(ring, self._flow.language)
        self._channel.set(Variable.SAID, "menu")
        self._channel.answer()
        self._speak(self._flow.language)

    def go_through(self) -> None:
        for _ in range(MOST_STEPS):
            following = self._next()
            if following is None:
                return
            self.step = following
        raise RuntimeError(f"{MOST_STEPS} steps and no end")

    def rescue(self, broken: Exception) -> None:
        """Hand over without the flow: to the lane that is open to everybody."""
        what = type(broken).__name__
        decision = replace(
            FAILED,
            rule="flow-failed",
            why=f"alur {self._flow.name} gagal di langkah {self.step} ({what})",
            why_en=f"flow {self._flow.name} failed at step {self.step} ({what})",
        )
        try:
            if self._call is not None:
                self._desk.hand_over(self._call, decision, QUEUE_ROUTE)
        except Exception:
            # The caller: still goes to the queue; Asterisk's journal tells the books.
            log.exception("hand_over_not_written", call_id=self._channel.call_id)
        self._channel.connect(decision.lane, decision.priority, QUEUE_ROUTE)

    def _next(self) -> str | None:
        """Do the step; give the next one, or None if the flow is over."""
        following: str | None = None
        match self._flow.steps[self.step]:
            case Say() as step:
                self._channel.say([prompt.sound for prompt in step.prompts])
                following = step.goto
            case Ask() as step:
                following = self._ask(step)
            case Goto() as step:
                following = self._go(step)
            case Hours() as step:
                following = step.way(self._clock()).target
            case Language() as step:
                self._speak(step.language)
                self._note("language", language=step.language)
                following = step.goto
            case Connect() as step:
                self._connect(step)
            case HangUp() as step:
                self._desk.end(self._channel.call_id, step.ending)
                self._channel.set(Variable.ROUTE, ENDED_ROUTE)
        return following

    def _ask(self, step: Ask) -> str:
        prompt = step.prompts[0].name
        try:
            heard = self._listen(step)
        except _ASK_FAILED as broken:
            # The caller: takes the flow's own way for our failure, which leads to a human.
            log.exception("ask_failed", call_id=self._channel.call_id, step=step.name)
            self._asked = Asked("failure", None)
            self._note("ask_failed", prompt=prompt, error=type(broken).__name__)
            return step.failure
        if isinstance(heard, Silence):
            self._asked = Asked("silence", None)
            self._note("silence", prompt=prompt)
            return step.silence
        known = heard.digit in step.keys
        self._asked = Asked("key" if known else "other_key", heard.digit)
        self._note("key", key=heard.digit, prompt=prompt, after_ms=heard.after_ms)
        return step.keys.get(heard.digit, step.other_key)

    def _listen(self, step: Ask) -> Key | Silence:
        sounds = [prompt.sound for prompt in step.prompts]
        if not step.barge_in:
            self._channel.say(sounds)
            sounds = []
        return self._channel.ask(sounds, keys=KEYS, wait_s=step.wait_s)

    def _go(self, step: Goto) -> str:
        if step.at_most is None or step.then is None:
            return step.goto
        made = self._rounds.get(step.name, 0)
        self._rounds[step.name] = made + 1
        return step.goto if made < step.at_most else step.then

    def _connect(self, step: Connect) -> None:
        call = self._call
        if call is None:
            raise RuntimeError("a call is received before it is connected")
        decision = self._desk.decide(call, self._asked)
        if step.lane is not None and step.lane != decision.lane:
            decision = replace(
                decision,
                lane=step.lane,
                rule=f"flow:{self._flow.name}.{step.name}",
                why=f"alur {self._flow.name} memilih jalur {step.lane}; {decision.why}",
                why_en=f"flow {self._flow.name} chose lane {step.lane}; {decision.why_en}",
            )
        self._desk.hand_over(call, decision, QUEUE_ROUTE)
        self._channel.connect(decision.lane, decision.priority, QUEUE_ROUTE)

    def _speak(self, language: str) -> None:
        self._channel.set("CHANNEL(language)", language)
        self._channel.set(Variable.LANGUAGE, language)

    def _note(self, what: str, **data: JSON) -> None:
        try:
            self._desk.note(self._channel.call_id, what, "", **data)
        except Exception:
            # The caller: notices nothing, a missing note never changes the way through the menu.
            log.exception("note_not_written", call_id=self._channel.call_id, what=what)
