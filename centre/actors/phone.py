"""A call-taker's SIP phone: registers, dials star codes, answers calls one after another."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from centre.actors.caller import Call, Caller, CallerId
from centre.actors.deeds import Deed, Press, Speak, Wait, WaitForHangup, rehearse
from centre.actors.scenario import credentials, render
from centre.actors.sipp import Actor, ActorError, Workplace, free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPIRES_S: Final = 3600
_LONG_RING_MS: Final = 600_000
_WORDS: Final = {
    480: "Temporarily Unavailable",
    486: "Busy Here",
    500: "Server Internal Error",
    503: "Service Unavailable",
    603: "Decline",
}


@dataclass(frozen=True, slots=True)
class AnswerAfter:
    """Ring for `seconds`, then answer."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NeverAnswer:
    """Ring until the caller's side gives up."""


@dataclass(frozen=True, slots=True)
class RejectWith:
    """Refuse at once with a SIP `code`, e.g. 603 or 480."""

    code: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Refuse as busy (486)."""


@dataclass(frozen=True, slots=True)
class Phone:
    """Whose phone, where, and what its owner does with every call that rings.

    `user` and `password` are the SIP account at `target` (ip, port); `sip_port` 0 takes a free
    one. `echo` sends back what it hears instead of speaking: leave Speak out of `plan` then.
    `sequence` and `ssrc` fix the start of the RTP stream of each call. `calls` None answers
    until stopped; `trace=False` then keeps no SIP messages on disk.
    """

    name: str
    user: str
    password: str
    target: tuple[str, int]
    local_ip: str = "127.0.0.3"
    answer: AnswerAfter | NeverAnswer | RejectWith | Busy = AnswerAfter(0.5)
    plan: Sequence[Deed] = (Speak(700.0, 60.0), WaitForHangup())
    sip_port: int = 0
    calls: int | None = None
    echo: bool = False
    sequence: int | None = None
    ssrc: int | None = None
    longest_s: float | None = None
    trace: bool = True

    def start(self, folder: Path | None = None, *, register: bool = True) -> Line:
        """Register (unless told not to) and wait for calls; returns once the phone can ring.

        Raises ActorError when the account is refused or SIPp cannot start.
        """
        place = Workplace.prepare(folder)
        sip, media = free_ports(self.local_ip)
        port = self.sip_port or sip
        with place.cleared_on_failure() as here:
            if register:
                self.register(here / "register", port)
            arguments = self._arguments(here, port, media)
            return Line(self, place, arguments, port=port, media=media)

    def register(self, folder: Path, port: int, *, expires_s: int = EXPIRES_S) -> None:
        """Bind the account to `local_ip`:`port` for `expires_s` (0: sign off).

        Raises ActorError when refused or unanswered.
        """
        place = Workplace.prepare(folder)
        scenario = render(
            "register",
            folder,
            contact=self.user,
            credentials=credentials((self.user, self.password)),
            expires_s=expires_s,
            tag=secrets.token_hex(4),
        )
        arguments = [*self._common(folder, scenario, port), "-m", "1", "-timeout", "15s"]
        with Actor(f"{self.name} (registering)", place, arguments) as actor:
            if actor.wait_ended(20) != 0:
                raise ActorError(f"{self.name} could not register. {actor.story()}")

    def dial(
        self, number: str, keys: str = "", *, before_keys_s: float = 1.0, wait_s: float = 20.0
    ) -> Call:
        """Dial `number` (a star code) from this phone and press `keys`; returns the running call.

        The keys are RFC 4733 events after `before_keys_s`; then the other side may hang up
        within `wait_s`. Uses a SIP port of its own, so the phone can ring meanwhile.
        """
        plan: list[Deed] = [Wait(before_keys_s)]
        for key in keys:
            plan += [Press(key), Wait(0.1)]
        return Caller(
            name=f"{self.name} dials {number}",
            caller_id=CallerId(self.user, domain=self.target[0]),
            target=self.target,
            plan=[*plan, WaitForHangup(wait_s)],
            dialled=number,
            local_ip=self.local_ip,
            account=(self.user, self.password),
            longest_s=before_keys_s + len(keys) + wait_s + 10,
        ).start()

    def _arguments(self, folder: Path, port: int, media: int) -> list[str]:
        scenario = render(
            "phone",
            folder,
            acts=rehearse(self.plan, folder, sequence=self.sequence, ssrc=self.ssrc),
            answer=_answer(self.answer),
            contact=self.user,
            credentials=credentials((self.user, self.password)),
            media_port="[media_port]",
            events=True,
            tag=f"[call_number]-{secrets.token_hex(4)}",
        )
        return [
            *self._common(folder, scenario, port),
            *("-mi", self.local_ip, "-mp", str(media)),
            *(("-m", str(self.calls)) if self.calls else ()),
            *(("-rtp_echo",) if self.echo else ()),
            *(("-timeout", f"{self.longest_s:.0f}s") if self.longest_s else ()),
        ]

    def _common(self, folder: Path, scenario: Path, port: int) -> list[str]:
        return [
            f"{self.target[0]}:{self.target[1]}",
            *("-sf", str(scenario), "-i", self.local_ip, "-p", str(port)),
            *(("-trace_msg", "-message_file", str(folder / "messages.log")) if self.trace else ()),
        ]


class Line(Actor):
    """A phone that waits for calls; an `Ear` on `media_port` hears what its owner hears."""

    def __init__(
        self, phone: Phone, place: Workplace, arguments: Sequence[str], *, port: int, media: int
    ) -> None:
        self.phone = phone
        self.sip_port = port
        self.media_port = media
        super().__init__(phone.name, place, arguments)


def _answer(answer: AnswerAfter | NeverAnswer | RejectWith | Busy) -> dict[str, object]:
    match answer:
        case AnswerAfter(seconds):
            return {"kind": "answer", "ms": round(seconds * 1000)}
        case NeverAnswer():
            return {"kind": "answer", "ms": _LONG_RING_MS}
        case Busy():
            return {"kind": "reject", "status": f"486 {_WORDS[486]}"}
        case RejectWith(code):
            return {"kind": "reject", "status": f"{code} {_WORDS.get(code, 'Refused')}"}
