"""Crowds of callers, and what became of them: SIPp's own count and the queue's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.bare import QUEUE
from bench.proc import until_idle
from centre.actors import Caller, CallerId, Crowd, HangUp, Press, Wait
from centre.trial import NotInTimeError, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from centre.actors import Deed
    from centre.actors.crowd import CrowdCall
    from centre.trial import TrialCentre

PRESS_AND_WAIT: Final = (Wait(0.5), Press("0"), Wait(1.0), HangUp())
"""Key 0 half a second into the prompt, a second in the queue; the voice path is open at once,
since Answer() waits for a caller's first packet."""
SUCCEED: Final = 0.999
_AT_ONCE: Final = 1500


@dataclass(frozen=True, slots=True)
class Poured:
    """What became of a crowd. `queued` of the `placed` calls left the queue by hanging up."""

    rate: float
    placed: int
    successful: int
    retransmissions: int
    queued: int

    @property
    def good(self) -> int:
        """The calls that went as planned.

        SIPp saw an answer and an orderly end, the queue saw the caller, and nothing had to be
        said twice: a message sent again was not answered for 0.5 s (SIP's T1).
        """
        return min(self.successful, self.queued) - min(self.retransmissions, self.successful)

    @property
    def passed(self) -> bool:
        """Whether 99.9 % succeeded."""
        return self.placed > 0 and self.good >= SUCCEED * self.placed

    @property
    def close(self) -> bool:
        """Whether it failed by so little that a noisy neighbour may be the reason."""
        return not self.passed and self.good >= 0.95 * self.placed


def ring(
    centre: TrialCentre, dialled: str, rate: float, count: int, plan: Sequence[Deed]
) -> CrowdCall:
    """Let `count` callers ring `dialled` at `rate` calls/s; bounded in time."""
    lasts_s = sum(getattr(deed, "seconds", 0.0) for deed in plan)
    caller = Caller("crowd", CallerId(""), centre.sip, plan, dialled=dialled)
    longest_s = count / rate + lasts_s + 20
    return Crowd(caller, count, rate, at_once=_AT_ONCE, longest_s=longest_s).start()


def pour(
    centre: TrialCentre,
    dialled: str,
    rate: float,
    seconds: float,
    plan: Sequence[Deed] = PRESS_AND_WAIT,
) -> Poured:
    """Let callers ring at `rate` for `seconds`, wait until all is quiet, and count."""
    centre.asterisk(f"queue reset stats {QUEUE}")
    count = max(1, round(rate * seconds))
    with ring(centre, dialled, rate, count, plan) as crowd:
        crowd.wait_ended(count / rate + 60)
        quiet(centre)
        figures = crowd.figures()
    return Poured(
        rate=rate,
        placed=count,
        successful=figures.successful,
        retransmissions=figures.retransmissions,
        queued=left_the_queue(centre.asterisk(f"queue show {QUEUE}")),
    )


def quiet(centre: TrialCentre) -> None:
    """Wait (up to 10 s each) until no call is left and nobody has work to do."""
    try:
        until("no call is left", lambda: _channels(centre) == 0, 10.0, 0.1)
    except NotInTimeError:
        centre.asterisk("channel request hangup all")
    until_idle(centre)


def left_the_queue(shown: str) -> int:
    """The callers who hung up while waiting, from `queue show`; 0 when it does not say."""
    found = re.search(r"\bA:(\d+)", shown)
    return int(found[1]) if found else 0


def waiting(shown: str) -> int:
    """The callers who wait now, from `queue show`."""
    found = re.search(r"\bhas (\d+) calls", shown)
    return int(found[1]) if found else 0


def _channels(centre: TrialCentre) -> int:
    found = re.search(r"(\d+) active channel", centre.asterisk("core show channels count"))
    return int(found[1]) if found else 0
