"""A person who rings: one INVITE to the centre's trunk and a plan for the talk."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from centre.actors.deeds import Deed, WaitForHangup, rehearse
from centre.actors.scenario import credentials, escaped, render
from centre.actors.sipp import Actor, Workplace, free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REFUSALS: Final = (400, 401, 403, 404, 407, 408, 410, 415, 480, 481, 482, 483, 484, 486, 487, 488)
REFUSALS_OF_SERVERS: Final = (500, 501, 502, 503, 504, 600, 603, 604, 606)


@dataclass(frozen=True, slots=True)
class CallerId:
    r"""How the trunk presents the caller, as raw header text (percent-encode what must be).

    `user` None leaves the user part out; "" display means no name. `whole` replaces the entire
    From value. Lone surrogates (`"\udce9"`) are sent as the raw byte they stand for.
    """

    user: str | None
    display: str = ""
    domain: str = ""
    pai: str = ""
    privacy: str = ""
    whole: str = ""

    @classmethod
    def anonymous(cls, pai: str = "") -> CallerId:
        """A withheld number; `pai` is the P-Asserted-Identity only the network may see."""
        return cls("anonymous", "Anonymous", "anonymous.invalid", pai, "id" if pai else "")

    def from_header(self, local_ip: str) -> str:
        """The value of the From header, without its tag."""
        if self.whole:
            return self.whole
        user = "" if self.user is None else f"{self.user}@"
        display = f'"{self.display}" ' if self.display else ""
        return f"{display}<sip:{user}{self.domain or local_ip}>"

    def headers(self) -> list[str]:
        """The other headers that tell who rings."""
        return [
            *([f"P-Asserted-Identity: {self.pai}"] if self.pai else []),
            *([f"Privacy: {self.privacy}"] if self.privacy else []),
        ]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who rings, whom, and what they do once answered.

    `target` is the trunk's address of the centre (ip, port); `local_ip` the trunk's own, by which
    the centre knows it. `call_id` is the SIP Call-ID, so that a test finds its row. `sequence`
    and `ssrc` fix the RTP stream's start. `cancel_after_s` gives up so long after the last sign
    of ringing. `account` (user, password) answers a challenge, as a phone that dials out must.
    `events=False` offers no RFC 4733 events, so the centre must listen for tones. `sip_port` 0
    takes a free one. The call ends by itself after `longest_s`.
    """

    name: str
    caller_id: CallerId
    target: tuple[str, int]
    plan: Sequence[Deed] = (WaitForHangup(),)
    dialled: str = "112"
    local_ip: str = "127.0.0.2"
    headers: Sequence[str] = ()
    account: tuple[str, str] | None = None
    cancel_after_s: float | None = None
    set_up_s: float = 60.0
    longest_s: float = 660.0
    sequence: int | None = None
    ssrc: int | None = None
    sip_port: int = 0
    events: bool = True
    call_id: str = field(default_factory=lambda: f"{secrets.token_hex(8)}@caller")

    def start(self, folder: Path | None = None) -> Call:
        """Ring now. SIPp's files go to `folder`, or to a temporary one that `stop` removes.

        Raises ActorError when SIPp cannot start, ValueError when the plan cannot be acted.
        """
        place = Workplace.prepare(folder)
        sip, media = free_ports(self.local_ip)
        with place.cleared_on_failure() as here:
            arguments = [
                f"{self.target[0]}:{self.target[1]}",
                *("-sf", str(self.write(here)), "-m", "1", "-cid_str", self.call_id),
                *("-i", self.local_ip, "-p", str(self.sip_port or sip)),
                *("-mi", self.local_ip, "-mp", str(media)),
                *("-timeout", f"{self.longest_s:.0f}s", "-timeout_error"),
                *("-trace_msg", "-message_file", str(here / "messages.log")),
            ]
            return Call(self, place, arguments, media)

    def write(self, folder: Path, *, crowd: bool = False) -> Path:
        """Write the scenario and its RTP into `folder`; returns the scenario's path.

        In a `crowd` each call takes a media port of its own, and a refusal is a failed call.
        """
        refusals = () if crowd else (*REFUSALS, *REFUSALS_OF_SERVERS)
        sender = self.caller_id.from_header(self.local_ip)
        return render(
            "caller",
            folder,
            acts=rehearse(self.plan, folder, sequence=self.sequence, ssrc=self.ssrc),
            dialled=self.dialled,
            **{"from": sender},
            from_escaped=escaped(sender),
            tag="[call_number]-" + secrets.token_hex(4),
            contact=self.account[0] if self.account else "trunk",
            headers=[*self.caller_id.headers(), *self.headers],
            credentials=credentials(self.account),
            challenged=self.account is not None,
            refusals=refusals,
            cancel_after_ms=round((self.cancel_after_s or 0) * 1000),
            set_up_ms=round(self.set_up_s * 1000),
            media_port="[auto_media_port]" if crowd else "[media_port]",
            events=self.events,
        )


class Call(Actor):
    """A running call of a `Caller`; `media_port` is where an `Ear` hears what the caller hears."""

    def __init__(
        self, caller: Caller, place: Workplace, arguments: Sequence[str], media: int
    ) -> None:
        self.caller = caller
        self.media_port = media
        super().__init__(caller.name, place, arguments)
