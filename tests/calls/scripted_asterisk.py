"""A scripted Asterisk over a real socket. It is strict: whatever is not in the script fails the
test, in the test's own thread.

By hand::

    with Asterisk(address) as asterisk:
        asterisk.dials("112", agi_uniqueid="siaga-1.7")
        asterisk.expects('SET VARIABLE "TIMEOUT(absolute)" "3"').says("200 result=1")
        asterisk.expects("ANSWER").says("200 result=0")
        asterisk.sees_the_end()

From a transcript, a text of this form (`Transcript.read`)::

    # What the tale is about.
    agi_network_script: 112
    agi_uniqueid: siaga-1.7

    > SET VARIABLE "TIMEOUT(absolute)" "3"      a command that must come, exactly
    < 200 result=1                              what Asterisk answers
    >~ STREAM FILE siaga/\\S+ "[0-9*#A-D]*" 0    a command by regular expression
    < 200 result=48 endpos=8000
    ! hangup                                    Asterisk's end, one of hangup, close, reset
    > failure                                   our last words, when they are the line failure

A transcript without ``!`` must end with the other side closing, after nothing more. The header
needs only what matters to the tale; the rest is Asterisk's usual. `replays` gives a transcript
as it is and cut short, by a hangup and by a closed socket, at every line.
"""

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

PATIENCE_S = 10.0
USUAL_HEADER = {
    "agi_network": "yes",
    "agi_network_script": "112",
    "agi_request": "agi://127.0.0.1:4573/112",
    "agi_channel": "PJSIP/trunk-00000001",
    "agi_language": "id",
    "agi_type": "PJSIP",
    "agi_uniqueid": "siaga-1795309200.12",
    "agi_version": "22.10.1",
    "agi_callerid": "+628123456789",
    "agi_calleridname": "unknown",
    "agi_callingpres": "0",
    "agi_dnid": "112",
    "agi_context": "emergency-in",
    "agi_extension": "112",
    "agi_priority": "9",
    "agi_enhanced": "0.0",
    "agi_accountcode": "",
    "agi_threadid": "140000000000000",
}
_ENDS = ("hangup", "close", "reset")
_BLOCKS = re.compile(r"(STREAM FILE|WAIT FOR DIGIT|GET DATA|EXEC) ")


def until(condition: Callable[[], object], what: str = "", within_s: float = PATIENCE_S) -> None:
    """Wait for a condition; AssertionError when it does not come true within `within_s`."""
    deadline = time.monotonic() + within_s
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what or condition}"
        tick.wait(0.002)


class Asterisk:
    """One connection from Asterisk to a FastAGI server."""

    def __init__(self, address: tuple[str, int], *, patience_s: float = PATIENCE_S) -> None:
        self.socket = socket.create_connection(address, timeout=patience_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self.socket.close()

    def dials(self, script: str = "112", **header: str) -> Self:
        """Send the usual header, with these lines changed."""
        return self.sends_header(USUAL_HEADER | {"agi_network_script": script} | header)

    def sends_header(self, header: dict[str, str]) -> Self:
        lines = [f"{key}: {value}" for key, value in header.items()]
        self.socket.sendall(("\n".join(lines) + "\n\n").encode("utf-8", "surrogateescape"))
        return self

    def expects(self, command: str) -> Self:
        """Read one command line, which must be exactly this."""
        came = self._line()
        assert came == command, f"expected the command\n  {command}\nbut there came\n  {came}"
        return self

    def expects_like(self, pattern: str) -> re.Match[str]:
        """Read one command line, all of which must match."""
        came = self._line()
        found = re.fullmatch(pattern, came)
        assert found, f"expected a command like\n  {pattern}\nbut there came\n  {came}"
        return found

    def says(self, *lines: str) -> Self:
        """Send lines in one segment."""
        text = "".join(line + "\n" for line in lines)
        self.socket.sendall(text.encode("utf-8", "surrogateescape"))
        return self

    def sees_the_end(self) -> None:
        """The other side must close, without another word."""
        self._sees("")

    def sees_failure(self) -> None:
        """The other side must say ``failure`` and close."""
        self._sees("failure\n")

    def socket_line(self) -> str | None:
        """Read one command line, None when the other side has closed."""
        try:
            line = self._read.readline()
        except TimeoutError:
            raise AssertionError("expected a command or the end, but nothing came") from None
        return line[:-1].decode("utf-8", "surrogateescape") if line else None

    def hangs_up(self) -> None:
        """The caller hangs up: HANGUP, and (AGIEXITONHANGUP=yes) the end of the connection."""
        self.says("HANGUP").closes()

    def closes(self) -> None:
        self._read.close()
        self.socket.close()

    def resets(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.closes()

    def _line(self) -> str:
        try:
            line = self._read.readline()
        except TimeoutError:
            raise AssertionError("expected a command, but nothing came") from None
        assert line.endswith(b"\n"), f"expected a command, but there came {line!r} and the end"
        return line[:-1].decode("utf-8", "surrogateescape")

    def _sees(self, last: str) -> None:
        try:
            rest = self._read.read()
        except TimeoutError:
            raise AssertionError("expected the end, but the connection stays open") from None
        assert rest == last.encode(), f"expected {last!r} and the end, got {rest!r}"


@dataclass(frozen=True)
class Line:
    """One line of a transcript: `sign` is one of ``> >~ < !``."""

    sign: str
    text: str
    number: int


@dataclass(frozen=True)
class Transcript:
    name: str
    header: dict[str, str]
    lines: tuple[Line, ...]
    half_header: bool = False

    @classmethod
    def read(cls, path: Path) -> "Transcript":
        return cls.parse(path.read_text(), path.name)

    @classmethod
    def parse(cls, text: str, name: str = "transcript") -> "Transcript":
        header = dict(USUAL_HEADER)
        lines: list[Line] = []
        for number, raw in enumerate(text.splitlines(), 1):
            if not raw.strip() or raw.startswith("#"):
                continue
            sign, _, rest = raw.partition(" ")
            if sign in {">", ">~", "<"} or (sign == "!" and rest in _ENDS):
                lines.append(Line(sign, rest, number))
            elif not lines and re.match(r"agi_\w+:", raw):
                key, _, value = raw.partition(":")
                header[key] = value.strip()
            else:
                raise ValueError(f"{name}:{number}: not a line of a transcript: {raw}")
        return cls(name, header, tuple(lines))


def play(address: tuple[str, int], transcript: Transcript) -> None:
    """Be Asterisk for one call. AssertionError at the first line that is not as written."""
    with Asterisk(address) as asterisk:
        if transcript.half_header:
            asterisk.socket.sendall(b"agi_network: yes\nagi_network_scri")
        else:
            asterisk.sends_header(transcript.header)
        try:
            for line in transcript.lines:
                _play_line(asterisk, line)
        except AssertionError as error:
            raise AssertionError(f"{transcript.name}, line {line.number}: {error}") from None
        if not transcript.lines or transcript.lines[-1].sign != "!":
            asterisk.sees_the_end()


def _play_line(asterisk: Asterisk, line: Line) -> None:
    if line.sign == ">":
        asterisk.expects(line.text)
    elif line.sign == ">~":
        asterisk.expects_like(line.text)
    elif line.sign == "<":
        asterisk.says(line.text)
    elif line.text == "hangup":
        asterisk.hangs_up()
    elif line.text == "close":
        asterisk.closes()
    else:
        asterisk.resets()


def replays(transcript: Transcript) -> Iterator[Transcript]:
    """Give the transcript, and the transcript cut at every line by hangup and by a closed socket.

    A hangup in the middle of a command that takes time is first answered with ``result=-1``, as
    Asterisk does.
    """
    yield transcript
    end = Line("!", "close", 0)
    yield replace(transcript, name=f"{transcript.name}: no header", half_header=True, lines=(end,))
    for how in ("hangup", "close"):
        cut = Line("!", how, 0)
        yield replace(transcript, name=f"{transcript.name}: {how} at once", lines=(cut,))
        for at, line in enumerate(transcript.lines, 1):
            if line.sign == "!" or line.text == "failure":
                break
            minus_one = ()
            if how == "hangup" and line.sign != "<" and _BLOCKS.match(line.text):
                minus_one = (Line("<", "200 result=-1", line.number),)
            yield replace(
                transcript,
                name=f"{transcript.name}: {how} after line {line.number} ({line.text[:40]})",
                lines=(*transcript.lines[:at], *minus_one, replace(cut, number=line.number)),
            )
