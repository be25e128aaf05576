"""Load a flow and refuse, with file, line, reason and remedy, what could strand a caller."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ivr_flows.problems import FlowError, Limits, Problem, Prompts
from ivr_flows.reading import Draft, read
from ivr_flows.steps import Ask, Say, Step
from ivr_flows.ways import examine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Flow", "FlowError", "Limits", "Problem", "Prompts", "check", "load"]


@dataclass(frozen=True, slots=True)
class Flow:
    """A conversation that has passed every check.

    `title` maps a language to words; `words[prompt][language]` is what its prompts say;
    `digest` is the SHA-256 of its text.
    """

    name: str
    kind: str
    language: str
    start: str
    steps: Mapping[str, Step]
    title: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]
    digest: str


def load(path: Path, prompts: Prompts, limits: Limits) -> Flow:
    """Read and check a flow file. FlowError lists all its problems, not only the first."""
    draft, text = _examined(path, prompts, limits)
    if draft.problems:
        raise FlowError(draft.problems)
    return Flow(
        path.stem,
        draft.kind,
        draft.language,
        draft.start,
        draft.steps,
        draft.title,
        _words(draft.steps.values(), prompts),
        digest(text.encode()),
    )


def check(path: Path, prompts: Prompts, limits: Limits) -> tuple[Problem, ...]:
    """All problems of a flow file, by line; empty if it may be used."""
    draft, _ = _examined(path, prompts, limits)
    return tuple(sorted(draft.problems))


def digest(content: bytes) -> str:
    """Tell one version of a flow from another: SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def _examined(path: Path, prompts: Prompts, limits: Limits) -> tuple[Draft, str]:
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as broken:
        remedy = "check its name and who may read it"
        problem = Problem(str(path), 1, f"cannot be read ({broken.strerror})", remedy)
        return Draft(problems=[problem]), ""
    except UnicodeDecodeError as broken:
        line = broken.object[: broken.start].count(b"\n") + 1
        return Draft(problems=[Problem(str(path), line, "is not UTF-8", "save it as UTF-8")]), ""
    draft = read(str(path), text, prompts, limits)
    if draft.lines:
        examine(draft, prompts, limits)
    return draft, text


def _words(steps: Iterable[Step], prompts: Prompts) -> dict[str, dict[str, str]]:
    names = {
        prompt.name for step in steps if isinstance(step, Say | Ask) for prompt in step.prompts
    }
    return {
        name: {
            language: prompts.words(name, language)
            for language in prompts.languages
            if prompts.has(name, language)
        }
        for name in sorted(names)
    }
