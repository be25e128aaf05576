"""Words made safe for a command line that Asterisk parses: nothing in them can be a command."""

import re

from agi.errors import Refused

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_WORD = re.compile(r"[^\s\"\\]+")


class Quoted(str):
    """A word that is ready for the wire."""

    __slots__ = ()


def quote(value: object) -> Quoted:
    """Put a value in double quotes, with the two characters escaped that Asterisk unescapes."""
    word = value if type(value) is str else text(value)
    if "\\" in word or '"' in word:
        word = word.replace("\\", "\\\\").replace('"', '\\"')
    return Quoted(f'"{word}"')


def text(value: object) -> str:
    """Give a value as text: None is empty, bytes keep every byte."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def command_line(command: str, args: tuple[object, ...], longest: int) -> bytes:
    """Compose one command line; raises as `wire_bytes` does."""
    while args and args[-1] == "":  # pyst2 means "not given" by an empty last argument
        args = args[:-1]
    words = [arg if type(arg) is Quoted else _as_word(arg) for arg in args]
    return wire_bytes(" ".join([command, *words]), longest)


def wire_bytes(line: str, longest: int) -> bytes:
    """Give a line and its newline as at most `longest` bytes.

    Raises Refused for a control character (a newline cannot be escaped and would begin a second
    command), for half a character, and for a line Asterisk would cut in two.
    """
    if not line.isprintable() and _CONTROL.search(line):
        raise Refused("a control character would end the command and begin another")
    try:
        wire = f"{line}\n".encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Refused("the text holds half a character") from None
    if len(wire) > longest:
        raise Refused(f"a command longer than the {longest} bytes Asterisk reads")
    return wire


def longest_command(version: str) -> int:
    """Bytes of one command line, newline included, that this Asterisk reads.

    8,191 since 22.6, 2,047 before; the rest of a longer line would be a second command. An
    unreadable version counts as old.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) >= (22, 6):
        return 8191
    return 2047


def _as_word(value: object) -> str:
    word = text(value)
    return word if _PLAIN_WORD.fullmatch(word) else quote(word)
