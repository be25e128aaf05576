"""The FastAGI server: who accepts callers, and what happens when something breaks.

Pre-forked workers wait on ONE shared listening socket, each pinned to a core. In each worker a
thread belongs to one call as long as the call lasts; threads wait in `accept` themselves, and
the last one that leaves to serve a caller first sends another in its place. So a frozen
conversation holds up nobody, and neither does a stopped worker.

Whatever breaks ends with the line ``failure``, at once, so that the dialplan's next line takes
the caller on: an unknown script, an exception, a broken protocol, no free slot.
"""

import contextlib
import errno
import os
import socket
import threading
import time
import traceback
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import structlog

from agi.channel import Channel
from agi.errors import DeadlineExceeded, Hangup, ProtocolError
from agi.session import Session
from agi.wire import Limits, say_and_close, set_timeout

Conversation = Callable[[Channel], None]
Conversations = Mapping[str, Conversation] | Callable[[str], Conversation | None]
"""By script name: a mapping, or a function that gives None for an unknown script."""

FAILURE = b"failure\n"
"""Makes AGISTATUS=FAILURE and sends the dialplan on at once."""
_LAP_S = 0.5
"""How long a thread waits in `accept` before it looks whether the server drains."""
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """How many calls, how long, how many threads wait."""

    slots: int = 500
    """Conversations at once in one worker; one more is refused at once."""
    spare_threads: int = 16
    """Threads that may wait in `accept`; more than these end after their call."""
    limits: Limits = field(default_factory=Limits)
    length_s: Callable[[str], float | None] | None = None
    """The length of a sound in seconds, None if unknown."""


BACKLOG = 1024


def listen(host: str, port: int, *, backlog: int = BACKLOG) -> socket.socket:
    """Open a listening socket. Port 0 takes a free one: ask the socket which."""
    listener = bind(host, port)
    try:
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def bind(host: str, port: int) -> socket.socket:
    """Take a port without listening yet: until a server starts on it, callers are refused.

    Refused, they take the next line at once; in the backlog they would wait for it in silence.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


class Server:
    """The conversations of one process, on listening sockets that others may share.

    As a context manager it serves inside the block and then drains without waiting.
    """

    def __init__(
        self,
        listeners: Iterable[socket.socket],
        conversations: Conversations,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self._find = conversations if callable(conversations) else conversations.get
        self._listeners = list(listeners)
        self._waiting = dict.fromkeys(self._listeners, 0)
        self._changed = threading.Condition(threading.Lock())
        self._calls: set[socket.socket] = set()
        self._draining = False
        self._refused = 0
        # Given back for a moment when the process has no file left, so that a caller can be
        # accepted and refused instead of waiting in silence.
        self._spare_file: int | None = os.open(os.devnull, os.O_RDONLY)
        self._spare_lock = threading.Lock()

    @property
    def active(self) -> int:
        """The conversations going on now."""
        return len(self._calls)

    def start(self) -> None:
        """Begin to accept callers, in threads of their own."""
        for listener in self._listeners:
            # Accepted sockets inherit both, which saves two system calls a call.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.listen(BACKLOG)
            listener.settimeout(None)
            set_timeout(listener, socket.SO_RCVTIMEO, _LAP_S)
            self._waiting[listener] = 1
            start_new_thread(self._accept_callers, (listener,))

    def report(self) -> None:
        """Log how many callers were refused since the last report; call it now and then."""
        refused, self._refused = self._refused, 0
        if refused:
            log.error("callers refused", callers=refused, slots=self._settings.slots)

    def drain(self, seconds: float) -> int:
        """Accept no more, give conversations `seconds` to end, then end the rest.

        Gives the number of conversations that had to be ended; their callers were told
        ``failure``, so that the dialplan takes them on.
        """
        self._draining = True
        for listener in self._listeners:
            listener.close()
        with self._changed:
            self._changed.wait_for(self._is_idle, seconds)
            left = list(self._calls)
            for call in left:
                with contextlib.suppress(OSError):
                    call.send(FAILURE, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                    call.shutdown(socket.SHUT_RDWR)
        return len(left)

    def _is_idle(self) -> bool:
        return not self._calls and not any(self._waiting.values())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drain(0)

    # --- accepting ---

    def _accept_callers(self, listener: socket.socket) -> None:
        while not self._draining:
            try:
                call, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                self._survive_accept_error(listener, error)
                continue
            if not self._take(listener, call):
                self._refuse(call)
                continue
            self._converse(call)
            if not self._wait_again(listener, call):
                return
        with self._changed:
            self._waiting[listener] -= 1
            self._changed.notify_all()

    def _take(self, listener: socket.socket, call: socket.socket) -> bool:
        """Give this thread to the call, if there is a slot and another thread to accept."""
        with self._changed:
            if len(self._calls) >= self._settings.slots or self._draining:
                return False
            if self._waiting[listener] == 1:
                try:
                    start_new_thread(self._accept_callers, (listener,))
                except RuntimeError:  # no more threads: this one must stay at the door
                    return False
            else:
                self._waiting[listener] -= 1
            self._calls.add(call)
            return True

    def _wait_again(self, listener: socket.socket, call: socket.socket) -> bool:
        with self._changed:
            self._calls.discard(call)
            if self._draining:
                self._changed.notify_all()
            elif self._waiting[listener] < self._settings.spare_threads:
                self._waiting[listener] += 1
                return True
            return False

    def _survive_accept_error(self, listener: socket.socket, error: OSError) -> None:
        if self._draining:
            return
        if error.errno not in _OUT_OF_FILES:
            time.sleep(_LAP_S / 10)  # whatever it is, it must not become a busy loop
            return
        with self._spare_lock:
            if self._spare_file is not None:
                os.close(self._spare_file)
            with contextlib.suppress(OSError):
                self._refuse(listener.accept()[0])
            self._spare_file = None
            with contextlib.suppress(OSError):
                self._spare_file = os.open(os.devnull, os.O_RDONLY)

    def _refuse(self, call: socket.socket) -> None:
        """Refusal, not silence: the dialplan goes on within milliseconds.

        Only counted here: a log that blocks must not hold up the thread at the door.
        """
        with contextlib.suppress(OSError):
            say_and_close(call, FAILURE)
        self._refused += 1

    # --- one call ---

    def _converse(self, call: socket.socket) -> None:
        """Hold one conversation. Nothing it does gets out of here but one line in the log."""
        started = time.monotonic()
        facts = _Facts()
        try:
            self._hold(call, facts)
        except Hangup as error:
            facts.ended = "hung up" if facts.session else "left before the header"
            facts.why = str(error)
        except DeadlineExceeded as error:
            facts.fail("too slow", str(error))
        except ProtocolError as error:
            facts.fail("not the protocol", str(error))
        except BaseException as error:  # noqa: BLE001 # even SystemExit must not touch other callers
            facts.fail("crashed", type(error).__name__)
            facts.stack = traceback.extract_tb(error.__traceback__)
        if facts.session:
            facts.session.close(facts.last_words)
        else:
            with contextlib.suppress(OSError):
                say_and_close(call, facts.last_words)
        ms = round((time.monotonic() - started) * 1000)
        # A log that cannot be written (disk full, pipe gone) must not cost the next caller.
        with contextlib.suppress(Exception):
            (log.warning if facts.last_words else log.info)(
                "conversation",
                call_id=facts.call_id,
                script=facts.script[:80],
                ended=facts.ended,
                **facts.more(),
                ms=ms,
            )

    def _hold(self, call: socket.socket, facts: "_Facts") -> None:
        facts.session = session = Session(call, self._settings.limits)
        channel = Channel(session, length_s=self._settings.length_s)
        facts.call_id, facts.script = channel.call_id, channel.request.script
        conversation = self._find(channel.request.script)
        if conversation is None:
            facts.fail("unknown script", "")
        else:
            conversation(channel)


class _Facts:
    """What is known about one conversation, for its line in the log."""

    __slots__ = ("call_id", "ended", "last_words", "script", "session", "stack", "why")

    def __init__(self) -> None:
        self.session: Session | None = None
        self.call_id = self.script = self.why = ""
        self.ended = "finished"
        self.last_words = b""
        self.stack: traceback.StackSummary | None = None

    def fail(self, ended: str, why: str) -> None:
        """End with the line that makes the dialplan take the caller on."""
        self.ended, self.why, self.last_words = ended, why, FAILURE

    def more(self) -> dict[str, object]:
        """Give what only a bad end has. The error's own words stay out: they may hold a number."""
        more: dict[str, object] = {"why": self.why} if self.why else {}
        if self.stack:
            more["raised_at"] = [f"{at.filename}:{at.lineno} {at.name}" for at in self.stack]
        return more
