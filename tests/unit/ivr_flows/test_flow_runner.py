from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agi.errors import AppFailed, DeadlineExceeded, Hangup, ProtocolError
from call_router.policy import Asked
from ivr_flows import runner
from ivr_flows.flow import Limits, load
from ivr_flows.runner import play

QUIET = None  # a caller who neither presses nor speaks


def connected(channel):
    return channel.verbs("connect")


def test_budi_presses_0_and_reaches_a_call_taker(shipped, a_channel, a_desk):
    channel, desk = a_channel("0"), a_desk()
    play(channel, shipped("112"), desk)
    assert connected(channel) == [("connect", "pressed", 10, "queue,s,1")]
    assert ("decide", Asked("key", "0")) in desk.told
    assert ("note", "key", {"key": "0", "prompt": "salam-112", "after_ms": 1500}) in desk.told


def test_the_call_is_written_down_before_anything_is_heard(shipped, a_channel, a_desk):
    channel, desk = a_channel("0"), a_desk()
    order = []
    desk_tell, channel_do = desk._tell, channel._do
    desk._tell = lambda *what: (order.append(what[0]), desk_tell(*what))
    channel._do = lambda *what: (order.append(what[0]), channel_do(*what))
    play(channel, shipped("112"), desk)
    assert order[0] == "receive"
    assert order.index("hand_over") < order.index("connect")


def test_the_desk_is_told_all_the_dialplan_knows(shipped, a_channel, a_desk):
    desk = a_desk()
    play(a_channel("0"), shipped("112"), desk)
    ring = desk.told[0][1]
    assert (ring.call_id, ring.flow, ring.trunk, ring.dialled) == (
        "siaga-1.1",
        "112",
        "telkom",
        "112",
    )
    assert (ring.num, ring.name, ring.pres) == ("08123456789", "ANI", "allowed_not_screened")
    assert ring.recording == "2026/11/22/siaga-1.1"


@pytest.mark.parametrize("key", ["1", "9", "*", "#", "A"])
def test_any_key_reaches_a_call_taker(key, shipped, a_channel, a_desk):
    channel, desk = a_channel(key), a_desk("open")
    play(channel, shipped("112"), desk)
    assert connected(channel) == [("connect", "open", 10, "queue,s,1")]
    assert ("decide", Asked("other_key", key)) in desk.told


def test_alice_says_nothing_and_still_reaches_a_call_taker(shipped, a_channel, a_desk):
    channel, desk = a_channel(QUIET, QUIET), a_desk("open")
    play(channel, shipped("112"), desk)
    assert connected(channel) == [("connect", "silence", 10, "queue,s,1")]
    asked = channel.verbs("ask")
    assert asked[1] == ("ask", "siaga/tekan-apa-saja", "en/siaga/tekan-apa-saja", 3.0)
    decision = next(told[1] for told in desk.told if told[0] == "hand_over")
    assert decision.rule == "flow:112.diam"
    assert "sebab" in decision.why


def test_alice_presses_after_the_second_prompt(shipped, a_channel, a_desk):
    channel, desk = a_channel(QUIET, "0"), a_desk()
    play(channel, shipped("112"), desk)
    assert connected(channel) == [("connect", "pressed", 10, "queue,s,1")]
    notes = [told[1] for told in desk.told if told[0] == "note"]
    assert notes == ["menu", "silence", "key"]


def test_a_hang_up_is_a_normal_end_and_nobody_is_connected(shipped, a_channel, a_desk):
    channel, desk = a_channel(Hangup("gone")), a_desk()
    with pytest.raises(Hangup):
        play(channel, shipped("112"), desk)
    assert not connected(channel)
    assert not [told for told in desk.told if told[0] == "hand_over"]


def test_a_question_that_cannot_be_asked_leads_to_a_call_taker(shipped, a_channel, a_desk):
    channel, desk = a_channel(AppFailed("no such sound")), a_desk("open")
    play(channel, shipped("112"), desk)
    assert connected(channel) == [("connect", "open", 10, "queue,s,1")]
    assert ("decide", Asked("failure", None)) in desk.told


@pytest.mark.parametrize("breaks", ["receive", "decide", "hand_over"])
def test_whatever_fails_at_the_desk_the_caller_reaches_the_queue(
    breaks, shipped, a_channel, a_desk
):
    channel = a_channel("0")
    play(channel, shipped("112"), a_desk(breaks={breaks}))
    assert connected(channel) == [("connect", "open", 10, "queue,s,1")]


def test_notes_that_cannot_be_written_change_nothing_for_the_caller(shipped, a_channel, a_desk):
    channel = a_channel("0")
    play(channel, shipped("112"), a_desk(breaks={"note"}))
    assert connected(channel) == [("connect", "pressed", 10, "queue,s,1")]


def test_a_fault_of_ours_is_written_as_the_reason(shipped, a_channel, a_desk):
    channel, desk = a_channel(ZeroDivisionError()), a_desk()
    play(channel, shipped("112"), desk)
    decision = next(told[1] for told in desk.told if told[0] == "hand_over")
    assert (decision.lane, decision.rule) == ("open", "flow-failed")
    assert "salam" in decision.why
    assert "ZeroDivisionError" in decision.why_en
    assert connected(channel) == [("connect", "open", 10, "queue,s,1")]


@pytest.mark.parametrize("broken", [DeadlineExceeded("slow"), ProtocolError("garbage")])
def test_when_asterisk_cannot_be_told_the_server_hears_of_it(broken, shipped, a_channel, a_desk):
    channel = a_channel(broken)
    channel.breaks = {"connect": broken}
    with pytest.raises(type(broken)):
        play(channel, shipped("112"), a_desk())


def test_a_flow_without_end_still_ends_with_a_call_taker(
    monkeypatch, large_flow, a_channel, a_desk
):
    monkeypatch.setattr(runner, "MOST_STEPS", 3)
    channel = a_channel("9", "9", "9", "9")
    play(channel, large_flow, a_desk())
    assert connected(channel) == [("connect", "open", 10, "queue,s,1")]


def test_the_test_line_ends_under_its_own_name(shipped, a_channel, a_desk):
    channel, desk = a_channel("5"), a_desk()
    play(channel, shipped("test"), desk)
    assert ("end", "test-ended") in desk.told
    assert channel.routed == "ended,s,1"
    assert ("say", "siaga/uji-selesai") in channel.did


def test_a_caller_on_the_test_line_who_presses_0_reaches_a_call_taker(shipped, a_channel, a_desk):
    channel = a_channel("0")
    play(channel, shipped("test"), a_desk())
    assert connected(channel) == [("connect", "pressed", 10, "queue,s,1")]


def test_john_chooses_english_and_keeps_it_in_the_queue(large_flow, a_channel, a_desk):
    channel, desk = a_channel("2", "0"), a_desk()
    play(channel, large_flow, desk)
    languages = [did for did in channel.did if did[:2] == ("set", "CHANNEL(language)")]
    assert [language for _, _, language in languages] == ["id", "en"]
    assert ("set", "SIAGA_LANGUAGE", "en") in channel.did
    assert ("note", "language", {"language": "en"}) in desk.told


def test_a_repeat_is_granted_as_often_as_the_flow_says(large_flow, a_channel, a_desk):
    channel = a_channel("1", "9", "9")
    play(channel, large_flow, a_desk())
    asked = [did for did in channel.verbs("ask") if did[1] == "siaga/menu"]
    assert len(asked) == 2
    assert connected(channel)


@pytest.mark.parametrize(
    ("when", "heard"),
    [
        (datetime(2026, 11, 23, 2, 0, tzinfo=UTC), ()),  # Monday 09:00 WIB: open
        (datetime(2026, 11, 23, 9, 0, tzinfo=UTC), ("siaga/tutup",)),  # 16:00: just closed
        (datetime(2026, 8, 17, 2, 0, tzinfo=UTC), ("siaga/tutup",)),  # Independence Day
        (datetime(2026, 11, 28, 18, 0, tzinfo=UTC), ()),  # Sunday 01:00 of Saturday's night
    ],
)
def test_hours_go_by_the_centres_own_clock(when, heard, large_flow, a_channel, a_desk):
    channel = a_channel("1", "5")
    play(channel, large_flow, a_desk("open"), clock=lambda: when)
    assert tuple(sound for did in channel.verbs("say") for sound in did[1:]) == heard


def test_without_barge_in_the_prompt_is_heard_to_its_end(
    tmp_path, some_prompts, a_channel, a_desk
):
    file = tmp_path / "uji.toml"
    file.write_text(
        'kind="test"\ntitle.id="x"\nlanguage="id"\nstart="a"\n[step.a]\nask=["p"]\nwait_s=1\n'
        'barge_in=false\nkey.0="b"\nkey.other="b"\nvoice="b"\nsilence="b"\nfailure="b"\n'
        '[step.b]\nconnect="policy"\n',
        encoding="utf-8",
    )
    channel = a_channel("0")
    play(channel, load(file, some_prompts(), Limits()), a_desk())
    assert channel.verbs("say", "ask") == [("say", "siaga/p"), ("ask", 1.0)]
