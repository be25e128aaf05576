"""Closes what a crash left open, from Asterisk's own account: no channel, no line, no call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from call_router.call import Event, Fact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from call_router.call import Call

log = structlog.get_logger()

PATIENCE = 2
"""Rounds in which a call must be missing: its last line may still be on its way to the journal."""


class Sweeper:
    """Remembers which open calls had no channel in the last rounds."""

    def __init__(self) -> None:
        self._missing: dict[str, int] = {}

    def round(
        self,
        open_calls: Iterable[Call],
        channels: Collection[str],
        asterisk_began: datetime | None,
    ) -> list[Fact]:
        """Return the endings of calls that are gone without a word.

        `channels` are the unique ids Asterisk has now, read after `open_calls`;
        `asterisk_began` is when this Asterisk started, None if unknown.
        """
        gone = [call for call in open_calls if call.call_id not in channels]
        self._missing = {c.call_id: self._missing.get(c.call_id, 0) + 1 for c in gone}
        ripe = [call for call in gone if self._missing[call.call_id] >= PATIENCE]
        return [self._ending(call, asterisk_began) for call in ripe]

    def _ending(self, call: Call, asterisk_began: datetime | None) -> Fact:
        before = call.rang_at and asterisk_began and call.rang_at < asterisk_began
        lost = "asterisk_died" if before else "end_not_told"
        log.warning("call swept", call_id=call.call_id, lost=lost)
        return Fact(
            call.call_id,
            datetime.now(UTC),
            Event.ENDED,
            "Asterisk has no such call any more and told no end of it",
            {"source": "swept", "lost": lost},
        )
