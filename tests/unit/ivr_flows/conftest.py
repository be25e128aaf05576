"""Strict stand-ins: a caller's channel, a desk, prompts. What a test did not foresee fails it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agi.channel import Key, Silence
from agi.variables import Variable
from call_router.call import Call
from call_router.policy import Decision
from ivr_flows.flow import Limits, load
from ivr_flows.steps import KEYS

HERE = Path(__file__).parent
HOUSE = HERE.parents[2]

VARIABLES = {
    Variable.RING: "call=siaga-1.1&flow=112&trunk=telkom&dialled=112"
    "&recording=2026/11/22/siaga-1.1"
    "&num=08123456789&pres=allowed_not_screened&sip_call_id=abc%4010.0.0.1&name=ANI&pai="
    "&from_user=%2B628123456789",
}
MAY_SET = {"CHANNEL(language)", Variable.LANGUAGE, Variable.SAID, Variable.ROUTE}


class StrictChannel:
    """Plays a script of answers; every verb is kept in `did`, in order."""

    call_id = "siaga-1.1"

    def __init__(self, *answers, variables=VARIABLES, statuses=None, digits=()):
        self.answers = list(answers)
        self.variables = dict(variables)
        self.statuses = dict(statuses or {})
        self.digits = list(digits)
        self.did = []
        self.routed = None
        self.breaks = {}

    def _do(self, verb, *what):
        assert self.routed is None, f"{verb} after the caller was handed over"
        if verb in self.breaks:
            raise self.breaks[verb]
        self.did.append((verb, *what))

    def get(self, variable):
        if variable in self.statuses:
            return self.statuses[variable]
        assert variable in self.variables, f"nobody told the dialplan about {variable}"
        return self.variables[variable]

    def set(self, variable, value):
        assert variable in MAY_SET, f"a conversation has no business with {variable}"
        self._do("set", str(variable), value)
        if variable == Variable.ROUTE:
            self.routed = value

    def answer(self):
        self._do("answer")

    def say(self, sounds, *, keys=""):
        self._do("say", *sounds)

    def ask(self, sounds, *, keys, wait_s):
        assert keys == KEYS
        self._do("ask", *sounds, wait_s)
        assert self.answers, "asked more often than the story tells"
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return Key(answer, 1500) if isinstance(answer, str) else Silence()

    def collect(self, sounds, *, max_digits, wait_s):
        self._do("collect", *sounds)
        assert self.digits, "asked for a PIN more often than the story tells"
        return self.digits.pop(0)

    def execute(self, app, *args):
        assert not any("," in str(arg) for arg in args)
        self._do("execute", app, *args)
        return "0"

    def connect(self, lane, priority, route):
        self._do("connect", lane, priority, route)
        self.routed = route

    def verbs(self, *names):
        return [did for did in self.did if did[0] in names]


class StrictDesk:
    """Keeps what it was told in `told`; may be made to break at a verb."""

    def __init__(self, lane="pressed", breaks=()):
        self.told = []
        self.lane = lane
        self.breaks = set(breaks)

    def _tell(self, verb, *what):
        if verb in self.breaks:
            raise OSError(f"{verb}: disk full")
        self.told.append((verb, *what))

    def receive(self, ring, language):
        self._tell("receive", ring)
        self.told.append(("note", "menu", {"language": language}))
        return Call(ring.call_id)

    def note(self, call_id, what, why="", **data):
        assert call_id == "siaga-1.1"
        self._tell("note", what, data)

    def decide(self, call, asked):
        self._tell("decide", asked)
        return Decision(self.lane, 10, "rule", "sebab", "reason")

    def hand_over(self, call, decision, route):
        self._tell("hand_over", decision, route)

    def end(self, call_id, name):
        self._tell("end", name)


class AnyPrompts:
    """Every prompt exists in both languages and lasts 2 s, but for those named otherwise."""

    languages = ("id", "en")

    def __init__(self, missing=(), length_s=2.0):
        self.missing = set(missing)
        self._length_s = length_s

    def has(self, name, language):
        return (name, language) not in self.missing and name not in self.missing

    def words(self, name, language):
        if not self.has(name, language):
            raise KeyError(name)
        return f"Kata-kata {name} & seterusnya" if language == "id" else f"Words of {name} etc."

    def length_s(self, name, language):
        if not self.has(name, language):
            raise KeyError(name)
        return self._length_s


@pytest.fixture
def a_channel():
    return StrictChannel


@pytest.fixture
def a_desk():
    return StrictDesk


@pytest.fixture
def some_prompts():
    return AnyPrompts


@pytest.fixture
def shipped():
    """A flow of the house, with prompts of 2 s."""
    return lambda name: load(HOUSE / "ivr_flows" / f"{name}.toml", AnyPrompts(), Limits())


@pytest.fixture
def large_flow():
    return load(HERE / "flows" / "large.toml", AnyPrompts(), Limits())


@pytest.fixture
def house():
    return HOUSE


@pytest.fixture
def monday_morning():
    return lambda: datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # 09:00 in Jakarta
