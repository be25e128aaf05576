"""The verbs, seen from Asterisk: which commands they become, and what answers mean."""

import pytest
import structlog

from agi.channel import ALL_KEYS, Channel, Key, Silence
from agi.errors import AppFailed, DeadlineExceeded, Hangup, Refused
from agi.variables import Variable

OK = b"200 result=1\n"
PLAYED = b"200 result=0 endpos=8000\n"
PRESSED_0 = b"200 result=48 endpos=8000\n"
NO_SUCH_SOUND = b"200 result=-1 endpos=0\n"
NOTHING = b"200 result=0\n"
LENGTHS_S = {"siaga/welcome": 4.2, "siaga/press": 2.0}


@pytest.fixture
def channel(talk):
    def start(*replies, **how):
        call = talk(*replies, **how)
        made = Channel(call.session, length_s=LENGTHS_S.get)
        made.talk = call
        return made

    return start


def held(seconds):
    return f'SET VARIABLE "TIMEOUT(absolute)" "{seconds}"'


def test_the_request_is_read_once(channel):
    header = b"agi_network: yes\nagi_network_script: seat?do=pause&code=20&do=out\n"
    header += b"agi_uniqueid: s-1\n\n"
    call = channel(header=header)
    assert (call.request.script, call.call_id) == ("seat", "s-1")
    assert call.request.query == {"do": "pause", "code": "20"}
    assert "agi_uniqueid" not in repr(call.request)


def test_the_callers_facts_are_read_and_written(channel):
    call = channel(b"200 result=1 (telkom)\n", NOTHING, OK)
    assert call.get(Variable.TRUNK) == "telkom"
    assert call.get("NOT_SET") == ""
    call.set(Variable.LANE, 'a "b"')
    assert call.talk.words == [
        'GET VARIABLE "SIAGA_TRUNK"',
        'GET VARIABLE "NOT_SET"',
        'SET VARIABLE "SIAGA_LANE" "a \\"b\\""',
    ]


def test_each_step_first_renews_the_dead_mans_handle(channel):
    call = channel(*[OK, NOTHING], *[OK, PLAYED] * 3, *[OK, NOTHING], *[OK, OK])
    call.answer()
    assert call.ask(["siaga/welcome", "siaga/press", "siaga/new"], keys="0", wait_s=5) == Silence()
    call.execute("NoOp", within_s=7)
    keys = f'"{ALL_KEYS}"'
    assert call.talk.words == [
        *[held(3), "ANSWER"],
        *[held(8), f"STREAM FILE siaga/welcome {keys} 0"],
        *[held(5), f"STREAM FILE siaga/press {keys} 0"],
        *[held(13), f"STREAM FILE siaga/new {keys} 0"],
        *[held(8), "WAIT FOR DIGIT 5000"],
        *[held(10), 'EXEC NoOp ""'],
    ]


def test_a_key_during_the_prompt_ends_it(channel):
    call = channel(OK, PRESSED_0)
    pressed = call.ask(["siaga/welcome", "siaga/press"], keys="0", wait_s=5)
    assert isinstance(pressed, Key)
    assert pressed.digit == "0"
    assert 0 <= pressed.after_ms < 5000


def test_a_key_after_the_prompt_is_a_key_too(channel):
    call = channel(OK, PLAYED, OK, b"200 result=35\n")
    assert call.ask(["siaga/press"], keys="0", wait_s=5).digit == "#"


@pytest.mark.parametrize("digit", ALL_KEYS)
def test_every_key_of_a_telephone_is_heard_right_or_wrong(channel, digit):
    call = channel(OK, f"200 result={ord(digit)} endpos=0\n".encode())
    assert call.ask(["siaga/press"], keys="0", wait_s=1).digit == digit


def test_a_question_about_no_key_of_a_telephone_is_refused(channel):
    call = channel()
    with pytest.raises(Refused):
        call.ask([], keys="x", wait_s=1)


def test_say_without_keys_is_not_interrupted(channel):
    call = channel(OK, PLAYED)
    assert call.say(["siaga/press"]) is None
    assert call.talk.words[1] == 'STREAM FILE siaga/press "" 0'


def test_a_missing_sound_is_logged_and_the_caller_goes_on(channel):
    with structlog.testing.capture_logs() as log:
        call = channel(OK, NO_SUCH_SOUND, OK, PRESSED_0)
        assert call.say(["siaga/welcome", "siaga/press"], keys="0") == "0"
    assert [(line["sound"], line["call_id"]) for line in log] == [("siaga/welcome", "siaga-1.1")]


def test_a_caller_who_hangs_up_in_a_prompt_ends_the_conversation(channel):
    call = channel(OK, NO_SUCH_SOUND + b"HANGUP\n")
    with pytest.raises(Hangup):
        call.say(["siaga/welcome", "siaga/press"])


def test_a_wait_that_cannot_be_is_silence(channel):
    call = channel(OK, b"200 result=-1\n")
    assert call.ask([], keys="0", wait_s=1) == Silence()


def test_a_step_may_take_its_length_and_no_more(channel, monkeypatch):
    monkeypatch.setattr("agi.channel._PATIENCE_S", 0.0)
    monkeypatch.setattr("agi.channel.MARGIN_S", 0.1)
    call = channel(OK, b"")
    monkeypatch.setitem(LENGTHS_S, "siaga/press", 0.2)
    with pytest.raises(DeadlineExceeded):
        call.say(["siaga/press"])


@pytest.mark.parametrize(
    ("keys", "pin"),
    [("1234 ", "1234"), ("12#", "12"), ("#", ""), ("1234567", "123456"), (" ", "")],
)
def test_a_pin_ends_by_hash_by_length_or_by_silence(channel, keys, pin):
    codes = [b"200 result=%d\n" % (0 if key == " " else ord(key)) for key in keys]
    replies = [OK, PLAYED] + [part for code in codes for part in (OK, code)]
    call = channel(*replies)
    with structlog.testing.capture_logs() as log:
        assert call.collect(["siaga/press"], max_digits=6, wait_s=3) == pin
    assert log == []


def test_the_route_is_set_last(channel):
    call = channel(OK, OK, OK, OK)
    call.connect("press_0", 10, "queue,s,1")
    assert call.talk.words == [
        held(3),
        'SET VARIABLE "SIAGA_LANE" "press_0"',
        'SET VARIABLE "SIAGA_PRIORITY" "10"',
        'SET VARIABLE "SIAGA_ROUTE" "queue,s,1"',
    ]


def test_a_refused_lane_leaves_the_pessimistic_route(channel):
    call = channel(OK, OK)
    with pytest.raises(Refused):
        call.connect("press\n0", 10, "queue,s,1")
    assert call.talk.words == [held(3)]


def test_an_application_that_does_not_exist_is_said_so(channel):
    call = channel(OK, b"200 result=-2\n")
    with pytest.raises(AppFailed, match="Frobnicate"):
        call.execute("Frobnicate")


def test_a_comma_in_an_argument_is_refused(channel):
    call = channel()
    with pytest.raises(Refused):
        call.execute("Queue", "siaga,tc")


@pytest.mark.parametrize("answer", [b"HANGUP\n", b"200 result=-1\nHANGUP\n", b"200 result=-1\n"])
def test_hanging_up_is_done_when_the_call_is_gone(channel, answer):
    call = channel(OK, answer)
    call.hang_up(17)
    assert call.talk.words == [held(3), 'EXEC Hangup "17"']


def test_a_message_for_asterisks_console_is_made_printable(channel):
    call = channel(OK)
    call.verbose("one\ntwo")
    assert call.talk.words == ['VERBOSE "one two" 1']


def test_every_variable_is_spelled_once_and_ours():
    assert len({*Variable}) == len(Variable.__members__)
    assert all(variable.value == f"SIAGA_{variable.name}" for variable in Variable)
