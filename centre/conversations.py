"""Which script on the wire is which conversation; and everything a conversation is given."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from agi.server import Settings as ServerSettings
from agi.workers import serve
from call_router.desk import UNKNOWN, Desk
from call_router.policy_file import load_rules
from call_router.seats import SeatEvent, SeatFact
from centre.openings import open_books
from ivr_flows import seat
from ivr_flows.book import FlowBook
from ivr_flows.flow import FlowError
from ivr_flows.problems import Limits
from ivr_flows.runner import play
from ivr_flows.sounds import SoundSet

if TYPE_CHECKING:
    from agi.channel import Channel
    from agi.server import Conversation
    from call_router.desk import Books
    from call_router.rules import Rules
    from centre.settings import Settings

log = structlog.get_logger()

SEAT_SCRIPT = "seat"
QUEUE = "112"


class Conversations:
    """Gives the conversation of a script: `seat` for star codes, else the flow of that name."""

    def __init__(self, settings: Settings, books: Books, rules: Rules, sounds: SoundSet) -> None:
        self._settings = settings
        self._staff = Staff(settings)
        self._seat_desk = SeatDesk(books)
        self._desk = Desk(books, rules, lambda: datetime.now(settings.time_zone), lambda: UNKNOWN)
        self._flows = FlowBook(settings.flows_dir, sounds, flow_limits(settings, rules))

    def __call__(self, script: str) -> Conversation | None:
        """Return the conversation of `script`, None when there is none (the caller falls back)."""
        if script == SEAT_SCRIPT:
            return self._star_code
        try:
            flow = self._flows.flow(script)
        except FlowError:
            # The caller: the wire says `failure`, and the dialplan's own road leads to a human.
            log.exception("no such flow", script=script[:80])
            return None
        return lambda channel: play(channel, flow, self._desk)

    def _star_code(self, channel: Channel) -> None:
        query = channel.request.query
        seat.converse(
            channel,
            query.get("do", ""),
            query.get("code", ""),
            staff=self._staff,
            desk=self._seat_desk,
            queue=QUEUE,
            reasons={pause.code: pause.word for pause in self._settings.pauses},
        )


def flow_limits(settings: Settings, rules: Rules) -> Limits:
    """What a centre's policy holds its flows to."""
    return Limits(rules.limits.answer_within_s, frozenset(rules.lanes), settings.time_zone)


class Staff:
    """The call-takers of siaga.toml; any of them may sit at any phone."""

    def __init__(self, settings: Settings) -> None:
        self._call_takers = settings.call_takers

    def verify(self, phone: str, pin: str) -> seat.CallTaker | None:
        """Return whose PIN this is: first of the phone's owner, then of anybody."""
        for call_taker in sorted(self._call_takers, key=lambda one: one.id != phone):
            if pin and hmac.compare_digest(pin.encode(), call_taker.pin.encode()):
                return seat.CallTaker(call_taker.id)
        return None


class SeatDesk:
    """Where the star codes' deeds are written down; durable when a method returns."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def sign_in(self, phone: str, call_taker: str) -> None:
        """A call-taker sits at this phone."""
        self._tell(phone, SeatEvent.SIGN_IN, call_taker=call_taker)

    def sign_out(self, phone: str) -> None:
        """Nobody sits at this phone."""
        self._tell(phone, SeatEvent.SIGN_OUT)

    def pause(self, phone: str, reason: str, code: str) -> None:
        """No calls for a while, and why."""
        self._tell(phone, SeatEvent.PAUSE, reason=reason, code=code)

    def ready(self, phone: str) -> None:
        """Calls again."""
        self._tell(phone, SeatEvent.READY)

    def _tell(self, phone: str, what: SeatEvent, **data: str) -> None:
        self._books.record(SeatFact.new(phone, datetime.now(UTC), what, **data))


def run(settings: Settings, *, standby: bool = False) -> None:
    """Serve conversations until SIGTERM; the stand-by is one more worker on the second port."""
    sounds = SoundSet.load(settings.folder("sounds"))
    books = open_books(settings)
    conversations = Conversations(settings, books, load_rules(settings.policy_file), sounds)
    serve(
        [("127.0.0.1", settings.agi_ports[1 if standby else 0])],
        conversations,
        workers=1 if standby else settings.agi_workers,
        settings=ServerSettings(length_s=sounds.length_of),
        prepare=books.warm_up,
    )
