"""A dialplan that would leave a caller standing is never written."""

import pytest

from asterisk_conf.roads import problems_in_texts, read

GOOD = """
[general]
static = yes
[globals]
X = 1
[from-trunk-a]
exten => 112,1,Set(A=b)
 same => n,Goto(room,s,1)
[room]
exten => s,1,GotoIf($["${FILTER(0-9,${A})}" = "1"]?yes:no)
 same => n(yes),ExecIf($["${A}" = ""]?Playback(x))   ; a remark (with brackets)
 same => n(no),Hangup(16)
"""
PJSIP = "[t]\ntype = endpoint\ncontext = from-trunk-a\n"


def problems(extensions, pjsip=PJSIP):
    return problems_in_texts({"extensions.conf": extensions, "pjsip.conf": pjsip})


def with_line(line):
    return GOOD.replace(
        " same => n,Goto(room,s,1)", f" same => n,{line}\n same => n,Goto(room,s,1)"
    )


def test_a_dialplan_whose_roads_all_lead_somewhere_is_passed():
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("System(id)", "System"),
        ("TrySystem(id)", "TrySystem"),
        ("Originate(PJSIP/1,app,x)", "Originate"),
        ("ExecIf($[1]?System(id))", "System"),
        ("ExecIf($[1]?NoOp():System(id))", "System"),
        ("Quueue(112)", "Quueue"),
    ],
)
def test_an_application_that_is_not_loaded_is_refused_with_its_line(line, word):
    (problem, *_) = problems(with_line(line))
    assert problem.startswith("extensions.conf:8: ")
    assert any(f"application {word} is not loaded" in one for one in problems(with_line(line)))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("Set(A=${SHELL(id)})", "SHELL"),
        ("Set(A=${IF($[1]?${CURL(x)}:b)})", "CURL"),
        ("Set(SHARED(a)=b)", "SHARED"),
        ("Set(__ENV(PATH)=b)", "ENV"),
    ],
)
def test_a_function_that_is_not_loaded_is_refused(line, word):
    (problem,) = problems(with_line(line))
    assert f"function {word} is not loaded" in problem


@pytest.mark.parametrize(
    "line",
    [
        "Goto(nowhere-at-all,s,1)",
        "Goto(room,x,1)",
        "Goto(room,s,label)",
        "Goto(999,1)",
        "Goto(label)",
        "GotoIf($[1]?room,s,1:gone,s,1)",
        'GotoIf($["${A}" = "?"]?gone,s,1)',
        "Gosub(gone,s,1(start))",
        "Set(CHANNEL(hangup_handler_push)=gone,s,1)",
        "Set(SIAGA_ROUTE=gone,s,1)",
        "Dial(PJSIP/1,5,b(gone^s^1))",
        "Dial(PJSIP/1,5,U(gone^s^1))",
        "Queue(112,cib(gone^s^1),,,40,,)",
        "Queue(112,c,,,40,,gone)",
    ],
)
def test_a_road_that_leads_nowhere_is_refused(line):
    found = problems(with_line(line))
    assert any("no such place" in one or "no label" in one for one in found), found


def test_a_phone_or_trunk_that_would_enter_nowhere_is_refused():
    found = problems(GOOD, PJSIP + "[u]\ncontext = gone\nset_var = TRANSFER_CONTEXT=lost\n")
    assert found == [
        "pjsip.conf:5: context gone is not in extensions.conf",
        "pjsip.conf:6: context lost is not in extensions.conf",
    ]


def test_a_context_that_nobody_enters_is_refused():
    lonely = GOOD + "[lonely]\nexten => s,1,Hangup(16)\n"
    assert problems(lonely) == ["extensions.conf: nobody enters [lonely]"]


def test_a_pattern_is_refused_because_it_would_match_what_a_caller_injects():
    (problem, *_) = problems(GOOD.replace("exten => 112", "exten => _X."))
    assert "pattern" in problem


def test_an_extension_written_twice_is_refused_because_asterisk_would_drop_one():
    twice = GOOD.replace("[room]", "exten => 112,1,Hangup(16)\n[room]")
    assert any("stands twice" in one for one in problems(twice))


def test_a_road_that_just_stops_is_refused_because_asterisk_would_hang_up():
    (problem,) = problems(GOOD.replace("Hangup(16)", "Playback(x)"))
    assert "just stops" in problem


def test_a_line_that_cannot_be_read_is_refused():
    (problem,) = problems(GOOD.replace("Set(A=b)", "Set(A=b", 1))
    assert "cannot be read" in problem


def test_a_remark_is_no_step():
    steps = list(read("[a]\nexten => s,1,NoOp(x) ; Goto(b,s,1)\n; exten => t,1,System(x)\n").steps)
    assert [(step.application, step.arguments) for step in steps] == [("NoOp", "x")]
