"""What can be wrong with a flow, in words an admin can act on, and what a flow is held to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

POLICY_LANE = "policy"
"""`connect = "policy"`: no lane of the flow's own, the centre's policy decides."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One reason to refuse a flow: where (line from 1), why, and what to do about it."""

    file: str
    line: int
    reason: str
    remedy: str

    def __str__(self) -> str:
        """`112.toml:14: reason: remedy`, which editors can jump to."""
        return f"{self.file}:{self.line}: {self.reason}: {self.remedy}"


class FlowError(Exception):
    """A flow is refused; `problems` lists everything wrong with it, by line.

    The caller: hears the flow that was good before, or goes straight to the queue.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Prompts(Protocol):
    """What a flow needs to know of the prompts; `sounds.SoundSet` is one."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages there are prompts in."""

    def has(self, name: str, language: str) -> bool:
        """Whether the prompt can be heard in that language."""

    def words(self, name: str, language: str) -> str:
        """Give what it says; KeyError if there is none."""

    def length_s(self, name: str, language: str) -> float:
        """Give the seconds it lasts; KeyError if there is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a centre holds its flows to.

    `answer_within_s`: seconds from answer to the queue on the longest way a caller can take, and
    `lanes`: both as in the centre's policy.toml, whose shipped values are the defaults here.
    `zone`: the centre's own clock, for `hours`.
    """

    answer_within_s: float = 30.0
    lanes: frozenset[str] = frozenset({"pressed", "open", "voice", "silence"})
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Jakarta"))
