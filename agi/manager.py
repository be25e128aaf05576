"""Asterisk's manager interface: events as they come, actions with their answers (asyncio).

No package met what a call centre needs (decision 2): a connection that always comes back,
a silent peer that is noticed, and a consumer that is told when it may have missed something.
"""

import asyncio
import inspect
import itertools
import random
from collections.abc import Awaitable, Callable

import structlog

from agi.errors import ActionFailed, ManagerError, NotConnected
from agi.message import Message, Parser, compose

OnEvent = Callable[[Message], Awaitable[None] | None]
OnConnected = Callable[[], Awaitable[None] | None]
OnStale = Callable[[str], Awaitable[None] | None]

_CONNECTED, _STALE = object(), object()

log = structlog.get_logger()


class Manager:
    """One connection to Asterisk's manager that mends itself; `run` it as a task.

    Everything received is given to the callbacks in order. After every sign-in `on_connected`
    comes before the events of that connection: read the whole view there. When events had to be
    thrown away because the callbacks were too slow, `on_stale` comes with the reason; without
    one, `on_connected` again. Callbacks may be coroutines and may send actions; what they raise
    is logged and touches nothing else.
    """

    def __init__(  # noqa: PLR0917 # an address, a sign-in and two callbacks read well in a row
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        on_event: OnEvent,
        on_connected: OnConnected | None = None,
        *,
        on_stale: OnStale | None = None,
        events: str = "on",
        deadline_s: float = 5.0,
        ping_s: float = 5.0,
        backoff_s: tuple[float, float] = (0.1, 5.0),
        queue_size: int = 10_000,
    ) -> None:
        self.connected = False
        self._address = (host, port)
        self._credentials = {"Username": user, "Secret": secret, "Events": events}
        self._on_event = on_event
        self._on_connected: OnConnected = on_connected or (lambda: None)
        self._on_stale: OnStale = on_stale or (lambda _reason: self._on_connected())
        self._deadline_s = deadline_s
        self._ping_s = ping_s
        self._backoff_s = backoff_s
        self._queue: asyncio.Queue[object] = asyncio.Queue(queue_size)
        self._ids = itertools.count(1)
        self._questions: dict[str, _Question] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._login: _Question | None = None

    async def run(self) -> None:
        """Connect, and connect again whenever it breaks, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver())
            first_s, longest_s = self._backoff_s
            wait_s = first_s
            while True:
                try:
                    await self._hold_connection()
                except* (OSError, ManagerError, TimeoutError) as lost:
                    reasons = [str(one) or type(one).__name__ for one in lost.exceptions]
                    log.error("manager connection lost", reason="; ".join(reasons))  # noqa: TRY400
                wait_s = first_s if self.connected else min(wait_s * 2, longest_s)
                self.connected = False
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))

    async def action(
        self, name: str, *, within_s: float | None = None, **fields: object
    ) -> Message:
        """Send an action and give its answer. A field given as a list is sent once per item.

        Raises ActionFailed with Asterisk's own words, NotConnected, Refused for a line break in
        a value, TimeoutError after `within_s` (default: the manager's deadline).
        """
        if not self.connected:
            raise NotConnected("no connection to Asterisk's manager")
        return await self._ask(_Question(), name, fields, within_s)

    async def collect(
        self,
        name: str,
        *,
        complete_event: str = "",
        within_s: float | None = None,
        **fields: object,
    ) -> list[Message]:
        """Send an action that answers with a list of events; give the events of the list.

        The list ends with ``EventList: Complete`` or with the event `complete_event`; the
        ending event is not given. Raises as `action` does; a list that Asterisk cancels is
        ActionFailed.
        """
        if not self.connected:
            raise NotConnected("no connection to Asterisk's manager")
        question = _Question(complete_event)
        await self._ask(question, name, fields, within_s)
        return question.items

    # --- the connection ---

    async def _hold_connection(self) -> None:
        async with asyncio.timeout(self._deadline_s):
            reader, writer = await asyncio.open_connection(*self._address)
        self._writer = writer
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(reader))
                tasks.create_task(self._sign_in_and_ping())
        finally:
            self._writer = None
            writer.transport.abort()
            for question in self._questions.values():
                question.fail(NotConnected("the connection broke before the answer came"))
            self._questions.clear()

    async def _sign_in_and_ping(self) -> None:
        self._login = _Question()
        await self._ask(self._login, "Login", dict(self._credentials), None)
        log.info("manager connected")
        while True:
            await asyncio.sleep(self._ping_s)
            await self._ask(_Question(), "Ping", {}, None)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        parser = Parser()
        while data := await reader.read(65_536):
            for message in parser.feed(data):
                question = self._questions.get(message.get("ActionID"))
                if question is None or not question.take(message):
                    self._put_event(message)
                elif question is self._login and question.is_answered:
                    # Here and not in the task that waits: the next event may be in this chunk.
                    self.connected = True
                    self._put(_CONNECTED)
        raise NotConnected("Asterisk closed the manager connection")

    async def _ask(
        self, question: "_Question", name: str, fields: dict[str, object], within_s: float | None
    ) -> Message:
        if self._writer is None:
            raise NotConnected("no connection to Asterisk's manager")
        action_id = f"siaga-{next(self._ids)}"
        data = compose(name, action_id, fields)
        self._questions[action_id] = question
        try:
            async with asyncio.timeout(within_s or self._deadline_s):
                self._writer.write(data)
                await self._writer.drain()
                return await question.answered
        except ConnectionError as error:
            raise NotConnected(str(error)) from error
        finally:
            self._questions.pop(action_id, None)

    # --- the callbacks ---

    def _put_event(self, message: Message) -> None:
        if message.event and self.connected:
            self._put(message)

    def _put(self, item: object) -> None:
        if self._queue.full():
            log.error("manager events thrown away, callbacks too slow", events=self._queue.qsize())
            thrown = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
            self._queue.put_nowait(_CONNECTED if _CONNECTED in thrown else _STALE)
        self._queue.put_nowait(item)

    async def _deliver(self) -> None:
        while True:
            await self._call_back(await self._queue.get())

    async def _call_back(self, item: object) -> None:
        try:
            if isinstance(item, Message):
                outcome = self._on_event(item)
            elif item is _CONNECTED:
                outcome = self._on_connected()
            else:
                outcome = self._on_stale("events were thrown away")
            if inspect.isawaitable(outcome):
                await outcome
        except Exception:  # a bad handler must not end the feed for everybody
            log.exception("manager callback failed")


class _Question:
    """An action that waits for its answer, and for its list if it has one."""

    def __init__(self, complete_event: str | None = None) -> None:
        self.items: list[Message] = []
        self.answered: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._is_list = complete_event is not None
        self._complete_event = complete_event or ""

    def take(self, message: Message) -> bool:
        """Take a message with this question's id; say whether it was part of the answer."""
        if self.answered.done():
            return False
        if not message.event:
            if message.get("Response").lower() in {"error", "fail"}:
                self.fail(ActionFailed(message.get("Message") or "Asterisk gave no reason"))
            elif not self._is_list:
                self.answered.set_result(message)
            return True
        if not self._is_list:
            return False
        end = message.get("EventList").lower()
        if end == "cancelled":
            self.fail(ActionFailed(message.get("Message") or "the list was cancelled"))
        elif end == "complete" or message.event == self._complete_event:
            self.answered.set_result(message)
        else:
            self.items.append(message)
        return True

    @property
    def is_answered(self) -> bool:
        """Whether Asterisk has answered, and not with an error."""
        return self.answered.done() and self.answered.exception() is None

    def fail(self, error: ManagerError) -> None:
        """Wake whoever waits with an error."""
        if not self.answered.done():
            self.answered.set_exception(error)
            self.answered.exception()  # seen: nobody may be waiting any more
