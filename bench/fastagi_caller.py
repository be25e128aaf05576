"""A synthetic Asterisk: one epoll loop that makes many calls at once, at the least possible cost.

It neither reads nor parses during a call: the edge-triggered news that something came is a
command, the n-th command gets the n-th reply, composed beforehand, and only at the end the
commands are read, once, and counted. That keeps its own share of the cores small; what it costs
is taken from every server alike.

Run as a program: ``python -m bench.fastagi_caller PORT loop CALLERS SECONDS`` or ``… rate
CALLS_PER_S SECONDS``; prints one JSON object.
"""

import gc
import heapq
import json
import select
import socket
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = (
    b"agi_network: yes\nagi_network_script: 112\nagi_request: agi://127.0.0.1:4573/112\n"
    b"agi_channel: PJSIP/trunk-00000001\nagi_language: id\nagi_type: PJSIP\n"
    b"agi_uniqueid: siaga-1795309200.12\nagi_version: 22.10.1\nagi_callerid: +628123456789\n"
    b"agi_calleridname: unknown\nagi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\n"
    b"agi_callingtns: 0\nagi_dnid: 112\nagi_rdnis: unknown\nagi_context: emergency-in\n"
    b"agi_extension: 112\nagi_priority: 9\nagi_enhanced: 0.0\nagi_accountcode: \n"
    b"agi_threadid: 139872\n\n"
)
_OK = b"200 result=1\n"
REPLIES = (
    *(_OK, b"200 result=0\n", _OK, b"200 result=1 (a84b4c76e66710)\n"),
    *(_OK, b"200 result=0 endpos=64000\n", _OK, b"200 result=48\n"),
    *(_OK, _OK, _OK, _OK),
)
THINKS_S = {1: 0.2, 5: 0.2, 7: 0.2}
"""At a fixed rate ANSWER, STREAM FILE and WAIT FOR DIGIT take this long to be answered."""
_STALLED_S = 5.0
_COMMAND = select.EPOLLIN


class Caller:
    """Makes calls to one port and counts what became of them."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._epoll = select.epoll()
        self._calls: dict[int, tuple[socket.socket, Iterator[bytes]]] = {}
        self._due: list[tuple[float, int]] = []
        self._sent: dict[int, float] = {}
        self._commands: dict[int, int] = {}
        self.turnarounds: list[float] = []
        self.completed = 0
        self.broken = 0

    def loop(self, callers: int, seconds: float) -> float:
        """Keep `callers` calls going; give the calls completed per second."""
        poll, calls = self._epoll.poll, self._calls
        for _ in range(callers):
            self._dial()
        began = time.perf_counter()
        ends = began + seconds
        while (now := time.perf_counter()) < ends:
            ready = poll(_STALLED_S)
            if not ready:
                break
            for fd, news in ready:
                if news == _COMMAND:
                    sock, replies = calls[fd]
                    for reply in replies:
                        sock.send(reply)
                        break
                else:
                    self._hung_up(fd)
                    self._dial()
        return self.completed / (now - began)

    def rate(self, calls_per_s: float, seconds: float) -> list[float]:
        """Begin calls at a fixed rate; give every turnaround (reply sent to next command), s."""
        clock = time.perf_counter
        began = clock()
        self._due = [
            (began + number / calls_per_s, 0) for number in range(int(calls_per_s * seconds))
        ]
        gives_up = began + seconds + 4 * _STALLED_S
        while (self._due or self._calls) and clock() < gives_up:
            # One thing at a time: a batch of replies would let the first answers wait for us.
            if self._due and self._due[0][0] <= clock():
                self._act(heapq.heappop(self._due)[1])
            wait_s = self._due[0][0] - clock() if self._due else _STALLED_S
            ready = self._epoll.poll(max(0.0, wait_s))
            now = clock()
            for fd, news in ready:
                self._hear(fd, news, now)
        self.broken += len(self._calls)
        return self.turnarounds

    def _act(self, fd: int) -> None:
        """Begin a call (0), or give the reply that a call has waited for."""
        if not fd:
            self._commands[self._dial()] = 0
            return
        sock, replies = self._calls[fd]
        sock.send(next(replies))
        self._sent[fd] = time.perf_counter()

    def _hear(self, fd: int, news: int, now: float) -> None:
        sock, replies = self._calls[fd]
        if news != _COMMAND:
            self._hung_up(fd)
            self._sent.pop(fd, None)
            return
        if fd in self._sent:
            self.turnarounds.append(now - self._sent[fd])
        command = self._commands[fd]
        self._commands[fd] = command + 1
        if command in THINKS_S:
            heapq.heappush(self._due, (now + THINKS_S[command], fd))
        elif reply := next(replies, b""):
            sock.send(reply)
            self._sent[fd] = time.perf_counter()

    def _dial(self) -> int:
        sock = socket.create_connection(self._address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fd = sock.fileno()
        self._calls[fd] = (sock, iter(REPLIES))
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
        sock.send(HEADER)
        return fd

    def _hung_up(self, fd: int) -> None:
        sock, replies = self._calls.pop(fd)
        self._epoll.unregister(fd)
        commands = sock.recv(65_536)
        sock.close()
        if next(replies, None) is None and commands.count(b"\n") == len(REPLIES):
            self.completed += 1
        else:
            self.broken += 1


def main(arguments: list[str]) -> None:
    """Make the calls that the command line asks for and print what became of them."""
    port, how, amount, seconds = arguments
    caller = Caller(int(port))
    gc.disable()  # nothing here is circular, and a collection would count as the server's
    figures: dict[str, float] = {}
    before_s = time.process_time()
    if how == "loop":
        figures["calls_per_s"] = caller.loop(int(amount), float(seconds))
    else:
        turns = sorted(caller.rate(float(amount), float(seconds)))
        figures["turn_p50_ms"] = turns[len(turns) // 2] * 1000
        figures["turn_p99_ms"] = turns[len(turns) * 99 // 100] * 1000
        figures["turn_max_ms"] = turns[-1] * 1000
    figures["completed"] = caller.completed
    figures["broken"] = caller.broken
    figures["own_cpu_s"] = time.process_time() - before_s
    figures["all_cpu_s"] = time.process_time()  # with starting Python
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
