"""Read and check policy.toml; refuse what could keep a caller from a call-taker."""

from __future__ import annotations

import itertools
import re
import tomllib
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from call_router.rules import (
    CALLERS,
    IDLE,
    KEYS,
    OPEN_LANE,
    OUTCOMES,
    Asked,
    Hours,
    Lane,
    Limits,
    PolicyError,
    Rule,
    Rules,
    When,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHIPPED = Path(__file__).with_name("policy.toml")

BOUNDS: Mapping[str, tuple[int, int]] = {
    "answer_within_s": (5, 60),
    "queue_wait_s": (10, 300),
    "ring_s": (5, 30),
    "ring_all_s": (5, 60),
    "outside_s": (10, 120),
}
_RULE_WORDS = {"id", "when", "lane", "why", "why_en"}
_LANE_WORDS = {"priority", "say", "say_en"}
_WHEN_WORDS = {"outcome": OUTCOMES, "key": KEYS, "caller": CALLERS}
_REFUSALS = re.compile(
    r"refuse|reject|drop|block|bar|ban|hang_?up|busy|deny|tolak|tutup|blokir", re.IGNORECASE
)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def load_rules(path: Path | str = SHIPPED) -> Rules:
    """Return the checked rules of a file. Raises PolicyError for any that must not be used."""
    file = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        told = tomllib.loads(text)
    except OSError as error:
        raise PolicyError(
            file, None, f"cannot be read ({error.strerror})", "Restore it."
        ) from error
    except UnicodeDecodeError as error:
        raise PolicyError(file, None, "is not UTF-8 text", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise PolicyError(
            file, int(line[1]) if line else None, f"is not TOML ({error})", "Correct the line."
        ) from error
    rules = _Reader(file, text).read(told)
    check(rules)
    return rules


def check(rules: Rules) -> None:
    """Refuse rules that leave a caller without a call-taker, or hide a mistake.

    Raises PolicyError: no rules, no catch-all at the end, an unknown lane, two rules of one id,
    a rule that can never decide, limits or priorities out of bounds.
    """
    _check_limits(rules)
    for name, lane in rules.lanes.items():
        if not 0 <= lane.priority <= 100:
            _refuse(rules, None, f"lane {name} has priority {lane.priority}", "Use 0 to 100.")
    if OPEN_LANE not in rules.lanes:
        _refuse(rules, None, "there is no lane open", "Add [lanes.open]: faults go there.")
    if not rules.rules:
        _refuse(rules, None, "there are no rules", "Add a last rule without `when`.")
    last = rules.rules[-1]
    if last.when != When():
        _refuse(
            rules, last.line, f"the last rule ({last.id}) is no catch-all", "Take its `when` away."
        )
    seen: set[str] = set()
    for rule in rules.rules:
        if rule.id in seen:
            _refuse(rules, rule.line, f"two rules are called {rule.id}", "Rename one.")
        seen.add(rule.id)
        if rule.lane not in rules.lanes:
            known = ", ".join(sorted(rules.lanes))
            reason = f"rule {rule.id} names the unknown lane {rule.lane}"
            _refuse(rules, rule.line, reason, f"Known lanes: {known}.")
    _check_reach(rules)


def _check_limits(rules: Rules) -> None:
    for name, (least, most) in BOUNDS.items():
        value = getattr(rules.limits, name)
        if not least <= value <= most:
            _refuse(rules, None, f"limit {name} is {value}", f"Use {least} to {most} seconds.")
    if rules.limits.ring_s > rules.limits.queue_wait_s:
        reason = "ring_s is longer than queue_wait_s, so one deaf phone would use up the queue"
        _refuse(rules, None, reason, "Lower ring_s.")


def _check_reach(rules: Rules) -> None:
    """Try every situation the conditions can tell apart; each rule must decide one of them."""
    deciding = set()
    for situation in _situations(rules):
        deciding.add(next(rule.id for rule in rules.rules if rule.when.holds(*situation)))
    for rule in rules.rules:
        if rule.id not in deciding:
            reason = f"rule {rule.id} can never decide: the rules above it take every such call"
            _refuse(rules, rule.line, reason, "Move it up or take it out.")


def _situations(rules: Rules) -> Iterator[tuple[Asked, str, str, time]]:
    asked = [Asked(outcome) for outcome in OUTCOMES if outcome not in {"key", "other_key"}]
    asked += [Asked(outcome, key) for outcome in ("key", "other_key") for key in KEYS]
    hours = [rule.when.hours for rule in rules.rules if rule.when.hours]
    times = {time(0), *(hour.since for hour in hours), *(hour.until for hour in hours)}
    yield from itertools.product(asked, CALLERS, ("", *IDLE), times)


def _refuse(rules: Rules, line: int | None, reason: str, remedy: str) -> NoReturn:
    raise PolicyError(rules.file, line, reason, remedy)


class _Reader:
    """Turns what TOML said into Rules, and knows on which line it said it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = text.splitlines()

    def read(self, told: Mapping[str, Any]) -> Rules:
        self._known_words(told, {"limits", "lanes", "rules"}, "", None)
        lanes, rules = told.get("lanes", {}), told.get("rules", [])
        if not isinstance(lanes, dict) or not isinstance(rules, list):
            self._refuse(None, "lanes or rules are no tables", "Write [lanes.NAME], [[rules]].")
        return Rules(
            file=self.file,
            lanes={name: self._lane(name, lane) for name, lane in lanes.items()},
            rules=tuple(self._rule(nth, rule) for nth, rule in enumerate(rules)),
            limits=self._limits(told.get("limits", {})),
        )

    def _limits(self, told: Any) -> Limits:
        line = self._line(r"\[limits\]")
        self._known_words(told, set(BOUNDS), "limit", line)
        values = {}
        for name, (least, most) in BOUNDS.items():
            value = told.get(name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                self._refuse(
                    self._line(rf"{name}\s*=") or line,
                    f"limit {name} is {'missing' if value is None else value}",
                    f"Use {least} to {most} whole seconds.",
                )
            values[name] = value
        return Limits(**values)

    def _lane(self, name: str, told: Any) -> Lane:
        line = self._line(rf"\[lanes\.{re.escape(name)}\]")
        self._known_words(told, _LANE_WORDS, "lane's word", line)
        self._no_refusal(name, line)
        priority = told.get("priority")
        if not isinstance(priority, int) or isinstance(priority, bool):
            self._refuse(line, f"lane {name} has no whole priority", "Use 0 to 100.")
        if not _NAME.fullmatch(name):
            self._refuse(line, f"{name} is no name for a lane", "Use a-z, 0-9, - and _.")
        if not 0 <= priority <= 100:
            self._refuse(line, f"lane {name} has priority {priority}", "Use 0 to 100.")
        return Lane(priority, str(told.get("say", "")), str(told.get("say_en", "")))

    def _rule(self, nth: int, told: Any) -> Rule:
        line = self._line(r"\[\[rules\]\]", nth)
        self._known_words(told, _RULE_WORDS, "rule's word", line)
        words = {}
        for name in ("id", "lane", "why", "why_en"):
            value = told.get(name)
            if not isinstance(value, str) or not value.strip():
                self._refuse(line, f"a rule has no {name}", f'Add {name} = "..." to it.')
            words[name] = value
        self._no_refusal(words["lane"], line)
        return Rule(**words, when=self._when(told.get("when", {}), line), line=line)

    def _when(self, told: Any, line: int | None) -> When:
        self._known_words(told, {*_WHEN_WORDS, "idle", "hours"}, "condition", line)
        sets = {}
        for name, allowed in _WHEN_WORDS.items():
            value = told.get(name, [])
            chosen = [value] if isinstance(value, str) else value
            if name in told and (not isinstance(chosen, list) or not chosen):
                self._refuse(line, f"the condition {name} is empty", "Name values or drop it.")
            for word in chosen:
                if word not in allowed:
                    self._refuse(
                        line, f"{name} {word!r} is unknown", f"Known: {', '.join(allowed)}."
                    )
            sets[name] = frozenset(chosen)
        idle = told.get("idle", "")
        if "idle" in told and idle not in IDLE:
            self._refuse(line, f"idle {idle!r} is unknown", "Known: some, none.")
        return When(**sets, idle=idle, hours=self._hours(told.get("hours"), line))

    def _hours(self, told: Any, line: int | None) -> Hours | None:
        if told is None:
            return None
        try:
            since, until = (time.fromisoformat(part.strip()) for part in told.split("-"))
        except (ValueError, AttributeError):
            self._refuse(line, f"hours {told!r} are unclear", 'Write hours = "22:00-06:00".')
        return Hours(since, until)

    def _no_refusal(self, word: str, line: int | None) -> None:
        if _REFUSALS.search(word):
            reason = f"{word} would refuse a call, and no rule may"
            self._refuse(line, reason, "Name a lane that leads to a call-taker.")

    def _known_words(self, told: Any, known: set[str], kind: str, line: int | None) -> None:
        if not isinstance(told, dict):
            self._refuse(line, f"a {kind or 'policy'} is no table", "See the shipped policy.toml.")
        for word in told:
            if word not in known:
                self._no_refusal(word, line)
                self._refuse(
                    self._line(rf"\[*{re.escape(word)}\b") or line,
                    f"{word} is no {kind or 'part of a policy'}",
                    f"Known: {', '.join(sorted(known))}.",
                )

    def _line(self, pattern: str, nth: int = 0) -> int | None:
        found = (n for n, line in enumerate(self.lines, 1) if re.match(rf"\s*{pattern}", line))
        return next(itertools.islice(found, nth, None), None)

    def _refuse(self, line: int | None, reason: str, remedy: str) -> NoReturn:
        raise PolicyError(self.file, line, reason, remedy)
