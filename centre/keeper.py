"""The keeper: a small program beside the calls that keeps the books, the seats and the disk true.

It holds no call. Killed at any moment it leaves callers untouched, and started again it goes on
where the database says it was.
"""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agi.errors import ManagerError
from agi.manager import Manager
from call_router import numbers
from call_router.call import Event
from centre import house
from centre.conversations import QUEUE
from centre.keeping import holds, recorder
from centre.keeping import seats as seat_keeping
from centre.keeping.disk import DiskWatch
from centre.keeping.journal import JournalReader
from centre.keeping.sweeper import Sweeper
from centre.openings import open_books, open_database
from db import calls, seats
from db.store import StoreError, reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agi.message import Message
    from call_router.call import Call
    from call_router.seats import Seat
    from centre.settings import Settings

log = structlog.get_logger()

JOURNAL_EVERY_S = 0.1
SPOOL_EVERY_S = 1.0
SEATS_EVERY_S = 0.2
SWEEP_EVERY_S = 2.0
DISK_EVERY_S = 5.0
RECORDING_SETTLES_S = 1.0
"""MixMonitor's last bytes reach the file about 50 ms after the hang-up, measured."""

TROUBLE = (StoreError, SQLAlchemyError, ManagerError, TimeoutError, OSError)
"""What passes: the round is tried again, and nothing of what it would have done is lost."""


class Keeper:
    """One centre's keeper. `run` ends when it is cancelled."""

    def __init__(self, settings: Settings) -> None:
        # Now, and not inside the first transaction: callers' facts would wait for its lock.
        numbers.preload()
        self._settings = settings
        self._engine = open_database(settings)
        self._books = open_books(settings)
        places = house.directories(settings, settings.data_dir)
        self._recordings = places.recordings
        self._journal = JournalReader(places.journal, self._engine, settings.centre_id)
        self._sweeper = Sweeper()
        self._disk = DiskWatch(settings)
        self._manager = Manager(
            "127.0.0.1",
            settings.ami_port,
            house.AMI_USER,
            house.ami_secret(settings),
            self._on_event,
            self._on_connected,
        )
        self._asterisk_began: datetime | None = None
        self._seats_forgotten = False
        self._to_finish: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        self._troubles: set[str] = set()
        self._rearming: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep until cancelled. What fails in one task is logged once and tried again."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._manager.run())
                tasks.create_task(self._every(JOURNAL_EVERY_S, "journal", self._read_journal))
                tasks.create_task(self._every(SPOOL_EVERY_S, "spool", self._merge_spool))
                tasks.create_task(self._every(SEATS_EVERY_S, "seats", self._restore_seats))
                tasks.create_task(self._every(SWEEP_EVERY_S, "sweep", self._sweep))
                tasks.create_task(self._every(DISK_EVERY_S, "disk", self._watch_disk))
                tasks.create_task(self._finish_recordings())
        finally:
            # Asterisk was stopped before us: the last calls' ends are in its journal.
            await self._every_once("journal", self._read_journal)
            await self._every_once("spool", self._merge_spool)
            await asyncio.to_thread(self._books.close)

    async def _every(self, seconds: float, what: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            began_s = time.monotonic()
            try:
                await work()
                if what in self._troubles:
                    self._troubles.discard(what)
                    log.info("keeper mended", what=what)
            except Exception as trouble:
                # Callers: unaffected; the round is tried again, and said once, not each time.
                if what not in self._troubles:
                    self._troubles.add(what)
                    expected = isinstance(trouble, TROUBLE)
                    log.error(  # noqa: TRY400 # the stack only when nobody expected it
                        "keeper cannot",
                        what=what,
                        why=str(trouble)[:300],
                        exc_info=None if expected else trouble,
                    )
            await asyncio.sleep(max(seconds, _rest_s(began_s)))

    async def _read_journal(self) -> None:
        for fact in await asyncio.to_thread(self._journal.read):
            if fact.what == Event.ENDED:
                self._finish_soon(fact.call_id)

    async def _merge_spool(self) -> None:
        merged = await asyncio.to_thread(self._books.merge)
        if merged:
            log.info("spool merged", facts=merged)

    async def _sweep(self) -> None:
        if not self._manager.connected or self._journal.behind_bytes:
            return  # without Asterisk's account nothing may be concluded

        def read_open() -> list[Call]:
            with reading(self._engine) as connection:
                return calls.open_calls(connection, self._settings.centre_id)

        open_calls = await asyncio.to_thread(read_open)
        shown = await self._manager.collect(
            "CoreShowChannels", complete_event="CoreShowChannelsComplete"
        )
        channels = {message.get("Uniqueid") for message in shown}
        facts = self._sweeper.round(open_calls, channels, self._asterisk_began)
        if facts:
            await asyncio.to_thread(self._books.record, *facts)
            for fact in facts:
                self._finish_soon(fact.call_id)

    async def _watch_disk(self) -> None:
        if await asyncio.to_thread(self._disk.look, self._recordings):
            await self._say_whether_to_record()

    async def _say_whether_to_record(self) -> None:
        record = "yes" if self._disk.may_record else "no"
        await self._manager.action("Setvar", Variable="SIAGA_RECORD", Value=record)

    async def _on_connected(self) -> None:
        """Asterisk is there (again): learn when it started, give it back what it forgot."""
        status = await self._manager.action("CoreStatus")
        began = f"{status.get('CoreStartupDate')} {status.get('CoreStartupTime')}"
        self._asterisk_began = datetime.fromisoformat(began).astimezone(UTC)
        # A note and no deed: while the database is away it is tried again.
        self._seats_forgotten = True
        await self._say_whether_to_record()
        log.info("asterisk connected", began=began)

    async def _restore_seats(self) -> None:
        if not (self._seats_forgotten and self._manager.connected):
            return

        def read_seats() -> list[Seat]:
            with reading(self._engine) as connection:
                return seats.current(connection, self._settings.centre_id)

        self._seats_forgotten = False  # set again if Asterisk comes back anew meanwhile
        try:
            phones = [phone.number for phone in self._settings.phones]
            await seat_keeping.look_for_phones(self._manager, phones)
            restored = await seat_keeping.restore_members(
                self._manager, QUEUE, await asyncio.to_thread(read_seats)
            )
        except BaseException:
            self._seats_forgotten = True
            raise
        log.info("seats restored", seats=restored)

    async def _on_event(self, event: Message) -> None:
        if event.event == "Hold":  # beside the other events: it takes some frames of music
            rearming = asyncio.create_task(holds.rearm(self._manager, event))
            self._rearming.add(rearming)
            rearming.add_done_callback(self._rearming.discard)
            return
        fact = seat_keeping.no_answer(event)
        if fact is None:
            return
        log.warning("seat paused, it rang and nobody answered", seat=fact.seat)
        await asyncio.to_thread(self._books.record, fact)
        await seat_keeping.tell_deaf_phone(self._manager, fact.seat, self._settings.language)

    async def _finish_recordings(self) -> None:
        """Finish what a stopped keeper left, then each recording as its call ends."""
        await self._every_once("recordings", self._queue_unfinished)
        while True:
            due, call_id = await self._to_finish.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            began_s = time.monotonic()
            await self._every_once("recording", partial(self._finish_one, call_id))
            await asyncio.sleep(_rest_s(began_s))

    def _finish_soon(self, call_id: str) -> None:
        self._to_finish.put_nowait((time.monotonic() + RECORDING_SETTLES_S, call_id))

    async def _every_once(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except TROUBLE as trouble:
            # The next start of the keeper takes it up again.
            log.error("keeper cannot", what=what, why=str(trouble)[:300])  # noqa: TRY400 # passes

    async def _queue_unfinished(self) -> None:
        def read_unfinished() -> list[str]:
            with reading(self._engine) as connection:
                return calls.unrecorded(connection, self._settings.centre_id)

        for call_id in await asyncio.to_thread(read_unfinished):
            self._finish_soon(call_id)

    async def _finish_one(self, call_id: str) -> None:
        def read_call() -> Call | None:
            with reading(self._engine) as connection:
                return calls.get(connection, self._settings.centre_id, call_id)

        call = await asyncio.to_thread(read_call)
        if call is None or not call.recording or call.recorded:
            return
        fact = await asyncio.to_thread(recorder.finish, self._recordings, call)
        self._books.tell(fact)  # lost with us, it is measured again at the next start


def _rest_s(began_s: float) -> float:
    """How long to rest after work: calls go first, so each task takes a third of a core at most.

    In a flood the rounds come fewer and fuller; what waits is on disk already.
    """
    return 2 * (time.monotonic() - began_s)


def run(settings: Settings) -> None:
    """Keep until SIGTERM or SIGINT."""

    async def main() -> None:
        keeper = asyncio.create_task(Keeper(settings).run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, keeper.cancel)
        try:
            await keeper
        except asyncio.CancelledError:
            log.info("keeper stopped")

    asyncio.run(main())
