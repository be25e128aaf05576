"""What can happen to a call, where it can stand, and the one table between the two."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Event(StrEnum):
    """What can happen to a call."""

    RING = "ring"
    MENU = "menu"
    HAND_OVER = "hand_over"
    FALLBACK = "fallback"
    QUEUED = "queued"
    ANSWERED = "answered"
    LEFT = "left"
    ENDED = "ended"


class State(StrEnum):
    """Where a call stands."""

    NEW = "new"
    RINGING = "ringing"
    MENU = "menu"
    WAITING = "waiting"
    TALKING = "talking"
    ENDED = "ended"


# A call may lose any of its facts to a crash, so each event is legal from every state that its
# loss could have left behind. A ring is told twice (FastAGI and Asterisk's journal): the second
# only fills gaps. A menu after a hand-over is the standby server starting over.
TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.NEW, Event.RING): State.RINGING,
    (State.RINGING, Event.RING): State.RINGING,
    (State.MENU, Event.RING): State.MENU,
    (State.WAITING, Event.RING): State.WAITING,
    (State.TALKING, Event.RING): State.TALKING,
    (State.ENDED, Event.RING): State.ENDED,
    (State.NEW, Event.MENU): State.MENU,
    (State.RINGING, Event.MENU): State.MENU,
    (State.MENU, Event.MENU): State.MENU,
    (State.WAITING, Event.MENU): State.MENU,
    (State.NEW, Event.HAND_OVER): State.WAITING,
    (State.RINGING, Event.HAND_OVER): State.WAITING,
    (State.MENU, Event.HAND_OVER): State.WAITING,
    (State.WAITING, Event.HAND_OVER): State.WAITING,
    (State.NEW, Event.FALLBACK): State.WAITING,
    (State.RINGING, Event.FALLBACK): State.WAITING,
    (State.MENU, Event.FALLBACK): State.WAITING,
    (State.WAITING, Event.FALLBACK): State.WAITING,
    (State.NEW, Event.QUEUED): State.WAITING,
    (State.RINGING, Event.QUEUED): State.WAITING,
    (State.MENU, Event.QUEUED): State.WAITING,
    (State.WAITING, Event.QUEUED): State.WAITING,
    (State.NEW, Event.ANSWERED): State.TALKING,
    (State.RINGING, Event.ANSWERED): State.TALKING,
    (State.MENU, Event.ANSWERED): State.TALKING,
    (State.WAITING, Event.ANSWERED): State.TALKING,
    (State.TALKING, Event.ANSWERED): State.TALKING,
    (State.TALKING, Event.LEFT): State.WAITING,
    (State.NEW, Event.ENDED): State.ENDED,
    (State.RINGING, Event.ENDED): State.ENDED,
    (State.MENU, Event.ENDED): State.ENDED,
    (State.WAITING, Event.ENDED): State.ENDED,
    (State.TALKING, Event.ENDED): State.ENDED,
}
