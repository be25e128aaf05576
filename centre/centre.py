"""A whole centre on this machine: its programs in order, from ready to drained."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from centre.processes import NotReadyError, Program, Supervisor, python

if TYPE_CHECKING:
    from centre.house import House

log = structlog.get_logger()

READY = re.compile(r"Asterisk Ready|System uptime")
DRAIN_S = 20.0


class Centre:
    """Starts and stops the programs of a prepared house.

    `settings_file` is handed to our own programs; `tied` as in `Supervisor`.
    """

    def __init__(self, house: House, settings_file: Path, *, tied: bool = False) -> None:
        self.house = house
        self._settings_file = settings_file
        self.supervisor = Supervisor(house.run, tied=tied)

    async def start(self) -> None:
        """Start everything; return when calls can be answered. Raises NotReadyError.

        Conversations come before Asterisk: the first call already finds its menu. Without them
        Asterisk is started all the same: its own road takes callers to a person.
        """
        for program in self._programs():
            try:
                await self.supervisor.start(program)
            except NotReadyError as late:
                if program.adopt:
                    raise
                log.error("opening without it", why=str(late))  # noqa: TRY400 # the words say all

    async def stop(self) -> None:
        """Stop everything, Asterisk after its calls have ended or `DRAIN_S`."""
        await self.supervisor.stop()

    def _programs(self) -> list[Program]:
        first, standby = self.house.settings.agi_ports
        return [
            self._conversations("conversations", first),
            self._conversations("conversations-standby", standby, "--standby"),
            self._asterisk(),
            Program(
                "keeper",
                python("serve-keeper", "--settings", str(self._settings_file)),
                self._at_once,
                environment=_python_path(),
            ),
        ]

    def _conversations(self, name: str, port: int, *words: str) -> Program:
        async def ready() -> None:
            await until_listening(port)

        return Program(
            name,
            python("serve-agi", "--settings", str(self._settings_file), *words),
            ready,
            environment=_python_path(),
            stop_s=DRAIN_S + 5,
        )

    def _asterisk(self) -> Program:
        return Program(
            "asterisk",
            self.house.asterisk_command("-f", "-n"),
            self._asterisk_ready,
            uid=self.house.asterisk_uid,
            adopt=True,
            stop_command=self.house.asterisk_command("-rx", "core stop gracefully"),
            stop_s=DRAIN_S,
            environment={"MALLOC_ARENA_MAX": "4"},
        )

    async def _asterisk_ready(self) -> None:
        """Wait until Asterisk says that it is fully booted."""
        while True:
            asking = await asyncio.create_subprocess_exec(
                *self.house.asterisk_command("-rx", "core waitfullybooted"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            answer, _ = await asking.communicate()
            if b"fully booted" in answer:
                return
            await asyncio.sleep(0.1)

    async def _at_once(self) -> None:
        return


async def until_listening(port: int) -> None:
    """Return once something accepts connections on this loopback port."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port of `host` that is free now; for demo and tests, where nothing is configured."""
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


def _python_path() -> dict[str, str]:
    house = str(Path(__file__).parent.parent)
    before = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": house if not before else f"{house}:{before}"}
