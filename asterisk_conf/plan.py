"""What Asterisk's configuration is rendered from: plain, frozen, already checked.

`centre.settings` reads siaga.toml and builds a `Plan`; nothing here reads a file or the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Directories:
    """Where one Asterisk lives. Several instances run side by side, each with its own."""

    etc: Path
    modules: Path
    data: Path
    lib: Path
    run: Path
    spool: Path
    log: Path
    recordings: Path

    @property
    def journal(self) -> Path:
        """The file to which Asterisk appends its own account of every call (cel_custom)."""
        return self.log / "cel-custom" / "siaga-journal.csv"


@dataclass(frozen=True, slots=True)
class Trunk:
    """One way in: an operator's SBC, known by its addresses (CIDR), never by a name.

    One codec everywhere (A-law): where Asterisk must translate, it drops the voice of a side whose
    RTP sequence restarts lower, live and in the recording (docs/decisions).
    """

    name: str
    addresses: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]  # (dialled, flow)
    codecs: tuple[str, ...] = ("alaw",)
    dead_air_s: int = 120


@dataclass(frozen=True, slots=True)
class Phone:
    """A call-taker's SIP phone: authenticated, and heard from these networks only."""

    number: str
    password: str
    networks: tuple[str, ...]
    codecs: tuple[str, ...] = ("alaw",)


@dataclass(frozen=True, slots=True)
class Outside:
    """A number outside the centre that is called when nobody here answers."""

    name: str
    number: str
    address: str  # host:port of the gateway, an IP literal


@dataclass(frozen=True, slots=True)
class Waits:
    """How long each part of a call may take, in whole seconds (reasons: policy.toml)."""

    queue_s: int = 40
    ring_s: int = 12
    ring_all_s: int = 20
    outside_s: int = 45
    transfer_s: int = 25
    agi_first_word_s: int = 5
    lost_phone_s: int = 5


@dataclass(frozen=True, slots=True)
class PauseReason:
    """A star code *2x and the word shown for it."""

    code: str
    word: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that shapes Asterisk for one centre."""

    centre_id: str
    language: str
    directories: Directories
    sip_host: str
    sip_port: int
    rtp_first: int
    rtp_last: int
    agi_ports: tuple[int, int]
    ami_port: int
    ami_user: str
    ami_secret: str
    trunks: tuple[Trunk, ...]
    phones: tuple[Phone, ...]
    ring_all: tuple[str, ...]
    outside: tuple[Outside, ...]
    pause_reasons: tuple[PauseReason, ...]
    waits: Waits = Waits()
    external_address: str = ""
    local_networks: tuple[str, ...] = ()
    queue: str = "112"
    usual_priority: int = 10  # of a caller for whom no lane was decided
    max_calls: int = 400
    major: int = 22  # Asterisk 20 counts Queue()'s arguments differently
