"""pyst2's AGI made safe for sockets and threads.

The vocabulary (37 command methods) and the exceptions stay pyst2's; every method that touches
the wire is replaced. Of the 30 faults found in pyst2's AGI none is left: see
`tests/unit/agi/test_pyst2_defects.py`, one test a fault.
"""

import re
import socket
import time
from typing import Self

from asterisk.agi import AGI

from agi.errors import (
    AGIDBError,
    AGIError,
    AppFailed,
    DeadChannel,
    DeadlineExceeded,
    Hangup,
    ProtocolError,
    Refused,
    UnknownCommand,
    WrongUsage,
)
from agi.quoting import Quoted, command_line, longest_command, quote, text, wire_bytes
from agi.wire import Limits, Wire

Reply = dict[str, tuple[str, str]]
"""As pyst2 gives it: ``{"result": (value, text in parentheses), "endpos": (value, "")}``."""

_RESULT = re.compile(
    r"result=(?P<value>\S*)(?: \((?P<data>.*)\))?(?P<more>(?: +\w+=(?:\"[^\"]*\"|\S*))*) *\Z",
    re.DOTALL,
)
_MORE = re.compile(r" +(\w+)=(\"[^\"]*\"|\S*)")
_STATUS = re.compile(rb"\d{3}(?=[ -]|\Z)")
_SIMPLE = {b"200 result=1": "1", b"200 result=0": "0"}
_VALUE = b"200 result=1 ("
_END_OF_USAGE = b"520 End of proper usage."
_ANSWERS_WITH_A_VALUE = frozenset(("GET VARIABLE", "GET FULL VARIABLE", "DATABASE GET"))
_HEADER_KEYS = frozenset(
    {
        "agi_network",
        "agi_network_script",
        "agi_request",
        "agi_channel",
        "agi_language",
        "agi_type",
        "agi_uniqueid",
        "agi_version",
        "agi_callerid",
        "agi_calleridname",
        "agi_callingpres",
        "agi_callingani2",
        "agi_callington",
        "agi_callingtns",
        "agi_dnid",
        "agi_rdnis",
        "agi_context",
        "agi_extension",
        "agi_priority",
        "agi_enhanced",
        "agi_accountcode",
        "agi_threadid",
    }
)
_HEADER_ARGUMENT = re.compile(r"agi_arg_\d{1,3}")


class Digits(str):
    """What the caller keyed in GET DATA, and whether the time ran out while waiting for more."""

    __slots__ = ("timed_out",)
    timed_out: bool

    def __new__(cls, digits: str, *, timed_out: bool) -> Self:
        """Remember `timed_out` beside the text."""
        made = super().__new__(cls, digits)
        made.timed_out = timed_out
        return made


class Session(AGI):  # type: ignore[misc] # pyst2 ships no types
    """One conversation with one channel, over one socket, in one thread.

    Reading the header is part of construction, so it raises what any command may raise:
    Hangup, DeadlineExceeded, ProtocolError; after one of these the session is over. A command
    must be answered within `Limits.command_s`, or within what `allow` said just before it.
    """

    def __init__(self, sock: socket.socket, limits: Limits | None = None) -> None:
        # AGI.__init__ is not called: it installs a signal handler and talks to stderr.
        self.limits = limits or Limits()
        self.env: dict[str, str] = {}
        self._wire = Wire(sock, self.limits)
        self._over: AGIError | None = None
        self._allowed_s: float | None = None
        self._ends_at = time.monotonic() + self.limits.conversation_s
        self._get_agi_env()
        self._max_command = longest_command(self.env.get("agi_version", ""))

    def close(self, last_words: bytes = b"") -> None:
        """Close the socket, saying `last_words` first if that needs no waiting. Never raises."""
        self._over = self._over or Hangup("closed by us")
        self._wire.close(last_words)

    def allow(self, seconds: float) -> None:
        """Let the next command, and only it, take up to `seconds` to be answered."""
        self._allowed_s = seconds

    def execute(self, command: str, *args: object) -> Reply:
        """Send one command and give its reply. Raises any error of `agi.errors`' first tree."""
        return self._ask(command, command_line(command, args, self._max_command))

    def set_variable(self, name: str, value: object) -> None:
        """Set a variable or write a dialplan function; most commands of a call are this one."""
        words = f"SET VARIABLE {quote(name)} {quote(value)}"
        self._ask("SET VARIABLE", wire_bytes(words, self._max_command))

    def test_hangup(self) -> None:
        """Raise if this session is over, also by a hangup that has come and nobody has read yet.

        pyst2 looked whether a signal had come. Nothing is sent and nothing is waited for.
        """
        if self._over is not None:
            raise type(self._over)(*self._over.args)
        try:
            if self._wire.waiting():
                self._clear_stale_input()
        except (Hangup, DeadlineExceeded, ProtocolError) as error:
            self._over = error
            raise

    def send_command(self, *_args: object) -> None:
        """Refuse: a command without its reply would shift every later reply by one."""
        raise Refused("use execute(): a command is always sent together with reading its reply")

    def get_result(self, *_args: object) -> Reply:
        """Refuse: a reply belongs to the command `execute` sent."""
        raise Refused("use execute(): a reply is always read together with its command")

    # --- commands whose own body in pyst2 is wrong, or slow ---

    def wait_for_digit(self, timeout: int = 2000) -> str:
        """Wait up to `timeout` ms for a key; '' when none came."""
        if self._allowed_s is None and timeout > 0:
            self.allow(timeout / 1000 + self.limits.command_s)
        return str(super().wait_for_digit(timeout))

    def get_data(self, filename: str, timeout: int = 2000, max_digits: int = 255) -> Digits:
        """Play a sound and collect keys; `timeout` is ms between keys."""
        value, data = self.execute("GET DATA", filename, timeout, max_digits)["result"]
        return Digits(value, timed_out=data == "timeout")

    def database_get(self, family: str, key: str) -> str:
        """Give a value of Asterisk's own database; AGIDBError when there is none."""
        value, data = self.execute("DATABASE GET", quote(family), quote(key))["result"]
        if value != "1":
            raise AGIDBError(f"no such key in Asterisk's database: {family}/{key}")
        return data

    def exec_command(self, command: str, *args: object) -> Reply:
        """Run a dialplan application; the arguments are joined by commas."""
        return self.execute("EXEC", command, quote(",".join(map(text, args))))

    # --- quoting ---

    def _quote(self, string: object) -> Quoted:
        return quote(string)

    def _process_digit_list(self, digits: object) -> Quoted:
        if isinstance(digits, list | tuple):
            digits = "".join(map(str, digits))
        return quote(digits)

    # --- reading ---

    def _get_agi_env(self) -> None:
        deadline = min(time.monotonic() + self.limits.header_s, self._ends_at)
        block = self._wire.block(deadline, self.limits.header_bytes)
        env = self.env
        for line in block.decode("utf-8", "surrogateescape").split("\n"):
            key, colon, value = line.partition(":")
            if not colon:
                raise ProtocolError("a header line without a colon")
            # A caller's name may forge lines below Asterisk's own: known keys, first wins.
            if key not in env and (key in _HEADER_KEYS or _HEADER_ARGUMENT.fullmatch(key)):
                env[key] = value.strip()
        if "agi_channel" not in env and "agi_network" not in env:
            raise ProtocolError("this is not Asterisk speaking")

    def _ask(self, command: str, line: bytes) -> Reply:
        if self._over is not None:
            raise type(self._over)(*self._over.args)
        allowed_s, self._allowed_s = self._allowed_s or self.limits.command_s, None
        now = time.monotonic()
        if now >= self._ends_at:
            self._over = DeadlineExceeded("the conversation has taken longer than it may")
            raise self._over
        deadline = min(now + allowed_s, self._ends_at)
        try:
            # SET VARIABLE asks nothing: what is stale then is found before the next question.
            if self._wire.waiting(look=command != "SET VARIABLE"):
                self._clear_stale_input()
            answer = self._wire.ask(line, now, deadline)
            # The answer that nearly every command gets needs no search.
            value = _SIMPLE.get(answer)
            if value is None or command == "EXEC":
                return self._read_reply(command, answer, deadline)
        except (Hangup, DeadlineExceeded, ProtocolError) as error:
            self._over = error
            raise
        return {"result": (value, "")}

    def _read_reply(self, command: str, line: bytes, deadline: float) -> Reply:
        line = self._read_success(line, deadline)
        if command in _ANSWERS_WITH_A_VALUE and line.startswith(_VALUE):
            line = self._whole_value(line, deadline)
            return {"result": ("1", line[len(_VALUE) : -1].decode("utf-8", "surrogateescape"))}
        found = _RESULT.fullmatch(line[4:].decode("utf-8", "surrogateescape"))
        if found is None:
            raise ProtocolError("a reply 200 without a result")
        value, data, more = found["value"], found["data"] or "", found["more"]
        if value == "-1":
            self._explain_minus_one(command)
        if data == "hangup":
            raise Hangup(f"the caller hung up during {command}")
        # An application that returns 1 is answered twice: 200 and then a 520.
        if value == "1" and command == "EXEC" and self._wire.waiting_within(self.limits.look_s):
            self._clear_stale_input()
        reply: Reply = {"result": (value, data)}
        if more:
            reply.update((key, (word, "")) for key, word in _MORE.findall(more))
        return reply

    def _read_success(self, line: bytes, deadline: float) -> bytes:
        """Read up to the line of a 200 and give it; raise for anything but a 100 before it."""
        while not line.startswith(b"200 "):
            if line == b"HANGUP":
                raise Hangup("the line HANGUP")
            status = _STATUS.match(line)
            if not status:
                raise ProtocolError("a reply without a status")
            if status[0] != b"100":  # 100 only says that the command was understood
                self._raise_for(status[0], line, deadline)
            line = self._wire.line(deadline)
        return line

    def _whole_value(self, line: bytes, deadline: float) -> bytes:
        """Join the lines of a value that holds line breaks (a PIDF-LO, for one)."""
        # Asterisk writes a reply at once, so a `)` further on is the reply's end and an earlier
        # one belongs to the value, whatever the lines between pretend to be.
        line += (b"\n" + rest[:-1]) if (rest := self._wire.take_through_last(b")\n")) else b""
        while not line.endswith(b")"):
            line += b"\n" + self._wire.line(deadline)
            if len(line) > self.limits.line_bytes:
                raise ProtocolError(f"a value longer than {self.limits.line_bytes} bytes")
        return line

    def _raise_for(self, status: bytes, line: bytes, deadline: float) -> None:
        words = line[4:].decode("utf-8", "replace")
        if status == b"520":
            raise WrongUsage(self._usage(line, deadline))
        if status == b"510":
            raise UnknownCommand(words)
        if status == b"511":
            raise DeadChannel(words)
        if status == b"503":  # out of memory for this one answer; the next may work
            raise AppFailed(words)
        raise ProtocolError(f"an unknown status {status.decode()}")

    def _usage(self, line: bytes, deadline: float) -> str:
        """Read the rest of a 520: one line without XML documentation, else a block."""
        lines = [line]
        size = 0
        while line.startswith(b"520-") and lines[-1] != _END_OF_USAGE:
            lines.append(self._wire.line(deadline))
            size += len(lines[-1])
            if size > self.limits.line_bytes:
                raise ProtocolError("a usage text without an end")
        return b"\n".join(lines).decode("utf-8", "replace")

    def _explain_minus_one(self, command: str) -> None:
        """Raise Hangup or AppFailed: Asterisk says -1 for both, and HANGUP follows only one."""
        if self._wire.waiting_within(self.limits.look_s):
            self._clear_stale_input()
        raise AppFailed(f"{command} failed, and the caller is still there")

    def _clear_stale_input(self) -> None:
        """Read what nobody asked for. HANGUP ends the session, a stray 520 is thrown away."""
        deadline = time.monotonic() + self.limits.command_s
        while self._wire.waiting():
            line = self._wire.line(deadline)
            if line == b"HANGUP":
                raise Hangup("the line HANGUP")
            if not line.startswith(b"520"):
                raise ProtocolError("a line that answers no command")
            self._usage(line, deadline)
