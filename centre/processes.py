"""The programs of a centre: started, watched, started again when they die, drained at the end.

The supervisor is no single point: when it is killed, Asterisk and the conversations go on, and the
next supervisor adopts the running Asterisk (its calls live) and replaces the rest.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

log = structlog.get_logger()

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
HEALTHY_AFTER_S = 10.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Program:
    """One program: how it starts, when it is ready, how it is asked to stop.

    `ready` is awaited after each start and must return once the program does its work.
    `adopt`: a running one is kept when the supervisor starts anew (its calls would die with it).
    `uid`: the user it runs as, None for ours. `stop_s`: seconds it has to stop before it is killed.
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


def alive(pid: int, command: Sequence[str]) -> bool:
    """True if process `pid` runs and was started by exactly `command`: a pid alone may be another's."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123  # read in one call
            return file.read().split(b"\0")[:-1] == [os.fsencode(word) for word in command]
    except OSError:
        return False


class Supervisor:
    """Runs programs in order and keeps them running until `stop` is called.

    `folder` holds one pid file and one log file a program. `tied`: children die with us even by
    kill -9 (the demo and tests, where nothing may be left running); a real centre is not tied.
    """

    def __init__(self, folder: Path, *, tied: bool = False) -> None:
        self._folder = folder
        self._tied = tied
        self._stopping = asyncio.Event()
        self._running: dict[str, tuple[Program, int]] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self.restarts: dict[str, int] = {}

    async def start(self, program: Program, *, ready_within_s: float = 30.0) -> None:
        """Start `program` (or adopt it) and return once it is ready. Raises NotReadyError."""
        process = self._adopted(program) or await self._spawn(program)
        try:
            await asyncio.wait_for(program.ready(), ready_within_s)
        except TimeoutError:
            raise NotReadyError(
                f"{program.name} was not ready within {ready_within_s:.0f} s; "
                f"its words are in {self._log_path(program.name)}"
            ) from None
        self._keepers.append(asyncio.create_task(self._keep(program, process)))

    def pid(self, name: str) -> int:
        """The process id of a running program."""
        return self._running[name][1]

    async def stop(self) -> None:
        """Ask every program to stop, the last started first; kill what outlives its time."""
        self._stopping.set()
        for program, pid in reversed(list(self._running.values())):
            await self._stop_one(program, pid)
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._running.clear()

    def _log_path(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _adopted(self, program: Program) -> _Adopted | None:
        """A program that an earlier supervisor left running: kept if it may be, else ended."""
        path = self._folder / f"{program.name}.pid"
        try:
            pid = int(path.read_text())
        except (OSError, ValueError):
            return None
        if not alive(pid, program.command):
            return None
        if program.adopt:
            log.info("program adopted", program=program.name, pid=pid)
            self._running[program.name] = (program, pid)
            return _Adopted(pid, program.command)
        _end(pid, lambda: alive(pid, program.command), program.stop_s)
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
            pause = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, pause * 2))
            self.restarts[program.name] = self.restarts.get(program.name, 0) + 1
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
        await asyncio.to_thread(_end, pid, lambda: alive(pid, program.command), program.stop_s)


class _Adopted:
    """A process that is not our child: waited for by looking."""

    def __init__(self, pid: int, command: Sequence[str]) -> None:
        self.pid = pid
        self._command = command

    async def wait(self) -> int:
        while alive(self.pid, self._command):
            await asyncio.sleep(0.25)
        return -1


def _end(pid: int, still_there: Callable[[], bool], within_s: float) -> None:
    """SIGTERM, wait, SIGKILL. A process that is gone already is a success."""
    for number, patience in ((signal.SIGTERM, within_s), (signal.SIGKILL, 5.0)):
        if not still_there():
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while still_there() and time.monotonic() < deadline:
            time.sleep(0.02)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def python(*words: str) -> list[str]:
    """The words that start one of our own programs with the interpreter we run on."""
    return [sys.executable, "-m", "centre", *words]
