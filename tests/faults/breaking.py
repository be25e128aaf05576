"""A real centre whose programs can be left out, killed, frozen and started by hand."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from call_router.seats import SeatEvent, SeatFact
from centre.actors import AnswerAfter, Caller, CallerId, HangUp, Press, Speak, Wait, WaitForHangup
from centre.actors.sipp import free_ports
from centre.openings import open_books
from centre.processes import running
from centre.trial import PHONE_IP, Shape, TrialCentre, until

HOUSE = Path(__file__).parent.parent.parent
CALLER_HZ = 440.0
CALL_TAKER_HZ = 700.0
PRESSES_0 = (Wait(0.6), Press("0"), WaitForHangup(60.0))
STAYS = (WaitForHangup(60.0),)
ANSWERS_SOON = AnswerAfter(0.2)
TALKS_BRIEFLY = (Speak(CALL_TAKER_HZ, 0.6), HangUp())


class Town(TrialCentre):
    """A trial centre with `seats` call-takers at their desks from the first moment.

    The programs named in `without` are not started: a story starts its own.
    """

    def __init__(self, seats=2, *, without=(), folder=None, **shape):
        super().__init__(Shape(phones=seats, **shape), folder)
        every = self.centre._programs()
        self.programs = {program.name: program for program in every}
        self.centre._programs = lambda: [p for p in every if p.name not in without]
        self.numbers = [call_taker.id for call_taker in self.settings.call_takers]
        seat_them(self.settings, self.numbers)

    @property
    def conversations(self):
        """The master of the FastAGI workers; it leads its process group."""
        return self.pid("conversations")

    def queue_members(self):
        return self.asterisk("queue show 112").count("PJSIP/")

    def one_row_each(self):
        """Every row has one INVITE, every INVITE one row, and all have ended."""
        rows = self.calls()
        assert all(row.ending for row in rows), [row for row in rows if not row.ending]
        ids = [row.sip_call_id for row in rows]
        assert len(ids) == len(set(ids)), ids
        return rows


class Up(Town):
    """The same centre run by `siaga up`, as a city runs it: a program tied to nobody."""

    supervisor = None

    def __enter__(self):
        self._thread.start()
        try:
            self.up()
            self.until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def up(self):
        """Start `siaga up`; it says so when it is ready."""
        self.words = self.folder / f"up-{time.monotonic_ns()}.log"
        with self.words.open("wb") as words:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "centre", "up", "--settings", str(self.settings_file)],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(HOUSE)},
            )

    def until_ready(self):
        until("up is ready", lambda: "ready on SIP" in self.words.read_text(), 60.0)

    def kill_supervisor(self):
        self.supervisor.kill()
        self.supervisor.wait()

    def pid(self, program):
        return int((self.house.run / f"{program}.pid").read_text())

    def running(self):
        """Every process of this centre, by the name of its program."""
        found = {name: running(program.command) for name, program in self.programs.items()}
        return {name: pids for name, pids in found.items() if pids}

    def __exit__(self, *_):
        if self.supervisor.poll() is None:
            self.supervisor.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.supervisor.wait(60)
            self.kill_supervisor()
        for pid in [pid for pids in self.running().values() for pid in pids]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        super().__exit__()


def seat_them(settings, numbers):
    """Write down that call-takers sit at these phones: the keeper puts them into the queue."""
    books = open_books(settings)
    now = datetime.now(UTC)
    signed_in = [SeatFact.new(n, now, SeatEvent.SIGN_IN, call_taker=n) for n in numbers]
    for at in range(0, len(signed_in), 10):
        books.record(*signed_in[at : at + 10])
    while books.health().waiting_bytes:  # a cold start may take longer than a caller would wait
        books.merge()
    books.close()


@contextmanager
def at_the_desks(town, plan=TALKS_BRIEFLY, answer=ANSWERS_SOON):
    """All phones of the town ring in one SIPp, which answers as many at once as ring."""
    with phones(town, town.numbers, plan, answer) as line:
        until("all are in the queue", lambda: town.queue_members() == len(town.numbers), 30.0)
        yield line


@contextmanager
def phones(town, numbers, plan=TALKS_BRIEFLY, answer=ANSWERS_SOON):
    """Register these phones at one port and answer there; nobody signs in."""
    port, _ = free_ports(PHONE_IP)
    made = [town.phone(n, plan, answer=answer, trace=False, sip_port=port) for n in numbers]
    with TemporaryDirectory() as folder:
        for phone in made:
            phone.register(Path(folder) / phone.user, port)
    with made[0].start(register=False) as line:
        yield line


def caller(town, plan=PRESSES_0, number=1, **more):
    return Caller(f"caller {number}", CallerId(f"08123456{number:04d}"), town.sip, plan, **more)


def reach(town, desk, plan=PRESSES_0, *, within_s, during=None, **more):
    """Ring, reach a call-taker within `within_s`, talk, end; returns the row.

    `during(actor, person)` breaks something once the caller rings.
    """
    before = len(desk.happened("answered"))
    person = caller(town, plan, **more)
    with person.start() as ringing:
        if during is not None:
            during(ringing, person)
        desk.wait_for("answered", within_s, times=before + 1)
        ringing.wait_ended(30.0)
    return person


def seconds_to(town, row, what):
    """Seconds from the first ring to the first fact of that name."""
    at = {entry.fact.what: entry.fact.at for entry in reversed(town.timeline(row))}
    return (at[what] - row.rang_at).total_seconds()


def in_menu(town, person):
    row = town.call(person.call_id)
    return row is not None and row.menu_at is not None


def workers(master):
    children = Path(f"/proc/{master}/task/{master}/children").read_text()
    return [int(child) for child in children.split()]


class ByHand:
    """A program of the town, started by the story and ended with it, frozen or not."""

    def __init__(self, town, name):
        program = town.programs[name]
        with (town.house.run / f"{name}.log").open("ab") as output:
            self.process = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **program.environment},
            )
        self.pid = self.process.pid
        town._wait(program.ready())

    def signal(self, number):
        """To the master and all its workers."""
        os.killpg(self.pid, number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self.process.wait()
        # Workers are not our children: they are gone when their group is.
        until("the group is gone", lambda: not _group_lives(self.pid), 5.0)


def _group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class Fake:
    """Something on FastAGI's port that is no FastAGI: `behave(socket)` serves each caller."""

    def __init__(self, port, behave):
        self._behave = behave
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(16)
        self.served = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with suppress(OSError):  # closed by the story
            while True:
                call, _ = self._listener.accept()
                self.served += 1
                threading.Thread(target=self._serve, args=(call,), daemon=True).start()

    def _serve(self, call):
        with call, suppress(OSError):  # Asterisk hung up on us, as it should
            self._behave(call)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_header(call):
    got = b""
    while b"\n\n" not in got and (more := call.recv(4096)):
        got += more


def until_closed(call):
    while call.recv(4096):
        pass


def everything_stops(*pids):
    """Whether none of these processes is there any more."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


__all__ = [name for name in dir() if not name.startswith("_")]
