"""What a person on the phone can do, and how each deed becomes RTP and SIPp's words."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypedDict

import numpy as np

from centre.actors import pcap

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_S: Final = 600.0
"""No deed lasts longer: its audio is written beforehand, about 11 kB a second."""
TRANSFER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Say nothing for `seconds`; `rtp=False` sends no packets at all (silence suppression)."""

    seconds: float
    rtp: bool = True
    kind: ClassVar[str] = "wait"

    def record(self, stream: pcap.Stream) -> Path | None:
        """The RTP of this deed, or None."""
        return stream.say(pcap.silence(self.seconds)) if self.rtp else None


@dataclass(frozen=True, slots=True)
class Press:
    """Press one key for `hold_ms`, as RFC 4733 events, SIP INFO or tones in the audio."""

    key: str
    by: Literal["rfc4733", "info", "inband"] = "rfc4733"
    hold_ms: int = 120

    @property
    def kind(self) -> str:
        """`info` needs a SIP request, the others only RTP."""
        return "info" if self.by == "info" else "press"

    @property
    def seconds(self) -> float:
        """The key and the short rest after it."""
        return (self.hold_ms + 80) / 1000

    @property
    def detail(self) -> str:
        """The body of the INFO request."""
        return f"Signal={self.key}\r\nDuration={self.hold_ms}"

    def record(self, stream: pcap.Stream) -> Path | None:
        """The RTP of this deed, or None."""
        if self.by == "rfc4733":
            return stream.press(self.key, hold_ms=self.hold_ms)
        if self.by == "info":
            return stream.say(pcap.silence(self.seconds))
        sound = pcap.dual_tone(self.key, self.hold_ms / 1000)
        return stream.say(np.concatenate([sound, pcap.silence(0.08)]))


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak for `seconds`: a tone of so many Hz, or a WAV (8 kHz mono s16) cut or repeated.

    A `sequence` starts a new RTP stream there (new SSRC), as some phones do in mid-call.
    """

    voice: float | Path
    seconds: float
    sequence: int | None = None
    kind: ClassVar[str] = "speak"

    def record(self, stream: pcap.Stream) -> Path | None:
        """The RTP of this deed."""
        if isinstance(self.voice, Path):
            sound = pcap.read_wav(self.voice)
            return stream.say(np.resize(sound, round(self.seconds * pcap.RATE_HZ)))
        return stream.say(pcap.tone(self.voice, self.seconds))


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up; `detail` is sent as the Reason header of the BYE, e.g. `Q.850;cause=27`."""

    detail: str = ""
    kind: ClassVar[str] = "hang_up"


@dataclass(frozen=True, slots=True)
class WaitForHangup:
    """Say nothing until the other side hangs up, for at most `seconds`; then hang up oneself."""

    seconds: float = 60.0
    kind: ClassVar[str] = "wait"

    def record(self, stream: pcap.Stream) -> Path | None:
        """The RTP of this deed: silence."""
        return stream.say(pcap.silence(self.seconds))


@dataclass(frozen=True, slots=True)
class Vanish:
    """Drop off the network: SIP and RTP stop in the same moment, nothing is said."""

    kind: ClassVar[str] = "vanish"


@dataclass(frozen=True, slots=True)
class Hold:
    """Put the other side on hold (re-INVITE sendonly) for `seconds`, then take it back."""

    seconds: float
    kind: ClassVar[str] = "hold"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Pass the call on to extension `detail` by a blind REFER; await the hang-up that follows."""

    detail: str
    seconds: float = TRANSFER_S
    kind: ClassVar[str] = "transfer"


Deed = Wait | Press | Speak | HangUp | WaitForHangup | Vanish | Hold | Transfer
_LAST: Final = HangUp | WaitForHangup | Vanish | Transfer


class Act(TypedDict):
    """One deed as the scenario templates read it; `ms` is how long it lasts."""

    n: int
    kind: str
    ms: int
    pcap: str
    detail: str


def rehearse(
    plan: Sequence[Deed],
    folder: Path,
    *,
    sequence: int | None = None,
    ssrc: int | None = None,
) -> list[Act]:
    """Write the RTP of a plan into `folder` and return its acts in order.

    The stream starts at `sequence` with `ssrc`, each drawn at random when None. A plan that does
    not end the call gets a `HangUp`. Raises ValueError for a deed that lasts 0 s, less, or
    longer than `LONGEST_S`, and for a key no telephone has.
    """
    stream = _stream(folder, sequence, ssrc)
    acts: list[Act] = []
    ended = bool(plan) and isinstance(plan[-1], _LAST)
    for n, deed in enumerate(plan if ended else [*plan, HangUp()]):
        if isinstance(deed, Speak) and deed.sequence is not None:
            stream = _stream(folder, deed.sequence, None)
        acts.append(_act(n, deed, stream))
    return acts


def _act(n: int, deed: Deed, stream: pcap.Stream) -> Act:
    lasts_s = 0.0 if isinstance(deed, HangUp | Vanish) else deed.seconds
    if not isinstance(deed, HangUp | Vanish) and not 0 < lasts_s <= LONGEST_S:
        raise ValueError(f"{deed} must last more than 0 and at most {LONGEST_S:.0f} s")
    path = deed.record(stream) if isinstance(deed, Wait | Press | Speak | WaitForHangup) else None
    detail = deed.detail if isinstance(deed, Press | HangUp | Transfer) else ""
    where = str(path) if path else ""
    return Act(n=n, kind=deed.kind, ms=round(lasts_s * 1000), pcap=where, detail=detail)


def _stream(folder: Path, sequence: int | None, ssrc: int | None) -> pcap.Stream:
    return pcap.Stream(
        folder,
        secrets.randbits(32) if ssrc is None else ssrc,
        secrets.randbits(16) if sequence is None else sequence,
        secrets.randbits(32),
    )
