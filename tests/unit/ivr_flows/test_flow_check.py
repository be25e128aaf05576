from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from ivr_flows.flow import FlowError, Limits, check, load

GOOD = """\
kind = "emergency"
title.id = "Uji"
language = "id"
start = "salam"

[step.salam]
# the greeting
ask = [
  "salam",
  "salam@en",
]
wait_s = 3
key.0 = "petugas"
key.other = "petugas"
voice = "petugas"
silence = "diam"
failure = "petugas"

[step.petugas]
connect = "policy"

[step.diam]
connect = "silence"
"""

LOOP = """
[step.putar]
ask = ["salam"]
wait_s = 1
key.0 = "petugas"
key.other = "putar2"
voice = "petugas"
silence = "petugas"
failure = "petugas"

[step.putar2]
say = ["salam"]
goto = "putar"
"""


@pytest.fixture
def problems(tmp_path, some_prompts):
    def found(text, **prompts):
        file = tmp_path / "112.toml"
        file.write_text(text, encoding="utf-8")
        told = check(file, some_prompts(**prompts), Limits())
        return [(problem.line, problem.reason) for problem in told]

    return found


def test_a_good_flow_passes(problems):
    assert problems(GOOD) == []


def test_the_shipped_flows_pass(shipped):
    assert shipped("112").kind == "emergency"
    assert shipped("test").kind == "test"


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("voice =", "voise =", 15, "unknown word `voise`"),
        ('kind = "emergency"', 'kind = "urgent"', 1, '`kind` is "urgent"'),
        ('language = "id"', 'language = "jv"', 3, '`language` is "jv"'),
        ('start = "salam"', 'start = "halo"', 4, 'there is no step "halo"'),
        ('start = "salam"', 'starts = "salam"', 4, "unknown word `starts`"),
        ('silence = "diam"\n', "", 6, "`silence` is not named"),
        ('voice = "petugas"\n', "", 6, "`voice` is not named"),
        ('failure = "petugas"\n', "", 6, "`failure` is not named"),
        ('key.other = "petugas"\n', "", 13, "`key.other` is not named"),
        ('key.0 = "petugas"', 'key.x = "petugas"', 13, '"x" is no key'),
        ('key.0 = "petugas"', 'key.0 = "petugass"', 13, 'there is no step "petugass"'),
        ("wait_s = 3", "wait_s = 0", 12, "wait_s cannot be understood"),
        ("wait_s = 3", "wait_s = true", 12, "wait_s cannot be understood"),
        ("wait_s = 3", 'wait_s = "3"', 12, "wait_s cannot be understood"),
        ("wait_s = 3\n", "", 6, "wait_s cannot be understood"),
        ("wait_s = 3", "wait_s = 3\nbarge_in = 1", 13, "barge_in cannot be understood"),
        (
            "wait_s = 3",
            "wait_s = 3\nbarge_in = false",
            13,
            "a key pressed during the prompt would be lost",
        ),
        ('connect = "silence"', 'connect = "vip"', 23, '`connect` is "vip"'),
        ('connect = "silence"', 'connect = "silence"\nlane = "x"', 24, "unknown word `lane`"),
        ('connect = "silence"', "", 22, 'step "diam" does nothing'),
        (
            'connect = "silence"',
            'connect = "silence"\nhang_up = "x"',
            22,
            'step "diam" does connect and hang_up',
        ),
        (
            'connect = "silence"',
            'hang_up = "selesai"',
            23,
            "a caller who wants help could be dropped here",
        ),
        ('connect = "silence"', 'goto = "diam"', 23, "goto leads to itself"),
        (
            'silence = "diam"',
            'silence = "petugas"',
            22,
            'step "diam" is dead: no way leads to it',
        ),
        (
            "wait_s = 3",
            "wait_s = 29",
            19,
            "33.0 s from answer to a human on the way salam → petugas",
        ),
        ("title.id", "titel.id", 2, "unknown word `titel`"),
        ("# the greeting", "ask = ask", 7, "Invalid value"),
        ("# the greeting", "wait_s = 3", 12, "Cannot overwrite a value"),
        (
            '[step.diam]\nconnect = "silence"',
            "[step.diam",
            22,
            "Expected ']' at the end of a table declaration",
        ),
    ],
)
def test_a_flow_is_refused_with_line_and_reason(before, after, line, reason, problems):
    assert GOOD.count(before) >= 1
    assert (line, reason) in problems(GOOD.replace(before, after, 1))


def test_a_missing_prompt_is_named_with_its_own_line(problems):
    found = problems(GOOD, missing={("salam", "en")})
    assert found == [
        (9, 'prompt "salam" does not exist'),
        (10, 'prompt "salam@en" does not exist'),
    ]


def test_a_loop_without_an_exit_is_named_step_by_step(problems):
    found = problems(GOOD.replace('silence = "diam"', 'silence = "putar"') + LOOP)
    assert (25, "loop without an exit to a human: putar → putar2 → putar") in found


def test_a_loop_through_the_start_is_found(problems):
    found = problems(GOOD.replace('silence = "diam"', 'silence = "salam"'))
    assert (6, "loop without an exit to a human: salam → salam") in found


@pytest.mark.parametrize(("at_most", "line_count"), [(1, 0), (9, 1)])
def test_a_bounded_loop_is_counted_by_its_bound(at_most, line_count, problems):
    bounded = LOOP.replace(
        'goto = "putar"',
        f'goto = "lagi"\n[step.lagi]\ngoto = "putar"\nat_most = {at_most}\nthen = "diam"',
    )
    found = problems(GOOD.replace('silence = "diam"', 'silence = "putar"') + bounded)
    late = [reason for _, reason in found if "from answer to a human" in reason]
    assert len(late) == 2 * line_count  # to both humans: petugas and diam
    assert [reason for _, reason in found if "loop" in reason] == []


def test_the_longest_way_is_added_up_exactly(tmp_path, some_prompts):
    file = tmp_path / "112.toml"
    bounded = LOOP.replace(
        'goto = "putar"', 'goto = "lagi"\n[step.lagi]\ngoto = "putar"\nat_most = 2\nthen = "diam"'
    )
    file.write_text(GOOD.replace('silence = "diam"', 'silence = "putar"') + bounded, "utf-8")
    # greeting 2 + 2 + 3, then three rounds of 2 + 1 (ask) and 2 (say)
    longest_s = 7 + 3 * 5
    assert check(file, some_prompts(), Limits(answer_within_s=longest_s)) == ()
    late = check(file, some_prompts(), Limits(answer_within_s=longest_s - 0.1))
    assert [problem.reason.split(" s ")[0] for problem in late] == ["22.0"]


def test_a_language_step_counts_the_longer_words(tmp_path, some_prompts):
    class Slow(some_prompts):
        def length_s(self, name, language):
            return 20.0 if language == "en" else 2.0

    file = tmp_path / "112.toml"
    english = '\n[step.inggris]\nlanguage = "en"\ngoto = "kata"\n[step.kata]\nsay = ["salam"]\n'
    text = GOOD.replace('  "salam@en",\n', "").replace('silence = "diam"', 'silence = "inggris"')
    file.write_text(text + english + 'goto = "diam"\n', encoding="utf-8")
    (late,) = check(file, Slow(), Limits(answer_within_s=24.9))
    assert late.reason == "25.0 s from answer to a human on the way salam → inggris → kata → diam"


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems):
    text = GOOD.replace("voice =", "voise =").replace('connect = "silence"', 'hang_up = "x"')
    text = text.replace("wait_s = 3", "wait_s = 31")
    assert [line for line, _ in problems(text)] == [6, 12, 15, 23]


def test_on_a_test_line_failure_and_voice_may_not_end_in_hanging_up(problems):
    text = GOOD.replace('kind = "emergency"', 'kind = "test"').replace(
        'connect = "silence"', 'hang_up = "selesai"'
    )
    assert problems(text) == []
    assert (17, "`failure` can end in hanging up") in problems(
        text.replace('failure = "petugas"', 'failure = "diam"')
    )
    assert (15, "`voice` can end in hanging up") in problems(
        text.replace('voice = "petugas"', 'voice = "diam"')
    )


HOURS = """
[step.jam]
hours.open = ["mon-fri 08:00-16:00", "{window}"]
hours.inside = "petugas"
hours.outside = "diam"
hours.holiday = "diam"
"""


@pytest.mark.parametrize(
    ("window", "is_good"),
    [
        ("sat 08:00-12:00", True),
        ("sat 20:00-06:00", True),
        ("sun-tue 00:00-24:00", True),
        ("sat 8:00-12:00", False),
        ("sab 08:00-12:00", False),
        ("sat 08:00-25:00", False),
        ("sat 08:00-24:30", False),
        ("", False),
    ],
)
def test_hours_are_understood_or_refused(window, is_good, problems):
    text = GOOD.replace('silence = "diam"', 'silence = "jam"') + HOURS.format(window=window)
    refused = [] if is_good else [(26, f'"{window}" cannot be understood')]
    assert problems(text) == refused


def test_hours_name_all_their_ends(problems):
    text = GOOD.replace('silence = "diam"', 'silence = "jam"')
    hours = HOURS.format(window="sat 08:00-12:00").replace('hours.holiday = "diam"\n', "")
    assert problems(text + hours) == [(26, "`holiday` is not named")]


def test_holidays_are_days(problems):
    assert problems("holidays = [2026-08-17]\n" + GOOD) == []
    assert problems('holidays = [\n2026-08-17,\n"17 Agustus"]\n' + GOOD)[0][0] == 3


@pytest.mark.parametrize("at_most", ["0", "10", "1.5", "-1", '"2"', "true"])
def test_rounds_are_small_whole_numbers(at_most, problems):
    text = GOOD.replace(
        'connect = "silence"', f'goto = "salam"\nat_most = {at_most}\nthen="petugas"'
    )
    assert any(line == 24 and "at_most" in reason for line, reason in problems(text))


def test_a_problem_reads_as_editors_expect(tmp_path, some_prompts):
    file = tmp_path / "112.toml"
    file.write_text(GOOD.replace("silence =", "silense ="), encoding="utf-8")
    with pytest.raises(FlowError) as refused:
        load(file, some_prompts(), Limits())
    assert f"{file}:16: unknown word `silense`: did you mean `silence`?" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "line"), [(b"", 1), (b'kind = "\xff"', 1), (b"# x\n\n\xff", 3), (b"[step", 1)]
)
def test_a_file_that_is_no_flow_is_refused_not_crashed_on(content, line, tmp_path, some_prompts):
    file = tmp_path / "112.toml"
    file.write_bytes(content)
    assert check(file, some_prompts(), Limits())[0].line == line


def test_a_missing_file_is_a_problem_like_others(tmp_path, some_prompts):
    (problem,) = check(tmp_path / "113.toml", some_prompts(), Limits())
    assert "cannot be read" in problem.reason


def test_a_maze_is_refused_in_good_time(problems):
    count = 7
    steps = [
        f'[step.g{n}]\ngoto = "s{n}"\nat_most = 9\nthen = "s{(n + 1) % count}"\n'
        f'[step.s{n}]\nask = ["p"]\nwait_s = 1\nkey.0 = "g{(n + 1) % count}"\n'
        f'key.other = "g{(n + 2) % count}"\nvoice = "petugas"\nsilence = "g{n}"\n'
        'failure = "petugas"\n'
        for n in range(count)
    ]
    text = GOOD.replace('silence = "diam"', 'silence = "g0"') + "".join(steps)
    assert any("ways" in reason or "loop" in reason for _, reason in problems(text))


def test_the_zone_of_the_centre_is_kept(tmp_path, some_prompts):
    file = tmp_path / "112.toml"
    text = GOOD.replace('silence = "diam"', 'silence = "jam"')
    file.write_text(text + HOURS.format(window="sat 08:00-12:00"), encoding="utf-8")
    zone = ZoneInfo("Asia/Jayapura")
    assert load(file, some_prompts(), Limits(zone=zone)).steps["jam"].zone is zone
