"""One whole call from a transcript, and the same call cut at every line."""

import threading
from pathlib import Path

import pytest
import structlog
from scripted_asterisk import Transcript, play, replays, until

from agi.channel import Key
from agi.server import Server, Settings, listen
from agi.variables import Variable

TRANSCRIPT = Transcript.read(Path(__file__).parent / "transcripts" / "transport.agi")
REPLAYS = list(replays(TRANSCRIPT))


def transport(channel):
    assert channel.request.query == {"language": "id"}
    channel.answer()
    trunk = channel.get(Variable.TRUNK)
    asked = channel.ask(["siaga/welcome"], keys="0", wait_s=5)
    assert isinstance(asked, Key)
    assert asked.digit == "0"
    channel.connect(trunk, 10, "queue,s,1")


@pytest.fixture
def log():
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def address(log):
    listener = listen("127.0.0.1", 0)
    settings = Settings(length_s=lambda _: 4.0)
    with Server([listener], {"transport": transport}, settings) as server:
        yield listener.getsockname()
        until(lambda: server.active == 0, "every conversation ended")


def test_budi_presses_0_and_is_handed_to_the_queue(address, log):
    play(address, TRANSCRIPT)
    until(lambda: log, "the conversation is in the log")
    (line,) = log
    assert line["event"] == "conversation"
    assert line["call_id"] == "siaga-1.7"
    assert (line["script"], line["ended"]) == ("transport", "finished")
    assert isinstance(line["ms"], int)


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay.name)
def test_a_call_cut_anywhere_ends_once_in_the_log(replay, address, log):
    play(address, replay)
    until(lambda: log, "the conversation is in the log")
    (line,) = log
    whole = replay is REPLAYS[0] or replay.lines[-2:-1] == TRANSCRIPT.lines[-1:]
    assert line["ended"] in (
        {"finished", "hung up"} if whole else {"hung up", "left before the header"}
    )


def test_there_is_a_replay_for_every_line_and_way_of_ending():
    assert len(REPLAYS) == 2 + 2 * (len(TRANSCRIPT.lines) + 1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("ANSWER", "ANSWER now"), "expected the command\n  ANSWER now"),
        (("siaga/", "other/"), "expected a command like"),
        (('< 200 result=1\n> SET VARIABLE "SIAGA_PRIORITY"', '> SET VARIABLE "SIAGA_LANE"'), ""),
    ],
)
def test_the_scripted_asterisk_fails_a_wrong_conversation_in_our_own_thread(
    address, change, complaint
):
    text = (Path(__file__).parent / "transcripts" / "transport.agi").read_text()
    changed = Transcript.parse(text.replace(*change), "changed.agi")
    assert changed != TRANSCRIPT
    with pytest.raises(AssertionError, match=r"changed\.agi, line") as failed:
        play(address, changed)
    assert complaint in str(failed.value)


def test_the_scripted_asterisk_wants_no_word_too_many(address):
    short = Transcript("short", TRANSCRIPT.header, TRANSCRIPT.lines[:-2])
    with pytest.raises(AssertionError, match="and the end"):
        play(address, short)


@pytest.mark.parametrize("bad", ["hello", "! explode", "> A\nagi_late: 1"])
def test_a_transcript_with_an_unknown_line_is_no_transcript(bad):
    with pytest.raises(ValueError, match="not a line of a transcript"):
        Transcript.parse(bad)


def test_two_callers_at_once_do_not_wait_for_each_other(address):
    callers = [threading.Thread(target=play, args=(address, TRANSCRIPT)) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert not any(caller.is_alive() for caller in callers)
