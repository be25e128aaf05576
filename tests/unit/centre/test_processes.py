"""Programs are started again when they die, adopted or replaced, and none is left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pytest

from centre import processes
from centre.processes import AlreadyRunsError, NotReadyError, Program, Supervisor, alive, running

HOUSE = Path(__file__).parent.parent.parent.parent
LIVES = "import time; time.sleep(600)"
FORKS = "import os, time; os.fork(); time.sleep(600)"
DEAF = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
)


async def at_once():
    """Ready without a look."""


def program(tmp_path, does=LIVES, name="one", ready=at_once, **more):
    # The path makes the command this test's own: programs are known by their whole command.
    return Program(name, [sys.executable, "-c", does, str(tmp_path)], ready, **more)


async def until(true, within_s=10.0):
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


def end(command):
    for pid in running(command):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def supervisor_of(folder, *programs, tied):
    """A supervisor in a process of its own, once all its programs run."""
    made = ", ".join(
        f"Program({one.name!r}, {list(one.command)!r}, at_once, adopt={one.adopt})"
        for one in programs
    )
    words = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from centre.processes import Program, Supervisor

        async def at_once():
            pass

        async def story():
            supervisor = Supervisor(Path({str(folder)!r}), tied={tied})
            for program in [{made}]:
                await supervisor.start(program)
            print("started", flush=True)
            await asyncio.Event().wait()

        asyncio.run(story())
    """)
    with subprocess.Popen(
        [sys.executable, "-c", words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
    ) as supervisor:
        assert supervisor.stdout.readline() == "started\n"
        yield supervisor


def test_a_program_that_dies_is_started_again_at_once(tmp_path):
    async def story():
        one = program(tmp_path)
        supervisor = Supervisor(tmp_path, tied=True)
        await supervisor.start(one)
        first = supervisor.pid("one")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.pid("one") != first)
        assert alive(supervisor.pid("one"), one.command)
        assert (tmp_path / "one.pid").read_text() == str(supervisor.pid("one"))
        assert supervisor.restarts == {"one": 1}
        await supervisor.stop()
        assert running(one.command) == []

    asyncio.run(story())


def test_a_program_that_dies_before_it_is_ready_is_started_again_too(tmp_path):
    """A kill in this moment once ended the whole centre: nobody watched yet."""
    mark = tmp_path / "second time"
    does = (
        f"import pathlib, time; mark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists(): mark.write_text(''); raise SystemExit(1)\n"
        "mark.write_text('lives'); time.sleep(600)"
    )

    async def ready():
        await until(lambda: mark.exists() and mark.read_text() == "lives")

    async def story():
        supervisor = Supervisor(tmp_path, tied=True)
        await supervisor.start(program(tmp_path, does, ready=ready), ready_within_s=10.0)
        await supervisor.stop()

    asyncio.run(story())


def test_a_program_that_keeps_dying_is_given_growing_pauses(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_PAUSE_S", 0.011)
    monkeypatch.setattr(processes, "LONGEST_PAUSE_S", 0.04)
    told = []
    monkeypatch.setattr(
        processes.log, "error", lambda _words, **more: told.append(more["again_in_s"])
    )

    async def story():
        supervisor = Supervisor(tmp_path, tied=True)
        await supervisor.start(program(tmp_path, "raise SystemExit(1)"))
        await until(lambda: len(told) >= 5)
        await supervisor.stop()

    asyncio.run(story())
    assert told[:5] == [0.0, 0.011, 0.022, 0.04, 0.04]


def test_what_a_dead_master_left_frozen_on_its_port_is_ended(tmp_path, monkeypatch):
    """A worker stopped by SIGSTOP once held the port for ever: no new master could open it."""
    monkeypatch.setattr(processes, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(processes, "LONGEST_PAUSE_S", 0.04)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    serves = (
        "import os, socket, time\n"
        f"door = socket.create_server(('127.0.0.1', {port}))\n"
        "os.fork(); time.sleep(600)"
    )
    one = program(tmp_path, serves, stop_s=0.2)

    async def story():
        supervisor = Supervisor(tmp_path, tied=True)
        await supervisor.start(one)
        await until(lambda: len(running(one.command)) == 2)
        master, worker = running(one.command)
        os.kill(worker, signal.SIGSTOP)
        os.kill(master, signal.SIGKILL)
        await until(lambda: worker not in (now := running(one.command)) and len(now) == 2)
        await supervisor.stop()

    try:
        asyncio.run(story())
        assert running(one.command) == []
    finally:
        end(one.command)


def test_what_is_not_ready_in_time_is_named_with_its_log(tmp_path):
    async def never():
        await asyncio.Event().wait()

    async def story():
        supervisor = Supervisor(tmp_path, tied=True)
        with pytest.raises(NotReadyError, match=r"one was not ready within 0 s.*one\.log"):
            await supervisor.start(program(tmp_path, ready=never), ready_within_s=0.05)
        await supervisor.stop()

    asyncio.run(story())


def test_asterisk_is_adopted_by_the_next_supervisor_and_the_rest_is_replaced(tmp_path):
    holds_calls = program(tmp_path, LIVES, "holds calls", adopt=True)
    other = program(tmp_path, FORKS, "other")

    async def story(adopted, replaced):
        supervisor = Supervisor(tmp_path)
        await supervisor.start(holds_calls)
        await supervisor.start(other)
        assert supervisor.pid("holds calls") == adopted
        assert supervisor.pid("other") not in replaced
        assert not set(replaced) & set(running(other.command))
        os.kill(adopted, signal.SIGKILL)
        await until(lambda: supervisor.pid("holds calls") != adopted)
        await supervisor.stop()

    try:
        with supervisor_of(tmp_path, holds_calls, other, tied=False) as killed:
            killed.kill()
        # Also without pid files: whoever wrote them can be killed a moment before.
        for path in tmp_path.glob("*.pid"):
            path.unlink()
        (adopted,), replaced = running(holds_calls.command), running(other.command)
        assert replaced
        asyncio.run(story(adopted, replaced))
        assert running(holds_calls.command) == running(other.command) == []
    finally:
        end(holds_calls.command)
        end(other.command)


def test_another_program_with_the_pid_of_ours_is_left_alone(tmp_path):
    one = program(tmp_path)
    (tmp_path / "one.pid").write_text(str(os.getpid()))

    async def story():
        supervisor = Supervisor(tmp_path, tied=True)
        await supervisor.start(one)
        assert supervisor.pid("one") != os.getpid()
        await supervisor.stop()

    asyncio.run(story())  # and we are still here


def test_two_supervisors_of_one_centre_are_refused(tmp_path):
    async def story():
        one, other = Supervisor(tmp_path, tied=True), Supervisor(tmp_path, tied=True)
        await one.start(program(tmp_path))
        with pytest.raises(AlreadyRunsError, match="run by another program already"):
            await other.start(program(tmp_path))
        assert len(running(program(tmp_path).command)) == 1
        await one.stop()
        await other.start(program(tmp_path))
        await other.stop()

    asyncio.run(story())


def test_what_holds_the_calls_is_stopped_first_and_the_last_started_next(tmp_path):
    order = []

    async def story():
        supervisor = Supervisor(tmp_path, tied=True)
        stop_one = supervisor._stop_one

        async def noted(one, pid):
            order.append(one.name)
            await stop_one(one, pid)

        supervisor._stop_one = noted
        for name in ("conversations", "asterisk", "keeper"):
            place = tmp_path / name
            await supervisor.start(program(place, name=name, adopt=name == "asterisk"))
        await supervisor.stop()

    asyncio.run(story())
    assert order == ["asterisk", "keeper", "conversations"]


def test_what_does_not_listen_is_killed_after_its_time(tmp_path):
    async def story():
        supervisor = Supervisor(tmp_path, tied=True)
        deaf = program(tmp_path, DEAF, stop_s=0.2)
        await supervisor.start(deaf)
        await until(lambda: (tmp_path / "one.log").read_text().strip() == "1")
        await supervisor.stop()
        assert running(deaf.command) == []

    asyncio.run(story())


def test_nothing_is_started_again_once_it_stops(tmp_path):
    """A program that died just before the stop once came back after it, and stayed."""

    async def story():
        supervisor = Supervisor(tmp_path)
        one = program(tmp_path)
        await supervisor.start(one)
        os.kill(supervisor.pid("one"), signal.SIGKILL)
        await supervisor.stop()
        assert running(one.command) == []

    asyncio.run(story())


def test_tied_children_die_with_their_supervisor(tmp_path):
    one = program(tmp_path)
    with supervisor_of(tmp_path, one, tied=True) as killed:
        assert len(running(one.command)) == 1
        killed.kill()
    asyncio.run(until(lambda: running(one.command) == []))
