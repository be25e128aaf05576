"""The master of the FastAGI workers: forks them, replaces the dead, drains them at the end."""

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from agi.server import Conversations, Server, Settings, bind

STACK_BYTES = 256 * 1024
_TICK_S = 0.5
_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 5.0
_LIVED_WELL_S = 10.0
_STOP = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


def serve(
    listeners: Sequence[socket.socket | tuple[str, int]],
    conversations: Conversations,
    *,
    workers: int = 2,
    settings: Settings | None = None,
    drain_s: float = 20.0,
    pin: bool = True,
    prepare: Callable[[], None] | None = None,
) -> None:
    """Serve in `workers` child processes until SIGTERM or SIGINT; call it in the main thread.

    `listeners` are bound sockets or addresses (port 0 is refused: nobody could know which port
    it became); they listen from the first worker on. `prepare` runs in each worker before it
    accepts callers. At the end each worker gives its conversations `drain_s` seconds. A worker
    whose master is gone drains too.
    """
    sockets = [_opened(listener) for listener in listeners]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP, signal.SIGCHLD})
    hup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # What is loaded by now lives for ever: the collector need not walk it during calls, nor copy
    # it into each worker by doing so.
    gc.collect()
    gc.freeze()
    try:
        _Master(
            workers,
            lambda number: _work(
                sockets,
                conversations,
                settings,
                drain_s,
                prepare=prepare,
                core=number if pin else None,
            ),
        ).run(sockets, drain_s)
    finally:
        signal.signal(signal.SIGHUP, hup)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for listener in sockets:
            listener.close()


class _Master:
    def __init__(self, workers: int, work: Callable[[int], None]) -> None:
        self._work = work
        self._running: dict[int, tuple[int, float]] = {}  # pid: worker's number, born at
        self._due = dict.fromkeys(range(workers), 0.0)  # worker's number: when to fork it
        self._backoff_s = dict.fromkeys(range(workers), 0.0)

    def run(self, listeners: Sequence[socket.socket], drain_s: float) -> None:
        stopped = False
        while not stopped:
            self._fork_due()
            soonest_s = min(self._due.values(), default=time.monotonic() + 60) - time.monotonic()
            came = signal.sigtimedwait({*_STOP, signal.SIGCHLD}, max(0.0, soonest_s))
            stopped = _is_stop(came)
            self._reap()
        # Ours too: in the backlog of a port where nobody accepts, callers would wait in silence.
        for listener in listeners:
            listener.close()
        self._drain(drain_s)

    def _fork_due(self) -> None:
        for number in [n for n, at in self._due.items() if at <= time.monotonic()]:
            del self._due[number]
            pid = os.fork()
            if pid == 0:
                _run_worker(self._work, number)
            self._running[pid] = (number, time.monotonic())
            log.info("worker started", worker=number, pid=pid)

    def _reap(self) -> None:
        for pid, (number, born_at) in list(self._running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                continue
            del self._running[pid]
            # The first death is mended at once: its callers' next call needs the worker.
            lived_well = time.monotonic() - born_at >= _LIVED_WELL_S
            last_s = 0.0 if lived_well else self._backoff_s[number]
            self._due[number] = time.monotonic() + last_s
            self._backoff_s[number] = min(max(last_s * 2, _FIRST_BACKOFF_S), _LONGEST_BACKOFF_S)
            log.error(
                "worker died, starting another",
                worker=number,
                exit=os.waitstatus_to_exitcode(status),
                in_s=last_s,
            )

    def _drain(self, drain_s: float) -> None:
        log.info("draining", workers=len(self._running))
        self._signal(signal.SIGTERM)
        give_up_at = time.monotonic() + drain_s + 2 * _TICK_S + 1.0
        while self._running and time.monotonic() < give_up_at:
            signal.sigtimedwait({signal.SIGCHLD}, _TICK_S)
            for pid in list(self._running):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self._running[pid]
        self._signal(signal.SIGKILL)
        for pid in self._running:
            os.waitpid(pid, 0)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _run_worker(work: Callable[[int], None], number: int) -> None:
    """Be the worker and never return into the master's code."""
    code = 1
    try:
        work(number)
        code = 0
    except BaseException:  # the master must see a death, not our stack unwound into its own
        log.exception("worker failed", worker=number)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _work(
    sockets: list[socket.socket],
    conversations: Conversations,
    settings: Settings | None,
    drain_s: float,
    *,
    prepare: Callable[[], None] | None,
    core: int | None,
) -> None:
    master = os.getppid()
    if core is not None:
        # A GIL that travels between two cores costs more than twice the time a call.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(STACK_BYTES)
    if prepare:
        prepare()
    server = Server(sockets, conversations, settings)
    server.start()
    while not _is_stop(signal.sigtimedwait(_STOP, _TICK_S)) and os.getppid() == master:
        server.report()
    ended = server.drain(drain_s)
    log.info("worker drained", conversations_ended=ended)


def _is_stop(came: signal.struct_siginfo | None) -> bool:
    """Whether we were told to stop: CPython gives an empty siginfo after a SIGSTOP and SIGCONT."""
    return came is not None and came.si_signo in _STOP


def _opened(listener: socket.socket | tuple[str, int]) -> socket.socket:
    if isinstance(listener, socket.socket):
        return listener
    host, port = listener
    if port == 0:
        raise ValueError("port 0: open the socket with bind() and pass it, to know its port")
    return bind(host, port)
