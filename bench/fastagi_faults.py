"""Twenty-one ways in which a conversation with Asterisk breaks, and how each must end.

Each fault is played over a real socket against a server that answers the script ``echo`` (see
`echo`). It passes when the call completes with the right commands on the wire, or when the
script ends at once (with the line ``failure`` while somebody can still hear it).
"""

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from agi.channel import Channel
from agi.variables import Variable

NAME = "unknown"
_PATIENCE_S = 10.0


def echo(channel: Channel) -> None:
    """Ask for one value, write it and the caller's name back, route the call."""
    channel.answer()
    value = channel.get(Variable.PAI)
    channel.set(Variable.NAME, channel.request.env.get("agi_calleridname", ""))
    channel.set(Variable.LANE, value.replace("\n", " "))
    channel.set(Variable.ROUTE, "queue,s,1")


def header(name: bytes = NAME.encode()) -> bytes:
    """Compose the header of a call to the script ``echo``."""
    return (
        b"agi_network: yes\nagi_network_script: echo\nagi_channel: PJSIP/trunk-1\n"
        b"agi_uniqueid: siaga-1.1\nagi_version: 22.10.1\nagi_calleridname: " + name + b"\n\n"
    )


class Asterisk:
    """The Asterisk side of one connection. Whatever is not as promised is an AssertionError."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self.socket.close()

    def expects(self, *commands: bytes) -> None:
        """Read a command line for each of `commands`, which must be exactly it."""
        for command in commands:
            came = self._read.readline()
            assert came == command + b"\n", f"expected {command!r}, got {came!r}"

    def says(self, *lines: bytes) -> None:
        """Write lines, each in a segment of its own."""
        for line in lines:
            self.socket.sendall(line + b"\n")

    def begins(self, name: bytes = NAME.encode()) -> None:
        """Send the header and go through the call as far as the question for a value."""
        self.socket.sendall(header(name))
        self.expects(b'SET VARIABLE "TIMEOUT(absolute)" "3"')
        self.says(b"200 result=1")
        self.expects(b"ANSWER")
        self.says(b"200 result=0")
        self.expects(b'GET VARIABLE "SIAGA_PAI"')

    def completes(self, value: bytes, name: bytes = NAME.encode()) -> None:
        """Go through the rest of the call, in which `value` must come back."""
        self.expects(b'SET VARIABLE "SIAGA_NAME" "' + name + b'"')
        self.says(b"200 result=1")
        self.expects(b'SET VARIABLE "SIAGA_LANE" "' + value + b'"')
        self.says(b"200 result=1")
        self.expects(b'SET VARIABLE "SIAGA_ROUTE" "queue,s,1"')
        self.says(b"200 result=1")
        self.ends(b"")

    def ends(self, *last: bytes) -> None:
        """Require the end of the stream, after nothing but one of `last` (any, if none given)."""
        try:
            rest = self._read.read()
        except ConnectionResetError:
            rest = b""
        assert not last or rest in last, f"expected the end, got {rest!r}"

    def resets(self) -> None:
        """End the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._read.close()
        self.socket.close()

    def finishes(self) -> None:
        """End our side of the connection."""
        self.socket.shutdown(socket.SHUT_WR)


FAILURE = b"failure\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to break; `play` raises AssertionError when the other side does not end it right."""

    name: str
    play: Callable[[tuple[str, int]], None]


def _begun(then: Callable[[Asterisk], None]) -> Callable[[tuple[str, int]], None]:
    def play(address: tuple[str, int]) -> None:
        with Asterisk(address) as asterisk:
            asterisk.begins()
            then(asterisk)

    return play


def _fresh(then: Callable[[Asterisk], None]) -> Callable[[tuple[str, int]], None]:
    def play(address: tuple[str, int]) -> None:
        with Asterisk(address) as asterisk:
            then(asterisk)

    return play


def _answers_with(*lines: bytes) -> Callable[[Asterisk], None]:
    """Answer the question with something that must make the other side give up, and say so."""

    def then(asterisk: Asterisk) -> None:
        asterisk.says(*lines)
        asterisk.ends(FAILURE)

    return then


def _hangs_up_with(*lines: bytes) -> Callable[[Asterisk], None]:
    def then(asterisk: Asterisk) -> None:
        asterisk.says(*lines)
        asterisk.ends(b"")

    return then


def _closes(asterisk: Asterisk) -> None:
    asterisk.finishes()
    asterisk.ends(b"")


def _resets(asterisk: Asterisk) -> None:
    asterisk.resets()


def _half_a_header(asterisk: Asterisk) -> None:
    asterisk.socket.sendall(header()[:40])
    asterisk.finishes()
    asterisk.ends(b"", FAILURE)


def _half_an_answer(asterisk: Asterisk) -> None:
    asterisk.socket.sendall(b"200 res")
    asterisk.finishes()
    asterisk.ends(b"", FAILURE)


def _nothing(asterisk: Asterisk) -> None:
    asterisk.ends(FAILURE)


def _a_value(value: bytes, quoted: bytes) -> Callable[[Asterisk], None]:
    def then(asterisk: Asterisk) -> None:
        asterisk.says(b"200 result=1 (" + value + b")")
        asterisk.completes(quoted)

    return then


def _a_long_value(asterisk: Asterisk) -> None:
    _flood(asterisk, (b"200 result=1 (", b"x" * 1_048_576, b")\n"))


def _an_endless_line(asterisk: Asterisk) -> None:
    _flood(asterisk, (b"200 result=1 (", *[b"x" * 65_536] * 512))


def _flood(asterisk: Asterisk, chunks: tuple[bytes, ...]) -> None:
    try:
        for chunk in chunks:
            asterisk.socket.sendall(chunk)
    except (BrokenPipeError, ConnectionResetError):
        return  # refused to read on: as it should
    asterisk.ends()


def _byte_by_byte(asterisk: Asterisk) -> None:
    for byte in b"200 result=1 (slow)\n":
        asterisk.socket.sendall(bytes([byte]))
    asterisk.completes(b"slow")


def _latin_1_name(address: tuple[str, int]) -> None:
    name = "José".encode("latin-1")
    with Asterisk(address) as asterisk:
        asterisk.begins(name)
        asterisk.says(b"200 result=1 (x)")
        asterisk.completes(b"x", name)


def _all() -> Iterator[Fault]:
    yield Fault("connect and close", _fresh(_closes))
    yield Fault("half a header, then the end", _fresh(_half_a_header))
    yield Fault("reset before the header", _fresh(_resets))
    yield Fault("connect and say nothing", _fresh(_nothing))
    yield Fault("no reply to a command", _begun(_nothing))
    yield Fault("reset in a command", _begun(_resets))
    yield Fault("end of the stream in a command", _begun(_closes))
    yield Fault("end of the stream in a reply", _begun(_half_an_answer))
    yield Fault("HANGUP instead of a reply", _begun(_hangs_up_with(b"HANGUP")))
    yield Fault("-1 and HANGUP", _begun(_hangs_up_with(b"200 result=-1", b"HANGUP")))
    yield Fault("510", _begun(_answers_with(b"510 Invalid or unknown command")))
    yield Fault("511", _begun(_hangs_up_with(b"511 Command Not Permitted on a dead channel")))
    yield Fault("520 in one line", _begun(_answers_with(b"520 Invalid command syntax.")))
    usage = (b"520-Invalid command syntax.  Proper usage follows:", b"520 is a number")
    yield Fault("520 block", _begun(_answers_with(*usage, b"520 End of proper usage.")))
    yield Fault("garbage", _begun(_answers_with(b"\x00\xff not a reply")))
    yield Fault("a value of 1 MiB", _begun(_a_long_value))
    yield Fault("a line of 32 MiB without an end", _begun(_an_endless_line))
    yield Fault("a Latin-1 caller name", _latin_1_name)
    yield Fault(
        "a value of several lines", _begun(_a_value(b"<a>\nHANGUP\n</a>", b"<a> HANGUP </a>"))
    )
    yield Fault("quotes and backslashes", _begun(_a_value(b'Bob" "\\Eve', b'Bob\\" \\"\\\\Eve')))
    yield Fault("a reply byte by byte", _begun(_byte_by_byte))


FAULTS = tuple(_all())


def normal_call(address: tuple[str, int]) -> None:
    """Play one call without any fault."""
    with Asterisk(address) as asterisk:
        asterisk.begins()
        asterisk.says(b"200 result=1 (x)")
        asterisk.completes(b"x")
