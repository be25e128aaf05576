"""The programs of a centre: started, watched, started again when they die, drained at the end.

The supervisor is no single point: when it is killed, Asterisk and the conversations go on, and the
next supervisor adopts the running Asterisk (its calls live) and replaces the rest.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

log = structlog.get_logger()

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
HEALTHY_AFTER_S = 10.0
KEEPERS_END_S = 2.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Program:
    """One program: how it starts, when it is ready, how it is asked to stop.

    `ready` is awaited after each start and must return once the program does its work.
    `adopt`: it holds the calls. A running one is kept when the supervisor starts anew, and it is
    stopped first, while all that keeps its books still works.
    `uid`: the user it runs as, None for ours. `stop_s`: seconds it has to stop, then it is killed.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], Awaitable[None]]
    uid: int | None = None
    adopt: bool = False
    stop_s: float = 10.0
    stop_command: Sequence[str] | None = None
    environment: dict[str, str] = field(default_factory=dict)


class NotReadyError(RuntimeError):
    """A program did not come up; the message names it and where its log is."""


class AlreadyRunsError(RuntimeError):
    """Another supervisor runs this centre; two would end each other's programs."""


def alive(pid: int, command: Sequence[str]) -> bool:
    """True if process `pid` runs and was started by exactly `command`; a pid may be another's."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123  # read in one call
            return file.read().split(b"\0")[:-1] == [os.fsencode(word) for word in command]
    except OSError:
        return False


def running(command: Sequence[str]) -> list[int]:
    """Every process that runs exactly `command`, forked workers too; the oldest first.

    A pid file may be missing: whoever wrote it can be killed a moment before.
    """
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sorted((pid for pid in pids if alive(pid, command)), key=_started)


def _started(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return 0


class Supervisor:
    """Runs programs in order and keeps them running until `stop` is called.

    `folder` holds one pid file and one log file a program. `tied`: children die with us even by
    kill -9 (the demo and tests, where nothing may be left running); a real centre is not tied.
    """

    def __init__(self, folder: Path, *, tied: bool = False) -> None:
        self._folder = folder
        self._tied = tied
        self._lock: int | None = None
        self._stopping = asyncio.Event()
        # Held from the look whether we stop to the new pid's being known: no child slips through.
        self._spawning = asyncio.Lock()
        self._running: dict[str, tuple[Program, int]] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self.restarts: dict[str, int] = {}

    async def start(self, program: Program, *, ready_within_s: float = 30.0) -> None:
        """Start `program` (or adopt it) and return once it is ready.

        Raises NotReadyError, and AlreadyRunsError when another supervisor runs in this folder.
        """
        self._claim()
        process = await self._adopted(program) or await self._spawn(program)
        # Kept from its first moment: one that dies before it is ready is started again too.
        self._keepers.append(asyncio.create_task(self._keep(program, process)))
        try:
            await asyncio.wait_for(program.ready(), ready_within_s)
        except TimeoutError:
            raise NotReadyError(
                f"{program.name} was not ready within {ready_within_s:.0f} s; "
                f"its words are in {self._log_path(program.name)}"
            ) from None

    def pid(self, name: str) -> int:
        """The process id of a running program."""
        return self._running[name][1]

    async def stop(self) -> None:
        """Ask every program to stop and kill what outlives its time.

        The one that holds the calls goes first, then the others, the last started first.
        """
        self._stopping.set()
        async with self._spawning:
            programs = list(self._running.values())[::-1]
            programs.sort(key=lambda one: not one[0].adopt)
        for program, pid in programs:
            await self._stop_one(program, pid)
        if self._keepers:  # each ends by itself when it hears that its program has
            await asyncio.wait(self._keepers, timeout=KEEPERS_END_S)
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._running.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _claim(self) -> None:
        """Be the only supervisor of this folder; the lock goes with our last breath."""
        if self._lock is not None:
            return
        lock = os.open(self._folder / "supervisor.lock", os.O_CREAT | os.O_RDWR, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AlreadyRunsError(
                f"this centre is run by another program already ({self._folder}); "
                "stop that one first"
            ) from None
        self._lock = lock

    def _log_path(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    async def _adopted(self, program: Program) -> _Adopted | None:
        """What an earlier supervisor left running: kept if it may be, else ended."""
        left = running(program.command)
        if not left:
            return None
        if program.adopt:
            log.info("program adopted", program=program.name, pid=left[0])
            (self._folder / f"{program.name}.pid").write_text(str(left[0]))
            self._running[program.name] = (program, left[0])
            return _Adopted(left[0], program.command)
        await asyncio.to_thread(_end, left, program)
        return None

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        with self._log_path(program.name).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                user=program.uid,
                group=program.uid,
                extra_groups=None if program.uid is None else [],
                env={**os.environ, **program.environment},
                preexec_fn=_die_with_parent if self._tied else None,
            )
        (self._folder / f"{program.name}.pid").write_text(str(process.pid))
        self._running[program.name] = (program, process.pid)
        return process

    async def _keep(
        self, program: Program, process: asyncio.subprocess.Process | _Adopted
    ) -> None:
        """Start `program` again whenever it dies, at once at first, with growing pauses after."""
        pause = 0.0
        while True:
            began = time.monotonic()
            code = await process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - began > HEALTHY_AFTER_S:
                pause = 0.0
            log.error("program died", program=program.name, exit=code, again_in_s=pause)
            await asyncio.sleep(pause)
            if pause >= LONGEST_PAUSE_S:
                # What it left behind is in its way: a frozen worker holds its port for ever.
                await asyncio.to_thread(_end, running(program.command), program)
            pause = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, pause * 2))
            self.restarts[program.name] = self.restarts.get(program.name, 0) + 1
            async with self._spawning:
                if self._stopping.is_set():
                    return
                process = await self._spawn(program)

    async def _stop_one(self, program: Program, pid: int) -> None:
        if program.stop_command is not None and alive(pid, program.command):
            asking = await asyncio.create_subprocess_exec(
                *program.stop_command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            await asking.wait()
            deadline = time.monotonic() + program.stop_s
            while alive(pid, program.command) and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
        left = running(program.command) or [pid]
        await asyncio.to_thread(_end, left, program)


class _Adopted:
    """A process that is not our child: waited for by looking."""

    def __init__(self, pid: int, command: Sequence[str]) -> None:
        self.pid = pid
        self._command = command

    async def wait(self) -> int:
        while alive(self.pid, self._command):
            await asyncio.sleep(0.25)
        return -1


def _end(pids: Sequence[int], program: Program) -> None:
    """SIGTERM, wait, SIGKILL. What is gone already is a success; blocking."""

    def still_there() -> list[int]:
        return [pid for pid in pids if alive(pid, program.command)]

    for number, patience_s in ((signal.SIGTERM, program.stop_s), (signal.SIGKILL, 5.0)):
        for pid in still_there():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while still_there() and time.monotonic() < deadline:
            time.sleep(0.02)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def python(*words: str) -> list[str]:
    """The words that start one of our own programs with the interpreter we run on."""
    return [sys.executable, "-m", "centre", *words]
