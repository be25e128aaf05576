import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from call_router.numbers import E164, NoSim, Unusable, Withheld
from call_router.policy import (
    Asked,
    CentreState,
    Decision,
    Lane,
    PolicyError,
    Rule,
    Rules,
    When,
    check,
    decide,
    load_rules,
)
from call_router.policy_file import SHIPPED

NOON = datetime(2026, 8, 7, 12, 0, tzinfo=UTC)
BOB = E164("+6281234567890")
UNKNOWN = CentreState()
TEXT = SHIPPED.read_text(encoding="utf-8")
LIMITS = """
[limits]
answer_within_s = 30
queue_wait_s = 40
ring_s = 12
ring_all_s = 20
outside_s = 45
[lanes.open]
priority = 10
[lanes.pressed]
priority = 10
"""
EVERYBODY = """
[[rules]]
id = "all"
lane = "open"
why = "Semua."
why_en = "All."
"""


def rule(name, when="", lane="pressed"):
    return f"""
[[rules]]
id = "{name}"
when = {{ {when} }}
lane = "{lane}"
why = "Karena."
why_en = "Because."
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        file = tmp_path / "policy.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize(
    ("asked", "lane", "named"),
    [
        (Asked("key", "0"), "pressed", "pressed"),
        (Asked("key", "5"), "pressed", "pressed"),
        (Asked("other_key", "7"), "open", "other-key"),
        (Asked("voice"), "voice", "voice"),
        (Asked("silence"), "silence", "silence"),
        (Asked("failure"), "open", "open-gate"),
        (Asked("a word of tomorrow"), "open", "open-gate"),
    ],
)
@pytest.mark.parametrize("caller", [BOB, Withheld("anonymous"), NoSim(""), Unusable("x"), None])
def test_every_caller_gets_a_lane_a_reason_and_the_same_priority(asked, lane, named, caller):
    decision = decide(load_rules(), asked, caller, UNKNOWN, NOON)
    assert (decision.lane, decision.rule, decision.priority) == (lane, named, 10)
    assert decision.why
    assert decision.why_en
    assert decision.why != decision.why_en


def test_the_first_rule_that_holds_decides(written):
    rules = load_rules(
        written(LIMITS + rule("star", 'key = "*"') + rule("key", 'outcome = "key"') + EVERYBODY)
    )
    assert decide(rules, Asked("key", "*"), BOB, UNKNOWN, NOON).rule == "star"
    assert decide(rules, Asked("key", "1"), BOB, UNKNOWN, NOON).rule == "key"
    assert decide(rules, Asked("silence"), BOB, UNKNOWN, NOON) == Decision(
        "open", 10, "all", "Semua.", "All."
    )


def test_rules_may_look_at_the_kind_of_caller(written):
    rules = load_rules(written(LIMITS + rule("shy", 'caller = ["withheld"]') + EVERYBODY))
    assert decide(rules, Asked("key"), Withheld("x"), UNKNOWN, NOON).rule == "shy"
    assert decide(rules, Asked("key"), BOB, UNKNOWN, NOON).rule == "all"


@pytest.mark.parametrize(
    ("idle", "named"), [(2, "free"), (0, "busy"), (None, "all")], ids=["some", "none", "unknown"]
)
def test_what_is_unknown_about_the_centre_meets_no_condition(written, idle, named):
    rules = load_rules(
        written(LIMITS + rule("free", 'idle = "some"') + rule("busy", 'idle = "none"') + EVERYBODY)
    )
    assert decide(rules, Asked("key"), BOB, CentreState(idle=idle), NOON).rule == named


@pytest.mark.parametrize(
    ("clock", "named"),
    [("21:59", "all"), ("22:00", "night"), ("03:00", "night"), ("06:00", "all"), ("07:30", "day")],
)
def test_rules_are_given_the_time_of_the_centre(written, clock, named):
    night, day = rule("night", 'hours = "22:00-06:00"'), rule("day", 'hours = "07:00-08:00"')
    rules = load_rules(written(LIMITS + night + day + EVERYBODY))
    now = datetime.fromisoformat(f"2026-08-07T{clock}:00+07:00")
    assert decide(rules, Asked("key"), BOB, UNKNOWN, now).rule == named


def test_rules_that_were_never_checked_do_not_decide_by_chance():
    rules = Rules("x", {}, (), load_rules().limits)
    with pytest.raises(LookupError, match="check"):
        decide(rules, Asked("key"), BOB, UNKNOWN, NOON)


def changed(old, new):
    assert old in TEXT
    return TEXT.replace(old, new, 1)


NONSENSE = {
    "refuses a call by its lane": (
        changed('lane = "silence"', 'lane = "reject"'),
        "refuse a call",
    ),
    "refuses a call by a word": (
        changed('id = "silence"', 'id = "silence"\nrefuse = true'),
        "refuse a call",
    ),
    "hangs up": (changed('lane = "silence"', 'lane = "hang_up"'), "refuse a call"),
    "has a lane that blocks": (TEXT + "[lanes.blocked]\npriority = 1\n", "refuse a call"),
    "names an unknown lane": (changed('lane = "silence"', 'lane = "silent"'), "unknown lane"),
    "has a negative limit": (changed("ring_s = 12", "ring_s = -1"), "limit ring_s is -1"),
    "has a limit in words": (changed("ring_s = 12", 'ring_s = "12"'), "limit ring_s is 12"),
    "has a limit that is yes": (changed("ring_s = 12", "ring_s = true"), "limit ring_s"),
    "forgets a limit": (changed("queue_wait_s = 40", ""), "limit queue_wait_s is missing"),
    "has too long a menu": (changed("answer_within_s = 30", "answer_within_s = 90"), "is 90"),
    "rings one phone all the time": (
        changed("queue_wait_s = 40", "queue_wait_s = 10"),
        "one deaf phone",
    ),
    "has a negative priority": (changed("priority = 10", "priority = -1"), "priority -1"),
    "has a priority that is too high": (changed("priority = 10", "priority = 101"), "101"),
    "has no priority": (changed("priority = 10", ""), "no whole priority"),
    "has no lane for faults": (
        LIMITS.replace("[lanes.open]", "[lanes.else]") + rule("all", lane="else"),
        "no lane open",
    ),
    "has no catch-all": (TEXT.partition('[[rules]]\nid = "open-gate"')[0], "no catch-all"),
    "has no rules": (LIMITS, "no rules"),
    "has a rule that can never decide": (
        LIMITS
        + rule("key", 'outcome = "key"')
        + rule("zero", 'key = "0", outcome = "key"')
        + EVERYBODY,
        "zero can never decide",
    ),
    "has a rule hidden by two others": (
        LIMITS
        + rule("a", 'outcome = ["key", "silence"]')
        + rule("b", 'outcome = ["other_key", "voice"]')
        + rule("c", 'outcome = ["key", "voice"]')
        + EVERYBODY,
        "c can never decide",
    ),
    "has a catch-all that is not the last": (LIMITS + EVERYBODY + rule("x"), "x can never decide"),
    "asks for the key of a silent caller": (
        LIMITS + rule("odd", 'outcome = "silence", key = "1"') + EVERYBODY,
        "odd can never decide",
    ),
    "has two rules of one name": (LIMITS + rule("all", 'key = "1"') + EVERYBODY, "two rules"),
    "has a rule without a reason": (changed('why_en = "A voice', 'note = "A voice'), "note"),
    "has a rule without a lane": (LIMITS + '[[rules]]\nid = "x"\n', "no lane"),
    "has an unknown outcome": (changed('"other_key" }', '"otherkey" }'), "'otherkey' is unknown"),
    "has an unknown condition": (LIMITS + rule("x", 'weather = "wet"') + EVERYBODY, "weather"),
    "has an empty condition": (LIMITS + rule("x", "key = []") + EVERYBODY, "key is empty"),
    "has an unknown idle": (LIMITS + rule("x", 'idle = "1"') + EVERYBODY, "idle '1'"),
    "has unclear hours": (LIMITS + rule("x", 'hours = "night"') + EVERYBODY, "'night'"),
    "has hours that are a number": (LIMITS + rule("x", "hours = 8") + EVERYBODY, "hours 8"),
    "has an unknown part": ("[weather]\n" + TEXT, "weather"),
    "has a rule that is no table": ('rules = ["x"]\n' + LIMITS, "no table"),
    "has lanes that are no tables": ("lanes = 4\n" + EVERYBODY, "no tables"),
    "has a lane with a bad name": (LIMITS + "[lanes.Fast]\npriority = 1" + EVERYBODY, "no name"),
    "is no TOML": (TEXT + "\n= 4", "is not TOML"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_policy_is_refused_that(written, kind):
    text, reason = NONSENSE[kind]
    file = written(text)
    with pytest.raises(PolicyError, match=re.escape(reason)) as refused:
        load_rules(file)
    error = refused.value
    assert error.file == str(file)
    assert error.remedy.endswith(".")
    assert str(file) in str(error)


@pytest.mark.parametrize(
    ("kind", "line_of"),
    [
        ("names an unknown lane", 'id = "silence"'),
        ("has a negative limit", "ring_s = -1"),
        ("has a negative priority", "priority = -1"),
        ("is no TOML", "= 4"),
        ("has an unknown outcome", 'id = "other-key"'),
    ],
)
def test_the_refusal_names_the_line(written, kind, line_of):
    text, _ = NONSENSE[kind]
    with pytest.raises(PolicyError) as refused:
        load_rules(written(text))
    lines = text.splitlines()
    near = range(refused.value.line - 1, refused.value.line + 1)
    assert any(lines[number].startswith(line_of) for number in near)


def test_a_missing_file_is_refused_in_words(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read"):
        load_rules(tmp_path / "policy.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "policy.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="UTF-8"):
        load_rules(file)


def test_rules_made_by_a_program_are_checked_the_same():
    shipped = load_rules()
    check(shipped)
    lanes = {"open": Lane(10), "low": Lane(101)}
    with pytest.raises(PolicyError, match="101"):
        check(Rules("x", lanes, shipped.rules, shipped.limits))
    with pytest.raises(PolicyError, match="unknown lane"):
        check(Rules("x", {"open": Lane(1)}, (Rule("a", "b", "c", "d", When()),), shipped.limits))


def test_each_shipped_limit_has_its_reason_beside_it():
    for name in ("answer_within_s", "queue_wait_s", "ring_s", "ring_all_s", "outside_s"):
        before = TEXT.partition(f"\n{name} =")[0].splitlines()
        assert before[-1].startswith("# "), name
    assert Path(SHIPPED).name == "policy.toml"
