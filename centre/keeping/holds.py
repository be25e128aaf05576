"""A recording that survives a hold: begun anew while the music plays.

Some phones start a new RTP stream when they take a caller back. MixMonitor would drop all of it
whose sequence numbers lie below the old stream's; a recording that was ended and appended to
while the hold music plays does not. 0.1 s of the hold music goes unrecorded.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agi.errors import ManagerError

if TYPE_CHECKING:
    from agi.manager import Manager
    from agi.message import Message

log = structlog.get_logger()

EMPTIED_S = 0.1
"""Five frames of music, one of which finds the recording's empty list and frees it."""


async def rearm(manager: Manager, event: Message) -> None:
    """Begin the caller's recording anew on a Hold event of a call-taker's leg.

    Never raises: the call goes on in any case.
    """
    try:
        caller = await _variable(manager, event.get("Channel"), "SIAGA_CALLER")
        recording = await _variable(manager, caller, "SIAGA_MIX") if caller else ""
        if not recording:
            return
        file = await _variable(manager, caller, "SIAGA_FILE")
        await manager.action("StopMixMonitor", Channel=caller, MixMonitorID=recording)
        await asyncio.sleep(EMPTIED_S)
        legs = f"ar({file}-caller.wav)t({file}-other.wav)i(SIAGA_MIX)"
        await manager.action("MixMonitor", Channel=caller, File=f"{file}.wav", Options=legs)
    except (ManagerError, TimeoutError) as refused:
        # The caller: unaffected. What is lost is told by the silent leg in the row.
        log.warning("recording not begun anew on hold", why=str(refused))


async def _variable(manager: Manager, channel: str, name: str) -> str:
    answer = await manager.action("Getvar", Channel=channel, Variable=name)
    return answer.get("Value")
