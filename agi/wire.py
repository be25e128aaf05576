"""Lines over a socket, each read with a deadline and a size limit.

The kernel keeps the deadline (SO_RCVTIMEO): a read is one system call, where Python's own
socket timeout would make it two.
"""

import contextlib
import socket
import struct
import time
from dataclasses import dataclass

from agi.errors import DeadlineExceeded, Hangup, ProtocolError

_LAP_SLACK_S = 0.005
_CHUNK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much one conversation may take. Seconds and bytes."""

    header_s: float = 5.0
    command_s: float = 5.0
    conversation_s: float = 300.0
    line_bytes: int = 65_536
    header_bytes: int = 65_536
    look_s: float = 0.05
    """After ``result=-1``: how long to look for the HANGUP that may explain it (Asterisk
    writes it at once)."""


class Wire:
    """One stream socket, read by lines. For one thread; the socket is blocking from here on."""

    __slots__ = ("_buffer", "_lap_s", "_longest_lap_s", "_max_line", "_sock")

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._sock = sock
        self._buffer = b""
        self._max_line = limits.line_bytes
        self._longest_lap_s = limits.command_s
        self._lap_s = 0.0
        if sock.gettimeout() is not None:
            sock.settimeout(None)
        self._set_lap(self._longest_lap_s)
        set_timeout(sock, socket.SO_SNDTIMEO, limits.command_s)

    def ask(self, line: bytes, now: float, deadline: float) -> bytes:
        """Send a line and give the next line that comes; raises as `send` and `line` do.

        Nearly every answer comes whole and alone: that way is kept short.
        """
        self.send(line)
        if not self._buffer and deadline - now > self._lap_s - _LAP_SLACK_S:
            try:
                answer = self._sock.recv(_CHUNK_BYTES)
            except OSError:
                answer = b""  # the long way meets the same error again and names it
            if answer and answer.find(b"\n") == len(answer) - 1:
                return answer[:-1]
            self._buffer = answer
        return self.line(deadline)

    def send(self, line: bytes) -> None:
        """Write a whole line. Hangup if the peer is gone, DeadlineExceeded if it does not read."""
        try:
            self._sock.sendall(line)
        except BlockingIOError:
            raise DeadlineExceeded("Asterisk does not read its socket") from None
        except OSError as error:
            raise Hangup(f"connection lost while writing: {error.strerror}") from None

    def line(self, deadline: float) -> bytes:
        """Give the next line without its newline; `deadline` is a time of `time.monotonic`.

        Raises Hangup at the end of the stream, DeadlineExceeded, or ProtocolError for a line
        longer than the limit.
        """
        buffer = self._buffer
        end = buffer.find(b"\n")
        while end < 0:
            if len(buffer) > self._max_line:
                raise ProtocolError(f"a line longer than {self._max_line} bytes")
            seen = len(buffer)
            fresh = self._receive(deadline)
            if not fresh:
                raise Hangup("connection closed within a line" if buffer else "connection closed")
            buffer = self._buffer = buffer + fresh if buffer else fresh
            end = buffer.find(b"\n", seen)
        if end > self._max_line:
            raise ProtocolError(f"a line longer than {self._max_line} bytes")
        self._buffer = buffer[end + 1 :]
        return buffer[:end]

    def block(self, deadline: float, max_bytes: int) -> bytes:
        """Give the lines up to an empty one, without it; raises as `line` does."""
        while (end := self._buffer.find(b"\n\n")) < 0:
            if len(self._buffer) > max_bytes:
                raise ProtocolError(f"a header longer than {max_bytes} bytes")
            fresh = self._receive(deadline)
            if not fresh:
                raise Hangup("connection closed before the end of the header")
            self._buffer += fresh
        block, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return block

    def take_through_last(self, ending: bytes) -> bytes:
        """Take what has already come up to the last `ending`, if any of it is there."""
        if not self._buffer:
            return b""
        end = self._buffer.rfind(ending)
        if end < 0:
            return b""
        taken = self._buffer[: end + len(ending)]
        self._buffer = self._buffer[end + len(ending) :]
        return taken

    def waiting(self, *, look: bool = True) -> bool:
        """Say whether anything has come that nobody asked for; never waits.

        Without `look` only what came along with the last answer counts, which costs no system
        call. Raises Hangup if the peer has closed.
        """
        if self._buffer or not look:
            return bool(self._buffer)
        try:
            self._buffer = self._sock.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Hangup(f"connection lost: {error.strerror}") from None
        if not self._buffer:
            raise Hangup("connection closed")
        return True

    def waiting_within(self, seconds: float) -> bool:
        """Say whether anything comes within `seconds`. Raises Hangup if the peer closes."""
        if self._buffer:
            return True
        try:
            self._buffer = self._receive(time.monotonic() + seconds)
        except DeadlineExceeded:
            return False
        if not self._buffer:
            raise Hangup("connection closed")
        return True

    def close(self, last_words: bytes = b"") -> None:
        """Say `last_words` if they can be said at once, then close. Never raises, never waits."""
        with contextlib.suppress(OSError):
            say_and_close(self._sock, last_words)

    def _receive(self, deadline: float) -> bytes:
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded("no answer from Asterisk in time")
            lap_s = min(left_s, self._longest_lap_s)
            if abs(lap_s - self._lap_s) > _LAP_SLACK_S:
                self._set_lap(lap_s)
            try:
                return self._sock.recv(_CHUNK_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Hangup(f"connection lost: {error.strerror}") from None

    def _set_lap(self, seconds: float) -> None:
        set_timeout(self._sock, socket.SO_RCVTIMEO, seconds)
        self._lap_s = seconds


def say_and_close(sock: socket.socket, last_words: bytes) -> None:
    """Write `last_words` without waiting, end our side, and close.

    What the peer has sent is read away first: closing over unread bytes sends a reset, and a
    reset may overtake the last words.
    """
    with sock:
        if last_words:
            sock.send(last_words, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(65_536, socket.MSG_DONTWAIT)


def set_timeout(sock: socket.socket, option: int, seconds: float) -> None:
    """Give a blocking socket SO_RCVTIMEO or SO_SNDTIMEO, in seconds above zero."""
    whole = int(seconds)
    # Zero would mean "for ever".
    micros = max(1, int((seconds - whole) * 1_000_000)) if whole == 0 else int(seconds % 1 * 1e6)
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", whole, micros))
