"""The rendered dialplan, read back: every word known, and every road leads somewhere.

Asterisk finds a missing application or place only when a caller stands before it. This reads
`extensions.conf` as Asterisk would and names each such place with its line, before it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from asterisk_conf.modules import APPLICATIONS, FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTERED_FROM_OUTSIDE = frozenset({"from-seat", "transfer", "nowhere", "queue", "ended"})
"""Entered by phones, by a transfer, by the way out, and by the route a conversation sets."""

LAST_WORDS = frozenset({"Goto", "Hangup", "Return"})

_HEADER = re.compile(r"\[([^\]]+)\]")
_PRIORITY = re.compile(r"(?:\d+|n)(?:\(([\w-]+)\))?\s*,\s*")
_APPLICATION = re.compile(r"(\w+)\((.*)\)\s*$")
_NESTED = re.compile(r"[?:]([A-Z]\w+)\(")
_READS = re.compile(r"\$\{([A-Z][A-Z_]+)\(")
_WRITES = re.compile(r"^_{0,2}([A-Z][A-Z_]+)\(")
_HANDLERS = re.compile(r"hangup_handler_push\)=([^)]*)|[bBU]\(([\w-]+\^[\w-]+\^\w+)\)")
_ROUTE = re.compile(r"^SIAGA_ROUTE=(.+)$")
_OPENING = {"(": ")", "[": "]", "{": "}"}
_QUEUE_GOSUB = 6  # Asterisk 22's seventh argument; 20 counts one more


@dataclass(slots=True)
class Step:
    """One line of the dialplan."""

    line: int
    context: str
    extension: str
    application: str
    arguments: str


@dataclass(slots=True)
class Extension:
    """One extension: its labels, and its last step, after which nothing comes."""

    labels: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Dialplan:
    """What `extensions.conf` says: contexts, their extensions, and what could not be read."""

    contexts: dict[str, dict[str, Extension]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def steps(self) -> Iterator[Step]:
        """Every step, context by context."""
        for extensions in self.contexts.values():
            for extension in extensions.values():
                yield from extension.steps


def problems_in_texts(texts: dict[str, str]) -> list[str]:
    """Unknown words and roads that lead nowhere, each with file and line."""
    dialplan = read(texts["extensions.conf"])
    entered = set(ENTERED_FROM_OUTSIDE)
    problems = list(dialplan.problems)
    for line, name in _contexts_of_pjsip(texts["pjsip.conf"]):
        entered.add(name)
        if name not in dialplan.contexts:
            problems.append(f"pjsip.conf:{line}: context {name} is not in extensions.conf")
    for step in dialplan.steps:
        found = [*_unknown_words(step), *_lost_roads(step, dialplan, entered)]
        problems += [f"extensions.conf:{step.line}: {problem}" for problem in found]
    problems += _open_ends(dialplan)
    problems += [
        f"extensions.conf: nobody enters [{name}]"
        for name in dialplan.contexts
        if name not in entered
    ]
    return problems


def read(text: str) -> Dialplan:
    """Read `extensions.conf`; `[general]` and `[globals]` hold no roads."""
    dialplan = Dialplan()
    context, extension = "", ""
    for number, written in enumerate(text.splitlines(), start=1):
        code = re.split(r"(?<!\\);", written, maxsplit=1)[0].strip()
        if header := _HEADER.fullmatch(code):
            context, extension = header[1], ""
            if context not in ("general", "globals"):
                dialplan.contexts.setdefault(context, {})
        elif code and context in dialplan.contexts:
            extension = _read_step(dialplan, number, code, context, extension)
    return dialplan


def _read_step(dialplan: Dialplan, number: int, code: str, context: str, extension: str) -> str:
    """Add one step and return the extension that the next `same =>` belongs to."""
    where = f"extensions.conf:{number}"
    extensions = dialplan.contexts[context]
    if code.startswith("exten"):
        head, _, rest = code.partition("=>")[2].strip().partition(",")
        extension = head.strip()
        if extension.startswith("_"):
            dialplan.problems.append(f"{where}: {extension} is a pattern; write exact extensions")
        if extension in extensions:
            dialplan.problems.append(f"{where}: extension {extension} stands twice in [{context}]")
        extensions[extension] = Extension()
    else:
        rest = code.partition("=>")[2].strip()
    priority = _PRIORITY.match(rest)
    call = _APPLICATION.match(rest[priority.end() :]) if priority else None
    if priority is None or call is None or extension not in extensions:
        dialplan.problems.append(f"{where}: cannot be read as a step: {code}")
        return extension
    if priority[1]:
        extensions[extension].labels.add(priority[1])
    extensions[extension].steps.append(Step(number, context, extension, call[1], call[2]))
    return extension


def _contexts_of_pjsip(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        for sign in ("context = ", "set_var = TRANSFER_CONTEXT="):
            if line.startswith(sign):
                yield number, line.removeprefix(sign).strip()


def _unknown_words(step: Step) -> Iterator[str]:
    applications = [step.application]
    if step.application == "ExecIf":
        applications += _NESTED.findall(step.arguments)
    for application in applications:
        if application not in APPLICATIONS:
            yield f"application {application} is not loaded (modules.py)"
    functions = _READS.findall(step.arguments)
    if step.application == "Set":
        functions += _WRITES.findall(step.arguments)
    for function in functions:
        if function not in FUNCTIONS:
            yield f"function {function} is not loaded (modules.py)"


def _lost_roads(step: Step, dialplan: Dialplan, entered: set[str]) -> Iterator[str]:
    """Check each place a step leads to; add the contexts that are entered to `entered`."""
    for target in _targets(step):
        parts = [part.strip() for part in target.split(",")]
        if "${" in target or not parts[0]:
            continue
        context = parts[0] if len(parts) == 3 else step.context
        extension = parts[-2] if len(parts) > 1 else step.extension
        if context != step.context or len(parts) == 3:
            entered.add(context)
        found = dialplan.contexts.get(context, {}).get(extension)
        if found is None:
            yield f"no such place as [{context}] {extension}"
        elif not parts[-1].isdigit() and parts[-1] not in found.labels:
            yield f"no label {parts[-1]} at [{context}] {extension}"


def _targets(step: Step) -> Iterator[str]:
    match step.application:
        case "Goto" | "Gosub":
            yield _without_arguments(step.arguments)
        case "GotoIf" | "GosubIf":
            branches = _split(step.arguments, "?")
            for branch in _split(branches[-1], ":"):
                yield _without_arguments(branch)
        case "Set" if route := _ROUTE.match(step.arguments):
            yield route[1]
        case "Queue":
            arguments = _split(step.arguments, ",")
            if len(arguments) > _QUEUE_GOSUB and arguments[-1]:
                yield f"{arguments[-1]},s,1"
    for pushed, hooked in _HANDLERS.findall(step.arguments):
        yield pushed or hooked.replace("^", ",")


def _without_arguments(target: str) -> str:
    """`record,s,1(start)` leads to `record,s,1`."""
    return target if target.startswith("$") else target.partition("(")[0]


def _split(text: str, sign: str) -> list[str]:
    """Split at `sign` where no bracket is open."""
    cuts, closing = [-1], ""
    for at, letter in enumerate(text):
        if letter in _OPENING:
            closing = _OPENING[letter] + closing
        elif closing and letter == closing[0]:
            closing = closing[1:]
        elif letter == sign and not closing:
            cuts.append(at)
    return [text[after + 1 : until] for after, until in pairwise([*cuts, len(text)])]


def _open_ends(dialplan: Dialplan) -> Iterator[str]:
    """A road that simply stops hangs up on whoever walks it."""
    for context, extensions in dialplan.contexts.items():
        for name, extension in extensions.items():
            last = extension.steps[-1] if extension.steps else None
            if last is None:
                continue
            both = last.application == "GotoIf" and len(_split(last.arguments, ":")) > 1
            if last.application not in LAST_WORDS and not both:
                yield f"extensions.conf:{last.line}: the road of [{context}] {name} just stops"
