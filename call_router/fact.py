"""A fact: one thing that happened to a call or a seat, at a time, told by somebody.

Facts are the only thing that is ever written down; rows are folded from them. They come from
FastAGI workers, from Asterisk's journal and from the keeper, in any order and possibly twice.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"

ID_LENGTH = 128  # Asterisk's unique ids stay under it, and every database can index it
TEXT_LENGTH = 2_000  # a reason in words; longer text is an attack or a fault, and is cut
MOST_DEEP = 8  # levels of lists and tables kept in a fact


class NotAFact(ValueError):  # noqa: N818 - reads as the sentence it is
    """The text or the values are no fact. Nobody acknowledged it, so nothing is lost."""


def clean(text: str) -> str:
    """Return `text` as every database can keep it.

    Without NUL (PostgreSQL refuses it), without lone surrogates (no encoding keeps them), cut
    at TEXT_LENGTH characters.
    """
    text = text[:TEXT_LENGTH].replace("\x00", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def clean_json(value: object, depth: int = 0) -> JSON:
    """Return `value` with only what JSON and every database can keep; never raises."""
    match value:
        case dict() if depth < MOST_DEEP:
            return {clean(str(key)): clean_json(value[key], depth + 1) for key in value}
        case list() | tuple() if depth < MOST_DEEP:
            return [clean_json(item, depth + 1) for item in value]
        case None | bool():
            return value
        case int() | float() if isfinite(value) and abs(value) < 2**63:
            return value
        case str():
            return clean(str(value))
    return "..."


def utc(at: datetime) -> datetime:
    """Return `at` in UTC. Raises NotAFact for a time that names no zone."""
    if at.tzinfo is None:
        raise NotAFact(f"the time {at.isoformat()} has no zone; facts carry aware times")
    return at.astimezone(UTC)


def checked_id(name: str, value: str) -> str:
    """Return `value` cleaned. Raises NotAFact when it is empty or over ID_LENGTH characters."""
    value = clean(value)
    if not value or len(value) > ID_LENGTH:
        raise NotAFact(f"{name} must have 1 to {ID_LENGTH} characters, not {len(value)}")
    return value


class Told(Protocol):
    """What a fact of a call and a fact of a seat have in common."""

    @property
    def fact_id(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def what(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def data(self) -> Mapping[str, JSON]: ...


def checked(subject: str, told: Told) -> dict[str, Any]:
    """Return the fields of a fact about `subject` (its name) as they may be kept.

    Raises NotAFact when an id is empty or too long, or the time names no zone.
    """
    return {
        subject: checked_id(subject, getattr(told, subject)),
        "fact_id": checked_id("fact_id", told.fact_id),
        "at": utc(told.at),
        "what": checked_id("what", str(told.what)),
        "why": clean(told.why),
        "data": {clean(str(key)): clean_json(item) for key, item in told.data.items()},
    }


def to_line(subject: str, told: Told) -> str:
    """Return a fact about `subject` as one line of ASCII without a line end."""
    fields = {
        subject: getattr(told, subject),
        "at": told.at.isoformat(),
        "what": told.what,
        "why": told.why,
        "data": told.data,
        "fact_id": told.fact_id,
    }
    return json.dumps(fields, separators=(",", ":"))


def from_line(subject: str, line: str | bytes) -> dict[str, Any]:
    """Return the fields of a line written by `to_line`. Raises NotAFact for any other."""
    try:
        told = json.loads(line)
        fields = {key: "" + told[key] for key in (subject, "fact_id", "what", "why")}
        return fields | {"at": datetime.fromisoformat(told["at"]), "data": dict(told["data"])}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotAFact(f"not a fact with a {subject}: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to one call.

    `at`       aware UTC, to the microsecond
    `what`     an Event of call.py, or any other word: then it is a note and changes no state
    `why`      the reason in words for people
    `data`     JSON values; the keys of each `what` are listed in call.py
    `fact_id`  the same fact told again carries the same id, and counts once

    Raises NotAFact when the ids are empty or too long, or `at` names no zone.
    """

    call_id: str
    at: datetime
    what: str
    why: str = ""
    data: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    fact_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for name, value in checked("call_id", self).items():
            object.__setattr__(self, name, value)

    @classmethod
    def kept(cls, **fields: Any) -> Self:
        """Return the fact of all its `fields`, as a row keeps them: checked when it was made."""
        fact = cls.__new__(cls)
        for name, value in fields.items():
            object.__setattr__(fact, name, value)
        return fact

    @classmethod
    def new(cls, call_id: str, at: datetime, what: str, why: str = "", **data: JSON) -> Self:
        """Return a fact with an id of its own."""
        return cls(call_id, at, what, why, data)

    def to_json(self) -> str:
        """Return the fact as one line of ASCII without a line end."""
        return to_line("call_id", self)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Return the fact of a line written by `to_json`. Raises NotAFact for any other."""
        return cls(**from_line("call_id", line))


def text(data: Mapping[str, JSON], key: str, most: int = 200) -> str:
    """Return `data[key]` as text of at most `most` characters; "" when absent."""
    value = data.get(key)
    return "" if value is None or isinstance(value, list | dict) else str(value)[:most]


def number(data: Mapping[str, JSON], key: str) -> int | None:
    """Return `data[key]` as a whole number of 32 bits; None when absent or no such number.

    The journal tells everything as text, so "16" counts as 16.
    """
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        whole = int(value)
    except (ValueError, OverflowError):
        return None
    return whole if abs(whole) < 2**31 else None


def flag(data: Mapping[str, JSON], key: str) -> bool:
    """Return whether `data[key]` says yes, in JSON or in Asterisk's words."""
    return text(data, key).strip().lower() in {"true", "1", "yes"}
