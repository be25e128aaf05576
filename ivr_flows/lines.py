"""On which line of a TOML text each key and each array element stands.

tomllib gives values without lines. This walks a text that tomllib has already accepted, so it may
trust the grammar and only has to find its way: `lines_of(text)[("step", "greet", "ask", 0)]`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)')[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> dict[Path, int]:
    """Map the path of every table, key and array element to its line, counted from 1.

    `text` must be valid TOML. Escapes in quoted keys are left as they are written.
    """
    return _Walk(text).lines


class _Walk:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._tables: dict[Path, int] = {}  # how many [[tables]] of each name came so far
        self._document()

    def _document(self) -> None:
        here: Path = ()
        for sign in self._signs():
            if sign == "[":
                here = self._header()
            else:
                self._pair(here)

    def _signs(self) -> Iterator[str]:
        """Stop at the first character of each statement."""
        while self._skip() < len(self._text):
            yield self._text[self._at]

    def _header(self) -> Path:
        line = self._line()
        repeated = self._text.startswith("[[", self._at)
        self._at += 2 if repeated else 1
        path = self._inside_arrays(self._key())
        self._at += 2 if repeated else 1
        if repeated:
            count = self._tables.get(path, 0)
            self._tables[path] = count + 1
            path = (*path, count)
        self._note(path, line)
        return path

    def _inside_arrays(self, path: Path) -> Path:
        """`[a.b]` after `[[a]]` means the last a: its number belongs into the path."""
        real: Path = ()
        for step in path[:-1]:
            real = (*real, step)
            if real in self._tables:
                real = (*real, self._tables[real] - 1)
        return (*real, path[-1])

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = (*table, *self._key())
        self._at += 1  # the equals sign
        self._note(path, line)
        self._value(path)

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            found = _KEY.match(self._text, self._at)
            if found is None:
                raise ValueError(f"line {self._line()}: no key here; is the text valid TOML?")
            self._at = found.end()
            parts.append(next(part for part in found.groups() if part is not None))
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _value(self, path: Path) -> None:
        self._skip()
        if self._text[self._at] == "[":
            self._array(path)
        elif self._text[self._at] == "{":
            self._inline_table(path)
        else:
            found = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = found.end() if found else self._at + 1

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip()] != "]":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._note((*path, index), self._line())
            self._value((*path, index))
            index += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._text[self._skip()] != "}":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1

    def _skip(self) -> int:
        """Go past spaces, line ends and comments."""
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _note(self, path: Path, line: int) -> None:
        """Note a key, and the tables on a dotted key's way unless they stood somewhere before."""
        for length in range(1, len(path)):
            self.lines.setdefault(path[:length], line)
        self.lines[path] = line

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1
