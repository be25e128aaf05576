"""One SIPp process that acts a person: started, listened to, ended by its pid.

A scenario tells what happens by `<log message="event ...">`; SIPp writes these lines into a pipe,
so a waiting test or demo wakes in the same moment. `setpriv --pdeathsig` makes the kernel end
the process with its parent, and its own session keeps a Ctrl-C of the terminal away from it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = structlog.get_logger(__name__)

TAIL_BYTES: Final = 2000
STOP_S: Final = 3.0
_NEVER: Final = "1000000"
_CHATTER: Final = ("In pcap", "max pkt length", "base port", "Resolving remote host", "There were")
_PLANNED: Final = re.compile(
    r"[\d:.\t -]+Call-Id: \S+, receive timeout .*?jumping to label \d+?(?=\d{4}-|\D|$)"
)

# The kernel ends the process when the THREAD that started it ends: this one lives as we do.
_STARTER: Final = ThreadPoolExecutor(1, "sipp-starter")

_GIVEN: Final[deque[tuple[str, int]]] = deque(maxlen=500)
_GIVING: Final = threading.Lock()


class ActorError(Exception):
    """An actor could not start, or did not do what was awaited; holds SIPp's own last words."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an actor: `at` is monotonic s; `call` counts from 1; see `Actor`."""

    at: float
    name: str
    call: int
    detail: str


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a process keeps its scenario, its RTP and its logs."""

    folder: Path
    temporary: bool

    @classmethod
    def prepare(cls, folder: Path | None) -> Self:
        """`folder`, made if need be, to be kept; or a temporary one when None."""
        if folder is None:
            return cls(Path(tempfile.mkdtemp(prefix="siaga-actor-")), temporary=True)
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, temporary=False)

    @contextmanager
    def cleared_on_failure(self) -> Iterator[Path]:
        """Give the folder; clear it when what is started here does not start."""
        try:
            yield self.folder
        except BaseException:
            self.clear()
            raise

    def clear(self) -> None:
        """Remove a temporary folder; a kept one stays."""
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


class Actor:
    """A running SIPp process and the events it tells.

    Caller: `ringing`, `answered`, `refused` (detail: code), `cancelling`, `cancelled`.
    Phone: `rung`, `answered`, `cancelled`, `rejected`. Both in a call: `deed` (detail: number
    and kind), `other_hung_up`, `hung_up`, `vanish`, `held`, `unheld`, `transferred`. Last:
    `exit` (detail: SIPp's exit code; negative: the signal that ended it).
    """

    def __init__(self, name: str, place: Workplace, arguments: Sequence[str]) -> None:
        self.name = name
        self.folder = place.folder
        self._place = place
        self._told = threading.Condition()
        self._events: list[Event] = []
        reading, writing = os.pipe()
        try:
            command = _command(self.folder, arguments, writing)
            self._process = _STARTER.submit(_spawn, command, self.folder, writing).result()
        except (OSError, ActorError) as error:
            os.close(reading)
            raise ActorError(f"{name}: SIPp did not start: {error}") from error
        finally:
            os.close(writing)
        self._listener = threading.Thread(target=self._listen, args=(reading,), daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """SIPp's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def events(self) -> list[Event]:
        """All events so far, in order."""
        with self._told:
            return list(self._events)

    def happened(self, name: str, detail: str = "") -> list[Event]:
        """The events of this name whose detail begins with `detail`."""
        return [e for e in self.events if e.name == name and e.detail.startswith(detail)]

    def wait_for(
        self, name: str, timeout_s: float = 10.0, *, detail: str = "", times: int = 1
    ) -> Event:
        """Wait until `name` happened `times` times and return the last of these events.

        Raises ActorError when the process ended or `timeout_s` passed without it.
        """

        def known() -> list[Event]:
            return [e for e in self._events if e.name == name and e.detail.startswith(detail)]

        def decided() -> bool:
            return len(known()) >= times or bool(self._events and self._events[-1].name == "exit")

        with self._told:
            self._told.wait_for(decided, timeout_s)
            found = known()
        if len(found) < times:
            raise ActorError(f"{self.name}: '{name} {detail}' did not happen. {self.story()}")
        return found[times - 1]

    def wait_ended(self, timeout_s: float = 30.0) -> int:
        """Wait for the end of the process; returns its exit code (0: every call went as planned).

        Raises ActorError when it still runs after `timeout_s`.
        """
        return int(self.wait_for("exit", timeout_s).detail)

    def stop(self) -> None:
        """End the process: asked first, then forced; temporary files go too. Never raises."""
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                log.warning("actor_forced", actor=self.name, pid=self.pid)
                self.vanish()
        self._process.wait()
        self._listener.join(STOP_S)
        self._place.clear()

    def vanish(self) -> None:
        """Drop off the network at once: nothing more is sent."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)

    def messages(self) -> str:
        """SIPp's trace of every SIP message sent and received."""
        return _text(self.folder / "messages.log")

    def story(self) -> str:
        """What happened, for an error message: the events and the tail of SIPp's errors."""
        told = ", ".join(f"{e.name} {e.detail}".strip() for e in self.events) or "nothing"
        screen = _text(self.folder / "stderr.log").splitlines()
        said = "\n".join(line for line in screen if not line.startswith(_CHATTER))
        errors = _PLANNED.sub("", said + _text(self.folder / "errors.log"))
        return f"It told: {told}. SIPp says: {errors[-TAIL_BYTES:].strip() or 'no error'}"

    def _listen(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                word, _, rest = line.strip().partition(" ")
                if word == "event":
                    call, name, *detail = rest.split(" ", 2)
                    self._note(name, int(call), detail[0] if detail else "")
        self._note("exit", 0, str(self._process.wait()))

    def _note(self, name: str, call: int, detail: str) -> None:
        if name == "vanish":
            self.vanish()
        with self._told:
            self._events.append(Event(time.monotonic(), name, call, detail))
            self._told.notify_all()


def free_ports(ip: str) -> tuple[int, int]:
    """A free SIP port and a free even media port (the next even one is free too) on `ip`."""
    while True:
        with _bound(ip, 0) as sip, _bound(ip, 0) as media:
            port = media.getsockname()[1] & ~1
            if sip.getsockname()[1] in range(port, port + 4) or port < 1024:
                continue
            if not _reserve(ip, sip.getsockname()[1], *range(port, port + 4)):
                continue
            try:
                with _bound(ip, port + 2):
                    return sip.getsockname()[1], port
            except OSError:
                continue


def _reserve(ip: str, *ports: int) -> bool:
    """Whether none of `ports` was given out lately: its SIPp may not have bound it yet."""
    wanted = {(ip, port) for port in ports}
    with _GIVING:
        if wanted & set(_GIVEN):
            return False
        _GIVEN.extend(wanted)
        return True


def _bound(ip: str, port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        found.bind((ip, port))
    except OSError:
        found.close()
        raise
    return found


def _command(folder: Path, arguments: Sequence[str], pipe: int) -> list[str]:
    for program in ("sipp", "setpriv"):
        if shutil.which(program) is None:
            raise ActorError(f"{program} is not installed: apt-get install sip-tester util-linux")
    return [
        *("setpriv", "--pdeathsig", "KILL", "--", "sipp", *arguments),
        *("-nostdin", "-skip_rlimit", "-deadcall_wait", "0", "-aa"),
        *("-watchdog_minor_maxtriggers", _NEVER, "-watchdog_major_maxtriggers", _NEVER),
        *("-trace_err", "-error_file", str(folder / "errors.log")),
        *("-trace_logs", "-log_file", f"/dev/fd/{pipe}"),
    ]


def _spawn(command: list[str], folder: Path, pipe: int) -> subprocess.Popen[bytes]:
    with (folder / "stderr.log").open("wb") as errors:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(pipe,),
            start_new_session=True,
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
