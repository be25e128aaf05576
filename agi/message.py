"""One message of the manager interface: its headers in order, repeated ones kept."""

from collections.abc import Iterator

from agi.errors import ManagerError, Refused

_END = b"\r\n\r\n"
_LONGEST_BYTES = 1_048_576


class Message:
    """An event or an answer. Names are found whatever their case; the first of equals wins."""

    __slots__ = ("_first", "headers")

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.headers = headers
        self._first = {name.lower(): value for name, value in reversed(headers)}

    @property
    def event(self) -> str:
        """The event's name, '' for an answer."""
        return self._first.get("event", "")

    def get(self, name: str, default: str = "") -> str:
        """Give the first header of that name."""
        return self._first.get(name.lower(), default)

    def all(self, name: str) -> list[str]:
        """Give every header of that name, in order."""
        name = name.lower()
        return [value for key, value in self.headers if key.lower() == name]

    def __repr__(self) -> str:
        return f"<Message {self.event or self.get('Response')} of {len(self.headers)} headers>"


class Parser:
    """Cuts a stream of bytes into messages. Lines without a colon (the greeting) are dropped."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Give every message that is complete now. Raises ManagerError for one without an end."""
        *whole, self._buffer = (self._buffer + data).split(_END)
        for block in whole:
            message = Message(list(_headers(block)))
            if message.headers:
                yield message
        if len(self._buffer) > _LONGEST_BYTES:
            raise ManagerError("a manager message without an end")


def _headers(block: bytes) -> Iterator[tuple[str, str]]:
    for line in block.decode("utf-8", "surrogateescape").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.removeprefix(" ")


def compose(action: str, action_id: str, fields: dict[str, object]) -> bytes:
    """Put an action into bytes; a list is sent as repeated headers, None is left out.

    Raises Refused for a line break or NUL: it would begin a second action.
    """
    lines = [f"Action: {action}", f"ActionID: {action_id}"]
    for name, value in fields.items():
        values = value if isinstance(value, list | tuple) else () if value is None else (value,)
        lines.extend(f"{name}: {one}" for one in values)
    if any(sign in line for line in lines for sign in "\r\n\0"):
        raise Refused("a line break in a manager action would begin another action")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")
