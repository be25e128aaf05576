from __future__ import annotations

import io
import os
import pty

import pytest

from call_router.policy import load_rules
from ivr_flows.rehearsal import rehearse


@pytest.fixture
def tried(shipped, some_prompts, house):
    def through(flow, typed, **prompts):
        rules = load_rules(house / "call_router" / "policy.toml")
        screen = io.StringIO()
        keyboard = io.StringIO(typed) if isinstance(typed, str) else typed
        words = some_prompts(**prompts)
        route = rehearse(shipped(flow), words, rules, keyboard=keyboard, screen=screen)
        return route, screen.getvalue()

    return through


def test_a_key_is_shown_with_what_becomes_of_the_caller(tried):
    route, shown = tried("112", "0\n")
    assert route == "queue,s,1"
    assert "[id] Kata-kata salam-112" in shown
    assert "lane=pressed" in shown


def test_enter_alone_is_silence_and_leads_to_the_silent_lane(tried):
    route, shown = tried("112", "\n\n")
    assert route == "queue,s,1"
    assert "[en] Words of tekan-apa-saja" in shown
    assert "lane=silence" in shown


def test_typed_words_are_not_heard_yet(tried):
    _, shown = tried("112", "tolong\n0\n")
    assert "Voice is not heard yet" in shown
    assert "lane=pressed" in shown


def test_the_end_of_input_hangs_up(tried):
    assert tried("112", "")[0] == ""
    assert "hung up" in tried("112", "\n")[1]


def test_the_test_line_ends_by_name(tried):
    route, shown = tried("test", "3\n")
    assert route == "ended,s,1"
    assert "test-ended" in shown


def test_in_a_terminal_a_key_interrupts_the_prompt(tried):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as keyboard:
        os.write(ours, b"0\n")
        route, shown = tried("112", keyboard, length_s=30.0)
    os.close(ours)
    assert route == "queue,s,1"
    assert "after_ms=" in shown
