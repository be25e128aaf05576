"""Simulated people: callers who ring 112 and call-takers with SIP phones, real SIP and real audio.

Each person is one SIPp process that acts out a plan of deeds (`deeds`). Used by `siaga demo`, by
the story tests and by the benches. SIPp sends prepared RTP through a raw socket, so these actors
need root or CAP_NET_RAW.
"""

from centre.actors.caller import Caller, CallerId
from centre.actors.crowd import Crowd, CrowdFigures
from centre.actors.deeds import (
    Deed,
    HangUp,
    Hold,
    Press,
    Speak,
    Transfer,
    Vanish,
    Wait,
    WaitForHangup,
)
from centre.actors.ear import Ear
from centre.actors.phone import AnswerAfter, Busy, NeverAnswer, Phone, RejectWith
from centre.actors.sipp import Actor, ActorError, Event

__all__ = [
    "Actor",
    "ActorError",
    "AnswerAfter",
    "Busy",
    "Caller",
    "CallerId",
    "Crowd",
    "CrowdFigures",
    "Deed",
    "Ear",
    "Event",
    "HangUp",
    "Hold",
    "NeverAnswer",
    "Phone",
    "Press",
    "RejectWith",
    "Speak",
    "Transfer",
    "Vanish",
    "Wait",
    "WaitForHangup",
]
