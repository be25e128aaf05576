"""From a flow's TOML text to its steps, noting everything that is not as it should be."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ivr_flows.lines import Path, lines_of
from ivr_flows.problems import POLICY_LANE, Limits, Problem, Prompts
from ivr_flows.steps import (
    KEYS,
    Ask,
    Connect,
    Goto,
    HangUp,
    Hours,
    Language,
    Prompt,
    Say,
    Step,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KINDS = ("emergency", "test")
MOST_ROUNDS = 9
LONGEST_WAIT_S = 30.0

_TOP = frozenset({"kind", "title", "language", "start", "holidays", "step"})
_WORDS: Mapping[str, frozenset[str]] = {
    "say": frozenset({"say", "goto"}),
    "ask": frozenset({"ask", "wait_s", "barge_in", "key", "voice", "silence", "failure"}),
    "connect": frozenset({"connect"}),
    "hours": frozenset({"hours"}),
    "language": frozenset({"language", "goto"}),
    "hang_up": frozenset({"hang_up"}),
    "goto": frozenset({"goto", "at_most", "then"}),  # last: other kinds may have a goto too
}
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")


@dataclass(slots=True)
class Draft:
    """A flow as far as it could be read. A missing target is "", so that checks can go on."""

    kind: str = ""
    language: str = ""
    start: str = ""
    title: dict[str, str] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)
    file: str = ""

    def line(self, *path: str | int) -> int:
        """Give the line of a key, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def complain(self, path: Path, reason: str, remedy: str) -> None:
        """Note a problem at the line of `path`."""
        self.problems.append(Problem(self.file, self.line(*path), reason, remedy))


def read(file: str, text: str, prompts: Prompts, limits: Limits) -> Draft:
    """Read a flow's text; all that is wrong with its words is in the draft's `problems`."""
    draft = Draft(file=file)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        found = _AT_LINE.search(str(broken))
        line = int(found[1]) if found and found[1] else text.rstrip().count("\n") + 1
        reason = _AT_LINE.sub("", str(broken)).strip()
        draft.problems.append(Problem(file, line, reason, "write valid TOML, see toml.io"))
        return draft
    draft.lines = lines_of(text)
    _Reader(draft, data, prompts, limits).read()
    return draft


class _Reader:
    def __init__(
        self, draft: Draft, data: Mapping[str, Any], prompts: Prompts, limits: Limits
    ) -> None:
        self._draft = draft
        self._data = data
        self._prompts = prompts
        self._limits = limits
        self._holidays = frozenset(self._days_off())

    def read(self) -> None:
        draft, data = self._draft, self._data
        self._only(data, _TOP, ())
        steps = self._typed(data, "step", dict, (), "add at least one [step.<name>]") or {}
        draft.declared = frozenset(steps)
        draft.kind = self._one_of(data, "kind", KINDS, ())
        draft.language = self._one_of(data, "language", self._prompts.languages, ())
        draft.start = self._target(data, "start", ())
        title = self._typed(data, "title", dict, (), 'add title.id = "..." and title.en = "..."')
        draft.title = {k: v for k, v in (title or {}).items() if isinstance(v, str)}
        for name, table in steps.items():
            path: Path = ("step", name)
            if not isinstance(table, dict) or not _NAME.fullmatch(name):
                draft.complain(path, f'"{name}" is no step', "write [step.<lower-case-name>]")
                continue
            step = self._step(name, table, path)
            if step is not None:
                draft.steps[name] = step

    def _step(self, name: str, table: Mapping[str, Any], path: Path) -> Step | None:
        kinds = [kind for kind in _WORDS if kind in table]
        if len(kinds) > 1 and kinds[-1] == "goto" and len(kinds) == 2 and "goto" in table:
            kinds.pop()  # a goto may follow another word; where it may not, it is an unknown word
        if len(kinds) != 1:
            did = " and ".join(kinds) or "nothing"
            choice = ", ".join(_WORDS)
            self._draft.complain(path, f'step "{name}" does {did}', f"one of: {choice}")
            return None
        (kind,) = kinds
        self._only(table, _WORDS[kind], path)
        step: Step
        match kind:
            case "say":
                said = self._sounds(table, "say", path)
                step = Say(name, said, self._target(table, "goto", path))
            case "ask":
                step = self._ask(name, table, path)
            case "connect":
                step = Connect(name, self._lane(table, path))
            case "hours":
                step = self._hours(name, table, path)
            case "language":
                spoken = self._one_of(table, "language", self._prompts.languages, path)
                step = Language(name, spoken, self._target(table, "goto", path))
            case "hang_up":
                step = HangUp(name, self._ending(table, path))
            case _:
                step = self._goto(name, table, path)
        return step

    def _ask(self, name: str, table: Mapping[str, Any], path: Path) -> Ask:
        keys = self._typed(table, "key", dict, path, 'add key.0 = "<step>", key.other = "<step>"')
        keys = keys or {}
        key_path = (*path, "key")
        for key in keys:
            if key != "other" and not (len(key) == 1 and key in KEYS):
                known = " ".join(KEYS)
                self._draft.complain(
                    (*key_path, key), f'"{key}" is no key', f"one of {known}, or other"
                )
        barge_in = table.get("barge_in", True)
        if not isinstance(barge_in, bool):
            self._wrong((*path, "barge_in"), "barge_in", "true or false")
        return Ask(
            name,
            self._sounds(table, "ask", path),
            self._number(table, "wait_s", path, LONGEST_WAIT_S),
            {key: self._target(keys, key, key_path) for key in keys if key != "other"},
            self._target(keys, "other", key_path, "key.other"),
            self._target(table, "voice", path),
            self._target(table, "silence", path),
            self._target(table, "failure", path),
            barge_in=barge_in is not False,
        )

    def _hours(self, name: str, table: Mapping[str, Any], path: Path) -> Hours:
        hours = self._typed(table, "hours", dict, path, "write hours.open, hours.inside ...") or {}
        path = (*path, "hours")
        self._only(hours, {"open", "inside", "outside", "holiday"}, path)
        spoken = self._typed(hours, "open", list, path, 'write open = ["mon-fri 08:00-16:00"]')
        windows = [self._window(w, (*path, "open", i)) for i, w in enumerate(spoken or [])]
        return Hours(
            name,
            tuple(window for window in windows if window),
            self._target(hours, "inside", path),
            self._target(hours, "outside", path),
            self._target(hours, "holiday", path),
            self._limits.zone,
            self._holidays,
        )

    def _goto(self, name: str, table: Mapping[str, Any], path: Path) -> Goto:
        goto = self._target(table, "goto", path)
        if goto == name:
            self._draft.complain((*path, "goto"), "goto leads to itself", "lead it elsewhere")
        if "at_most" not in table and "then" not in table:
            return Goto(name, goto)
        rounds = self._number(table, "at_most", path, MOST_ROUNDS)
        if rounds != int(rounds):
            self._wrong((*path, "at_most"), "at_most", "a whole number")
        return Goto(name, goto, int(rounds), self._target(table, "then", path))

    def _lane(self, table: Mapping[str, Any], path: Path) -> str | None:
        lane = self._one_of(table, "connect", (POLICY_LANE, *sorted(self._limits.lanes)), path)
        return None if lane in ("", POLICY_LANE) else lane

    def _ending(self, table: Mapping[str, Any], path: Path) -> str:
        ending = table["hang_up"]
        if not isinstance(ending, str) or not _NAME.fullmatch(ending):
            self._wrong((*path, "hang_up"), "hang_up", 'a lower-case name, as "test-ended"')
            return ""
        return ending

    def _sounds(self, table: Mapping[str, Any], word: str, path: Path) -> tuple[Prompt, ...]:
        names = table[word]
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            self._wrong((*path, word), word, 'a list of prompts, as ["salam-112"]')
            return ()
        return tuple(self._prompt(name, (*path, word, i)) for i, name in enumerate(names))

    def _prompt(self, written: str, path: Path) -> Prompt:
        name, _, language = written.partition("@")
        needed = (language,) if language else self._prompts.languages
        missing = [spoken for spoken in needed if not self._prompts.has(name, spoken)]
        if missing:
            files = " and ".join(f"prompts/{spoken}.toml" for spoken in missing)
            self._draft.complain(
                path, f'prompt "{written}" does not exist', f"add {name} to {files}"
            )
        return Prompt(name, language or None)

    def _window(self, written: object, path: Path) -> Window | None:
        window = Window.read(written) if isinstance(written, str) else None
        if window is None:
            self._wrong(path, f'"{written}"', '"mon-fri 08:00-16:00" or "sat 20:00-06:00"')
        return window

    def _days_off(self) -> Iterable[date]:
        written = self._data.get("holidays", [])
        for i, day in enumerate(written if isinstance(written, list) else [written]):
            if isinstance(day, date) and not isinstance(day, datetime):
                yield day
            else:
                self._wrong(("holidays", i), "holidays", "a list of days, as [2026-08-17]")

    def _target(
        self, table: Mapping[str, Any], word: str, path: Path, shown: str | None = None
    ) -> str:
        named = shown or (f"key.{word}" if path[-1:] == ("key",) else word)
        if word not in table:
            remedy = f'add {named} = "<step>": every end leads somewhere'
            self._draft.complain(path, f"`{named}` is not named", remedy)
            return ""
        target = table[word]
        if not isinstance(target, str) or target not in self._draft.declared:
            near = _near(str(target), self._draft.declared)
            self._draft.complain((*path, word), f'there is no step "{target}"', near)
            return ""
        return target

    def _one_of(
        self, table: Mapping[str, Any], word: str, known: Iterable[str], path: Path
    ) -> str:
        choice = tuple(known)
        value = table.get(word)
        if isinstance(value, str) and value in choice:
            return value
        reason = f'`{word}` is "{value}"' if word in table else f"`{word}` is not named"
        self._draft.complain((*path, word), reason, f"one of: {', '.join(choice)}")
        return ""

    def _number(self, table: Mapping[str, Any], word: str, path: Path, most: float) -> float:
        value = table.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most:
            return float(value)
        self._wrong((*path, word), word, f"a number above 0, {most:g} at most")
        return 1.0

    def _typed(
        self, table: Mapping[str, Any], word: str, kind: type, path: Path, remedy: str
    ) -> Any:
        value = table.get(word)
        if isinstance(value, kind) and value:
            return value
        reason = f"`{word}` is not what it should be" if word in table else f"no `{word}`"
        self._draft.complain((*path, word), reason, remedy)
        return None

    def _only(self, table: Mapping[str, Any], known: Iterable[str], path: Path) -> None:
        words = frozenset(known)
        for word in table.keys() - words:
            self._draft.complain((*path, word), f"unknown word `{word}`", _near(word, words))

    def _wrong(self, path: Path, what: str, remedy: str) -> None:
        self._draft.complain(path, f"{what} cannot be understood", f"write {remedy}")


def _near(word: str, known: Iterable[str]) -> str:
    choice = sorted(known)
    close = difflib.get_close_matches(word, choice, 1)
    return f"did you mean `{close[0]}`?" if close else f"one of: {', '.join(choice) or 'none'}"
