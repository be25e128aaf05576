"""The manager client against a fake Asterisk over a real socket, with every oddity found."""

import asyncio
import contextlib
import random

import pytest
import structlog

from agi.errors import ActionFailed, NotConnected, Refused
from agi.manager import Manager

PATIENCE_S = 10.0
GREETING = b"Asterisk Call Manager/10.0.0\r\n"


class FakeAsterisk:
    """Strict: what a test did not foresee is an AssertionError in the test's own task."""

    def __init__(self):
        self._accepted: asyncio.Queue = asyncio.Queue()
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # one turn of the loop closes what was aborted
        await self._server.wait_closed()

    async def _accept(self, reader, writer):
        self.connections += 1
        self._writers.append(writer)
        await self._accepted.put((reader, writer))

    async def accepts(self, *, signs_in=True) -> "Line":
        line = Line(*await asyncio.wait_for(self._accepted.get(), PATIENCE_S))
        line.says(GREETING)
        if signs_in:
            login = await line.hears("Login")
            assert (login["Username"], login["Secret"]) == ("siaga", "secret")
            line.answers(login, "Success")
        return line


class Line:
    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    async def hears(self, action) -> dict[str, str]:
        raw = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        pairs = [
            one.split(": ", 1) for one in raw.decode("utf-8", "surrogateescape").split("\r\n")[:-2]
        ]
        heard = dict(pairs)
        heard["all"] = pairs
        assert heard["Action"] == action, f"expected {action}, heard {heard}"
        return heard

    def says(self, raw: bytes):
        self._writer.write(raw)

    def answers(self, action, response, *lines):
        self.sends(f"Response: {response}", f"ActionID: {action['ActionID']}", *lines)

    def sends(self, *lines):
        self.says(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))

    def closes(self):
        self._writer.transport.abort()


class Desk:
    """What the callbacks saw, in order."""

    def __init__(self):
        self.seen: asyncio.Queue = asyncio.Queue()

    def event(self, message):
        self.seen.put_nowait(message)

    def connected(self):
        self.seen.put_nowait("connected")

    async def sees(self):
        return await asyncio.wait_for(self.seen.get(), PATIENCE_S)


@contextlib.asynccontextmanager
async def a_manager(fake, **how):
    desk = how.pop("desk", None) or Desk()
    manager = Manager(
        "127.0.0.1",
        fake.port,
        "siaga",
        "secret",
        how.pop("on_event", desk.event),
        how.pop("on_connected", desk.connected),
        **({"backoff_s": (0.01, 0.05), "deadline_s": 2.0} | how),
    )
    running = asyncio.create_task(manager.run())
    try:
        yield manager, desk
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def story(test):
    """Run an async test with a fake Asterisk and a log; the log must be asked for by name."""

    def run():
        async def play():
            async with asyncio.timeout(60), FakeAsterisk() as fake:
                await test(fake)

        with structlog.testing.capture_logs():
            asyncio.run(play())

    run.__name__ = test.__name__
    return run


@story
async def test_events_come_after_on_connected_even_in_one_chunk(fake):
    async with a_manager(fake) as (_, desk):
        line = await fake.accepts(signs_in=False)
        login = await line.hears("Login")
        line.says(
            f"Response: Success\r\nActionID: {login['ActionID']}\r\n\r\n"
            "Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n".encode()
        )
        assert await desk.sees() == "connected"
        assert (await desk.sees()).event == "FullyBooted"


@story
async def test_two_actions_at_once_get_their_own_answers(fake):
    async with a_manager(fake) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        first = asyncio.create_task(manager.action("GetVar", Variable="A"))
        heard_a = await line.hears("GetVar")
        second = asyncio.create_task(manager.action("GetVar", Variable="B"))
        heard_b = await line.hears("GetVar")
        line.answers(heard_b, "Success", "Value: b")
        line.answers(heard_a, "Success", "Value: a")
        assert ((await first).get("value"), (await second).get("VALUE")) == ("a", "b")


@story
async def test_asterisks_refusal_is_said_in_its_own_words(fake):
    async with a_manager(fake) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        asked = asyncio.create_task(manager.action("QueueAdd", Queue="siaga"))
        line.answers(await line.hears("QueueAdd"), "Error", "Message: No such queue")
        with pytest.raises(ActionFailed, match="No such queue"):
            await asked


@story
async def test_repeated_headers_are_kept_and_repeated_fields_sent(fake):
    async with a_manager(fake) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        asked = asyncio.create_task(
            manager.action("Originate", Variable=["A=1", "B=2"], Async=None, Timeout=5)
        )
        heard = await line.hears("Originate")
        assert [value for key, value in heard["all"] if key == "Variable"] == ["A=1", "B=2"]
        assert "Async" not in heard
        line.answers(heard, "Success", "Output: one", "Output: two")
        assert (await asked).all("output") == ["one", "two"]
        assert (await asked).get("Output") == "one"


@story
async def test_a_list_is_collected_up_to_its_end(fake):
    async with a_manager(fake) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        asked = asyncio.create_task(
            manager.collect("QueueStatus", complete_event="QueueStatusComplete", Queue="siaga")
        )
        heard = await line.hears("QueueStatus")
        tag = f"ActionID: {heard['ActionID']}"
        line.answers(heard, "Success", "EventList: start")
        line.sends("Event: QueueMember", tag, "Name: a")
        line.sends("Event: Hangup", "Uniqueid: 1")
        line.sends("Event: QueueMember", tag, "Name: b")
        line.sends("Event: QueueStatusComplete", tag, "EventList: Complete", "ListItems: 2")
        assert [item.get("Name") for item in await asked] == ["a", "b"]
        assert (await desk.sees()).event == "Hangup"
        assert desk.seen.empty()


@story
async def test_a_list_may_end_by_its_event_alone_or_be_cancelled(fake):
    async with a_manager(fake) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        asked = asyncio.create_task(manager.collect("Status", complete_event="StatusComplete"))
        heard = await line.hears("Status")
        line.answers(heard, "Success")
        line.sends("Event: StatusComplete", f"ActionID: {heard['ActionID']}")
        assert await asked == []
        asked = asyncio.create_task(manager.collect("Status"))
        heard = await line.hears("Status")
        line.sends("Event: X", f"ActionID: {heard['ActionID']}", "EventList: cancelled")
        with pytest.raises(ActionFailed):
            await asked
        asked = asyncio.create_task(manager.collect("Status"))
        line.answers(await line.hears("Status"), "Error", "Message: Permission denied")
        with pytest.raises(ActionFailed, match="Permission denied"):
            await asked


@story
async def test_an_answer_that_never_comes_has_a_deadline_and_a_late_one_hurts_nobody(fake):
    async with a_manager(fake) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        asked = asyncio.create_task(manager.action("GetVar", within_s=0.05, Variable="A"))
        late = await line.hears("GetVar")
        with pytest.raises(TimeoutError):
            await asked
        line.answers(late, "Success", "Value: late")
        asked = asyncio.create_task(manager.action("GetVar", Variable="B"))
        line.answers(await line.hears("GetVar"), "Success", "Value: b")
        assert (await asked).get("Value") == "b"


@pytest.mark.parametrize("evil", ["x\r\nAction: Command", "x\ny", "x\0y"])
def test_a_line_break_in_a_field_is_refused(evil):
    @story
    async def play(fake):
        async with a_manager(fake) as (manager, desk):
            line = await fake.accepts()
            await desk.sees()
            for fields in ({"Value": evil}, {evil: "x"}, {"Variable": ["a", evil]}):
                with pytest.raises(Refused):
                    await manager.action("SetVar", **fields)
            asked = asyncio.create_task(manager.action("CoreStatus"))
            line.answers(await line.hears("CoreStatus"), "Success")
            await asked

    play()


@story
async def test_a_handler_that_raises_ends_nothing(fake):
    seen = asyncio.Queue()

    async def bad(message):
        seen.put_nowait(message.event)
        raise RuntimeError("handler")

    def bad_connected():
        raise RuntimeError("connected")

    async with a_manager(fake, on_event=bad, on_connected=bad_connected):
        line = await fake.accepts()
        line.sends("Event: One")
        line.sends("Event: Two")
        assert [await seen.get(), await seen.get()] == ["One", "Two"]
    assert fake.connections == 1


@story
async def test_a_lost_connection_comes_back_and_the_view_is_read_again(fake):
    async with a_manager(fake) as (manager, desk):
        for _ in range(3):
            line = await fake.accepts()
            assert await desk.sees() == "connected"
            assert manager.connected
            line.closes()


@story
async def test_whoever_waits_for_an_answer_learns_that_the_connection_broke(fake):
    async with a_manager(fake) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        asked = asyncio.create_task(manager.collect("QueueStatus"))
        await line.hears("QueueStatus")
        line.closes()
        with pytest.raises(NotConnected):
            await asked


@story
async def test_without_a_connection_an_action_says_so_at_once(fake):
    manager = Manager("127.0.0.1", 1, "siaga", "secret", lambda _: None)
    with pytest.raises(NotConnected):
        await manager.action("Ping")
    with pytest.raises(NotConnected):
        await manager.collect("Status")


@story
async def test_asterisk_up_but_closing_before_sign_in_is_tried_again(fake):
    async with a_manager(fake) as (_, desk):
        for _ in range(3):
            (await fake.accepts(signs_in=False)).closes()
        await fake.accepts()
        assert await desk.sees() == "connected"


@story
async def test_a_wrong_password_is_loud_and_tried_again(fake):
    with structlog.testing.capture_logs() as log:
        async with a_manager(fake) as (manager, desk):
            line = await fake.accepts(signs_in=False)
            line.answers(await line.hears("Login"), "Error", "Message: Authentication failed")
            await fake.accepts()
            assert await desk.sees() == "connected"
            assert manager.connected
    assert log[0]["log_level"] == "error"
    assert "Authentication failed" in log[0]["reason"]


@story
async def test_a_silent_asterisk_is_noticed_by_the_answer_to_a_ping(fake):
    async with a_manager(fake, ping_s=0.02, deadline_s=0.2) as (_, desk):
        line = await fake.accepts()
        assert await desk.sees() == "connected"
        ping = await line.hears("Ping")
        line.answers(ping, "Success", "Ping: Pong")
        await line.hears("Ping")  # and never answers it
        await fake.accepts()
        assert await desk.sees() == "connected"


@story
async def test_an_asterisk_that_never_answers_the_sign_in_is_left(fake):
    async with a_manager(fake, deadline_s=0.1) as (_, desk):
        await (await fake.accepts(signs_in=False)).hears("Login")
        await fake.accepts()
        assert await desk.sees() == "connected"


@story
async def test_odd_bytes_are_read_as_they_come(fake):
    async with a_manager(fake) as (_, desk):
        line = await fake.accepts()
        await desk.sees()
        line.says(
            b"Event:NoBlank\r\nCallerIDName: Jos\xe9\r\nnot a header\r\nChanVariable: A=1\r\n"
            b"ChanVariable: B=2\r\nEmpty:\r\nAppData: status will follow: x\r\n\r\n"
            b"\r\n\r\n"
            b"Event: Next\r\n\r\n"
        )
        odd = await desk.sees()
        assert odd.event == "NoBlank"
        assert odd.get("CallerIDName") == "Jos\udce9"
        assert odd.all("chanvariable") == ["A=1", "B=2"]
        assert (odd.get("Empty", "?"), odd.get("Missing", "?")) == ("", "?")
        assert "José" not in repr(odd)
        assert (await desk.sees()).event == "Next"


@story
async def test_messages_are_whole_however_they_are_cut(fake):
    rng = random.Random(112)
    sent = [
        f"Event: E{number}\r\nValue: {'x' * rng.randrange(300)}\r\n\r\n" for number in range(200)
    ]
    raw = "".join(sent).encode()
    async with a_manager(fake) as (_, desk):
        line = await fake.accepts()
        await desk.sees()
        while raw:
            cut = rng.randrange(1, 400)
            line.says(raw[:cut])
            raw = raw[cut:]
            await asyncio.sleep(0)
        names = [(await desk.sees()).event for _ in sent]
    assert names == [f"E{number}" for number in range(200)]


@story
async def test_a_message_without_an_end_ends_the_connection_not_the_memory(fake):
    async with a_manager(fake) as (_, desk):
        line = await fake.accepts()
        await desk.sees()
        line.says(b"Event: Endless\r\n" + b"X: y\r\n" * 300_000)
        await fake.accepts()
        assert await desk.sees() == "connected"


async def everything_is_read(manager, line):
    """An answer comes after the events before it: when it is there, they were read."""
    asked = asyncio.create_task(manager.action("CoreStatus"))
    line.answers(await line.hears("CoreStatus"), "Success")
    await asked


@story
async def test_a_slow_handler_makes_the_view_stale_and_says_so(fake):
    slow = asyncio.Event()
    seen = asyncio.Queue()

    async def handler(message):
        seen.put_nowait(message.event)
        await slow.wait()

    async with a_manager(
        fake,
        on_event=handler,
        on_stale=lambda reason: seen.put_nowait(("stale", reason)),
        queue_size=10,
    ) as (manager, desk):
        line = await fake.accepts()
        await desk.sees()
        line.sends("Event: E0")
        assert await asyncio.wait_for(seen.get(), PATIENCE_S) == "E0"
        for number in range(1, 25):
            line.sends(f"Event: E{number}")
        await everything_is_read(manager, line)
        line.sends("Event: Last")
        slow.set()
        rest = []
        while "Last" not in rest:
            rest.append(await asyncio.wait_for(seen.get(), PATIENCE_S))
    assert rest[0] == ("stale", "events were thrown away")
    assert len(rest) < 25


@story
async def test_without_on_stale_the_view_is_read_again_by_on_connected(fake):
    slow = asyncio.Event()
    desk = Desk()

    async def handler(message):
        desk.event(message)
        await slow.wait()

    async with a_manager(fake, desk=desk, on_event=handler, queue_size=3) as (manager, _):
        line = await fake.accepts()
        assert await desk.sees() == "connected"
        line.sends("Event: E0")
        assert (await desk.sees()).event == "E0"
        for number in range(1, 9):
            line.sends(f"Event: E{number}")
        await everything_is_read(manager, line)
        slow.set()
        assert await desk.sees() == "connected"


@story
async def test_a_callback_may_ask_and_on_connected_may_read_the_whole_view(fake):
    members = asyncio.Queue()
    box = {}

    async def read_view():
        members.put_nowait(len(await box["manager"].collect("QueueStatus")))

    async with a_manager(fake, on_connected=read_view) as (manager, _):
        box["manager"] = manager
        line = await fake.accepts()
        heard = await line.hears("QueueStatus")
        tag = f"ActionID: {heard['ActionID']}"
        line.answers(heard, "Success", "EventList: start")
        line.sends("Event: QueueMember", tag)
        line.sends("Event: QueueStatusComplete", tag, "EventList: Complete")
        assert await asyncio.wait_for(members.get(), PATIENCE_S) == 1
