"""Seats and the queue's members kept one: our table is the truth, Asterisk's memory the copy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from agi.errors import ManagerError
from call_router.seats import Seat, SeatEvent, SeatFact, SeatState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agi.manager import Manager
    from agi.message import Message

log = structlog.get_logger()

AUTOPAUSE = "Auto-Pause"
"""app_queue's own word when it paused a member that rang and was not answered."""


def interface(seat: str) -> str:
    """The name of a seat's phone in the queue."""
    return f"PJSIP/{seat}"


def seat_of(interface_name: str) -> str:
    """The seat of a queue member's interface."""
    return interface_name.removeprefix("PJSIP/")


def no_answer(event: Message) -> SeatFact | None:
    """Return what a QueueMemberPause event says of a deaf phone; None for any other."""
    if event.event != "QueueMemberPause" or event.get("Paused") != "1":
        return None
    if event.get("PausedReason") != AUTOPAUSE:
        return None
    return SeatFact.new(seat_of(event.get("Interface")), datetime.now(UTC), SeatEvent.NO_ANSWER)


async def restore_members(manager: Manager, queue: str, seats: list[Seat]) -> int:
    """Put every signed-in seat back into the queue (Asterisk forgets them when it restarts).

    Returns how many were missing. A member that our table does not know stays: a person who
    signed in while the database was away must not be thrown out.
    """
    members = await manager.collect(
        "QueueStatus", Queue=queue, complete_event="QueueStatusComplete"
    )
    present = {seat_of(m.get("Location")) for m in members if m.event == "QueueMember"}
    restored = 0
    for seat in seats:
        if seat.state is SeatState.SIGNED_OUT or seat.seat in present:
            continue
        paused = seat.state is SeatState.PAUSED
        try:
            await manager.action(
                "QueueAdd",
                Queue=queue,
                Interface=interface(seat.seat),
                MemberName=seat.call_taker,
                Paused="true" if paused else "false",
            )
            restored += 1
        except ManagerError as refused:
            # Callers: go to the other seats; the call-taker can dial *11 again.
            log.error("seat not restored", seat=seat.seat, why=str(refused))  # noqa: TRY400 # one line says it
    return restored


async def look_for_phones(manager: Manager, phones: Iterable[str]) -> None:
    """Have Asterisk ask each phone now whether it is there.

    Started anew it asks them one by one over its whole round of 20 s, and until a phone has been
    asked no waiting caller reaches it.
    """
    for phone in phones:
        try:
            await manager.action("PJSIPQualify", Endpoint=phone)
        except ManagerError as refused:
            # Callers: go to the other phones; Asterisk asks this one itself within 20 s.
            log.warning("phone not looked for", phone=phone, why=str(refused))


async def tell_deaf_phone(manager: Manager, seat: str, language: str) -> None:
    """Ring a paused phone once and say why it is paused and how to be ready again."""
    try:
        await manager.action(
            "Originate",
            Channel=interface(seat),
            Application="Playback",
            Data="siaga/anda-dijeda",
            CallerID="Siaga 112 <112>",
            Timeout=15_000,
            Variable=f"CHANNEL(language)={language}",
            Async="true",
        )
    except (ManagerError, TimeoutError) as refused:
        # The call-taker: still sees it on the phone's silence and hears it at the next star code.
        log.warning("deaf phone not told", seat=seat, why=str(refused))
