"""The star codes: a call-taker signs in, out, pauses or is ready again from their own phone.

Each deed is written down before the queue is told. Trouble of ours never keeps a person who wants
to answer calls from answering them: without books, and without the list of PINs, the phone itself
(which has registered with its password) is proof enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from agi.errors import Hangup
from agi.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ivr_flows.ports import SeatLine

log = structlog.get_logger(__name__)

TRIES = 3
PIN_WAIT_S = 8.0
LONGEST_PIN = 12

_JOINED = {"ADDED", "MEMBERALREADY"}
_GONE = {"REMOVED", "NOTINQUEUE"}


@dataclass(frozen=True, slots=True)
class CallTaker:
    """Who has signed in. `is_verified` is False when no list of PINs could be read."""

    id: str
    is_verified: bool = True


class Staff(Protocol):
    """Who may answer calls, and their PINs."""

    def verify(self, phone: str, pin: str) -> CallTaker | None:
        """Give the call-taker whose PIN this is on this phone; None if it is nobody's."""


class SeatDesk(Protocol):
    """Where what a seat does is written down, durable before it returns.

    Told of a pause on a phone where nobody is signed in, it keeps the fact and changes no state.
    """

    def sign_in(self, phone: str, call_taker: str) -> None:
        """Write down that a call-taker sits at this phone."""

    def sign_out(self, phone: str) -> None:
        """Write down that nobody sits at this phone."""

    def pause(self, phone: str, reason: str, code: str) -> None:
        """Write down that the call-taker takes no calls for a while, and why."""

    def ready(self, phone: str) -> None:
        """Write down that the call-taker takes calls again."""


class QueueRefusedError(Exception):
    """Asterisk did not do to the queue what was asked; its own word for why is the message."""


def converse(
    channel: SeatLine,
    do: str,
    code: str,
    *,
    staff: Staff,
    desk: SeatDesk,
    queue: str,
    reasons: Mapping[str, str],
) -> None:
    """Do what a star code asks: `do` is sign_in, sign_out, pause or ready.

    `code` is the pause's star code ("20" to "29") and `reasons` its words; `queue` is the queue's
    name. The phone hears what happened, in its own language. Raises Hangup when they hang up.
    """
    talk = _Seat(channel, staff, desk, queue)
    try:
        talk.begin()
        match do:
            case "sign_in":
                talk.sign_in()
            case "sign_out":
                talk.sign_out()
            case "pause":
                talk.pause(reasons.get(code, code), code)
            case "ready":
                talk.ready()
            case _:
                raise ValueError(f"no star code does {do!r}")  # noqa: TRY301 # ends as every failure
    except Hangup:
        raise
    except Exception:
        # A call-taker hears that it failed and whom to ask; callers go to the others, and when
        # nobody is signed in, to the ring-all list.
        log.exception("star_code_failed", phone=talk.phone, do=do)
        channel.say(["siaga/kode-gagal"])


class _Seat:
    """One star code dialled on one phone."""

    def __init__(self, channel: SeatLine, staff: Staff, desk: SeatDesk, queue: str) -> None:
        self.phone = ""
        self._channel = channel
        self._staff = staff
        self._desk = desk
        self._queue = queue

    def begin(self) -> None:
        self._channel.set(Variable.SAID, "seat")
        self._channel.answer()
        self.phone = self._channel.get(Variable.SEAT)
        if not self.phone:
            raise ValueError("the dialplan did not say whose phone this is (SIAGA_SEAT)")

    def sign_in(self) -> None:
        call_taker = self._who()
        if call_taker is None:
            self._channel.say(["siaga/pin-salah"])
            return
        self._write(lambda: self._desk.sign_in(self.phone, call_taker.id))
        try:
            self._join(call_taker)
        except QueueRefusedError:
            # Nobody must be shown at a seat that calls do not reach.
            self._write(lambda: self._desk.sign_out(self.phone))
            raise
        self._channel.say(["siaga/sudah-masuk"])

    def sign_out(self) -> None:
        self._write(lambda: self._desk.sign_out(self.phone))
        self._tell("RemoveQueueMember", "RQMSTATUS", _GONE)
        self._channel.say(["siaga/sudah-keluar"])

    def pause(self, reason: str, code: str) -> None:
        self._write(lambda: self._desk.pause(self.phone, reason, code))
        came = self._tell("PauseQueueMember", "PQMSTATUS", {"PAUSED", "NOTFOUND"}, "", reason)
        self._channel.say(["siaga/belum-masuk" if came == "NOTFOUND" else "siaga/jeda"])

    def ready(self) -> None:
        self._write(lambda: self._desk.ready(self.phone))
        came = self._tell("UnpauseQueueMember", "UPQMSTATUS", {"UNPAUSED", "NOTFOUND"})
        self._channel.say(["siaga/belum-masuk" if came == "NOTFOUND" else "siaga/siap"])

    def _who(self) -> CallTaker | None:
        """Ask for the PIN, three times at most."""
        sounds = ["siaga/masukkan-pin"]
        for _ in range(TRIES):
            pin = self._channel.collect(sounds, max_digits=LONGEST_PIN, wait_s=PIN_WAIT_S)
            try:
                call_taker = self._staff.verify(self.phone, pin)
            except Exception:
                # Callers: are answered. The phone has proved itself to Asterisk already.
                log.exception("pins_cannot_be_read", phone=self.phone)
                return CallTaker(self.phone, is_verified=False)
            if call_taker is not None:
                return call_taker
            sounds = ["siaga/pin-salah", "siaga/masukkan-pin"]
        return None

    def _join(self, call_taker: CallTaker) -> None:
        name = ("", "", call_taker.id)  # no penalty, no options, the name in the queue's log
        if self._tell("AddQueueMember", "AQMSTATUS", _JOINED, *name) == "MEMBERALREADY":
            # Somebody else sat here, or this one was paused: the newest at the phone is right.
            self._tell("RemoveQueueMember", "RQMSTATUS", _GONE)
            self._tell("AddQueueMember", "AQMSTATUS", _JOINED, *name)

    def _tell(self, app: str, status: str, expected: Collection[str], *more: str) -> str:
        """Change the queue; give Asterisk's status. QueueRefusedError if it is another one."""
        self._channel.execute(app, self._queue, f"PJSIP/{self.phone}", *more)
        came = self._channel.get(status)
        if came not in expected:
            raise QueueRefusedError(f"{app}: {came or 'no answer'}")
        return came

    def _write(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except Exception:
            # The call-taker: goes on; the keeper reads the queue's own members later.
            log.exception("seat_not_written", phone=self.phone)
