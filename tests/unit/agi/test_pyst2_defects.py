"""Each fault that was found in pyst2 0.5.1's AGI, one test a fault, numbered."""

import contextlib
import signal
import socket
import threading
import time

import pytest
from asterisk.agi import AGI

from agi.errors import (
    AGIAppError,
    AGIDBError,
    AGIHangup,
    AGIInvalidCommand,
    AGIUnknownError,
    AGIUsageError,
    AppFailed,
    DeadChannel,
    DeadlineExceeded,
    Hangup,
    ProtocolError,
    Refused,
    UnknownCommand,
    WrongUsage,
)
from agi.session import Session
from agi.wire import Limits

OK = b"200 result=1\n"
QUICK = Limits(command_s=0.2)


def test_01_the_server_module_imports_on_this_python():
    from agi import server, workers  # noqa: PLC0415 # the import is the test

    assert server.Server
    assert workers.serve


def test_02_commands_reach_the_socket_as_bytes(talk):
    call = talk(b"200 result=0\n")
    call.session.answer()
    assert call.heard == [b"ANSWER\n"]


def test_03_a_session_begins_in_a_thread(talk):
    seen = []

    def run():
        seen.append(talk(OK).session.get_variable("X"))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert seen == [""]


def test_04_an_operators_sighup_stays_the_operators(talk):
    before = signal.getsignal(signal.SIGHUP)
    call = talk(OK, OK)
    call.session.set_variable("A", "1")
    assert signal.getsignal(signal.SIGHUP) is before


def test_05_the_line_hangup_is_a_hangup(talk):
    call = talk(b"HANGUP\n")
    with pytest.raises(Hangup):
        call.session.get_variable("A")


def test_06_after_a_hangup_no_reply_shifts(talk):
    call = talk(b"HANGUP\n200 result=1 (value-of-A)\n", b"200 result=1 (value-of-B)\n")
    for name in "ABC":
        with pytest.raises(Hangup):
            call.session.get_variable(name)


def test_07_the_end_instead_of_a_reply_is_a_hangup(talk):
    call = talk(None)
    with pytest.raises(Hangup):
        call.session.get_variable("A")


@pytest.mark.parametrize("header", [b"", b"agi_network: yes\nagi_chan", b"agi_network: yes\n"])
def test_07_the_end_within_the_header_is_no_session(header):
    ours, peer = socket.socketpair()
    peer.sendall(header)
    peer.close()
    with ours, pytest.raises(Hangup):
        Session(ours)


def test_08_a_reset_is_a_hangup_and_no_oserror():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    peer.sendall(b"agi_network: yes\n\n")
    session = Session(ours)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(Hangup):
        session.get_variable("A")
    session.close()


def test_09_silence_has_a_deadline(talk):
    call = talk(b"", limits=QUICK)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        call.session.get_variable("A")
    assert 0.15 < time.monotonic() - began < 2


def test_09_dripping_bytes_do_not_move_the_deadline():
    ours, peer = socket.socketpair()
    peer.sendall(b"agi_network: yes\n\n")
    session = Session(ours, Limits(command_s=0.2))
    over = threading.Event()

    def drip():
        with peer:
            while not over.wait(0.02):
                peer.send(b"2")

    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        session.get_variable("A")
    assert time.monotonic() - began < 2
    over.set()
    dripping.join(5)
    session.close()


def test_09_the_whole_conversation_has_a_deadline(talk):
    call = talk(OK, OK, limits=Limits(conversation_s=0.05))
    until_over = threading.Event()
    assert not until_over.wait(0.06)
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            call.session.set_variable("A", "1")
    assert call.heard == []


def test_10_minus_one_and_hangup_is_a_hangup(talk):
    call = talk(b"200 result=-1 endpos=0\nHANGUP\n")
    with pytest.raises(Hangup):
        call.session.stream_file("hello")


def test_10_minus_one_alone_is_a_failure_and_the_caller_goes_on(talk):
    call = talk(b"200 result=-1 endpos=0\n", b"200 result=1 (x)\n")
    with pytest.raises(AppFailed) as failed:
        call.session.stream_file("no-such-sound")
    assert isinstance(failed.value, AGIAppError)
    assert call.session.get_variable("A") == "x"


def test_10_looking_for_failures_never_catches_a_hangup():
    assert not issubclass(Hangup, AppFailed)
    assert issubclass(Hangup, AGIHangup)


def test_11_511_is_a_dead_channel_and_a_hangup(talk):
    call = talk(b"511 Command Not Permitted on a dead channel or intercept routine\n")
    with pytest.raises(DeadChannel) as dead:
        call.session.answer()
    assert isinstance(dead.value, Hangup)


def test_11_510_says_unknown_command_and_the_caller_goes_on(talk):
    call = talk(b"510 Invalid or unknown command\n", OK)
    with pytest.raises(UnknownCommand) as unknown:
        call.session.execute("FROBNICATE")
    assert isinstance(unknown.value, AGIInvalidCommand)
    call.session.set_variable("A", "1")


def test_12_520_in_one_line(talk):
    call = talk(b"520 Invalid command syntax.  Proper usage not available.\n", OK)
    with pytest.raises(WrongUsage) as usage:
        call.session.execute("ANSWER", "what")
    assert isinstance(usage.value, AGIUsageError)
    call.session.set_variable("A", "1")


def test_13_silence_within_a_520_ends_it(talk):
    call = talk(b"520-Invalid command syntax.  Proper usage follows:\nUsage: A\n", limits=QUICK)
    with pytest.raises(DeadlineExceeded):
        call.session.execute("ANSWER", "what")


def test_13_an_endless_520_ends_at_the_size_limit(talk):
    endless = b"520-Invalid command syntax.\n" + b"520 more and more\n" * 8000
    call = talk(endless)
    with pytest.raises(ProtocolError):
        call.session.execute("ANSWER", "what")


def test_14_a_line_of_the_520_text_that_begins_with_520(talk):
    call = talk(
        b"520-Invalid command syntax.  Proper usage follows:\n520 is a number\n"
        b"520 End of proper usage.\n",
        b"200 result=1 (x)\n",
    )
    with pytest.raises(WrongUsage, match="520 is a number"):
        call.session.execute("ANSWER", "what")
    assert call.session.get_variable("A") == "x"


def test_15_a_latin_1_name_in_header_and_value_comes_back_byte_for_byte(talk):
    call = talk(
        b"200 result=1 (Jos\xe9)\n", OK, header=b"agi_network: yes\nagi_calleridname: \xe9\n\n"
    )
    assert call.session.env["agi_calleridname"] == "\udce9"
    call.session.set_variable("B", call.session.get_variable("A"))
    assert call.heard[1] == b'SET VARIABLE "B" "Jos\xe9"\n'


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ('Bob" "Eve', r'"Bob\" \"Eve"'),
        ("C:\\", r'"C:\\"'),
        ("", '""'),
        ("two words", '"two words"'),
        ("${SHELL(id)}", '"${SHELL(id)}"'),
    ],
)
def test_16_quotes_and_backslashes_are_escaped(talk, value, wire):
    call = talk(OK)
    call.session.set_variable("A", value)
    assert call.words == [f'SET VARIABLE "A" {wire}']


@pytest.mark.parametrize("evil", ["a\nEXEC System touch", "a\rb", "a\0b", "a\x1bb", "a\x7fb"])
def test_17_a_control_character_is_refused_and_nothing_is_sent(talk, evil):
    call = talk(OK)
    for command in (
        lambda: call.session.set_variable("A", evil),
        lambda: call.session.set_variable(evil, "x"),
        lambda: call.session.execute(evil),
        lambda: call.session.stream_file(evil),
        lambda: call.session.exec_command("NoOp", evil),
    ):
        with pytest.raises(Refused):
            command()
    call.session.set_variable("A", "x")
    assert call.words == ['SET VARIABLE "A" "x"']


def test_17_half_a_character_is_refused(talk):
    call = talk(OK)
    with pytest.raises(Refused):
        call.session.set_variable("A", "\ud800")


@pytest.mark.parametrize(
    "value", ["one\ntwo", "a)\nHANGUP\nb", "a)\n200 result=1 (b", "<presence>\r\n</presence>\r\n"]
)
def test_18_a_value_of_several_lines_is_whole_and_shifts_nothing(talk, value):
    call = talk(f"200 result=1 ({value})\n".encode(), b"200 result=1 (B)\n")
    assert call.session.get_variable("A") == value
    assert call.session.get_variable("B") == "B"


def test_19_get_data_says_that_the_time_ran_out(talk):
    call = talk(b"200 result=1 (timeout)\n", b"200 result=1\n", b"200 result= (timeout)\n")
    first, second, third = (call.session.get_data("pin") for _ in range(3))
    assert (first, first.timed_out) == ("1", True)
    assert (second, second.timed_out) == ("1", False)
    assert (third, third.timed_out) == ("", True)


def test_20_every_argument_that_needs_quotes_gets_them(talk):
    call = talk(*[b"200 result=0\n"] * 5)
    session = call.session
    session.stream_file("my file", "12")
    session.get_data("my file", 5000, 4)
    session.set_context("a b")
    session.exec_command("Queue", "my queue", "tc")
    session.execute("SAY DATETIME", 5, session._quote("#"), "", "Asia/Jakarta")
    assert call.words == [
        'STREAM FILE "my file" "12" 0',
        'GET DATA "my file" 5000 4',
        'SET CONTEXT "a b"',
        'EXEC Queue "my queue,tc"',
        'SAY DATETIME 5 "#" "" Asia/Jakarta',
    ]


def test_21_none_bytes_and_numbers_can_be_quoted(talk):
    call = talk(OK, OK, OK)
    for value in (None, b"\xe9", 2.5):
        call.session.set_variable("A", value)
    assert call.heard == [
        b'SET VARIABLE "A" ""\n',
        b'SET VARIABLE "A" "\xe9"\n',
        b'SET VARIABLE "A" "2.5"\n',
    ]


def test_22_database_keys_are_quoted_once_and_a_value_may_be_hangup(talk):
    call = talk(b"200 result=1 (hangup)\n", b"200 result=0\n", b"200 result=1 (hangup)\n")
    assert call.session.database_get("my family", "my key") == "hangup"
    with pytest.raises(AGIDBError):
        call.session.database_get("f", "k")
    assert call.session.get_variable("A") == "hangup"
    assert call.words[0] == 'DATABASE GET "my family" "my key"'


@pytest.mark.parametrize(
    "value", ["x result=-1", "(x) result=-1 (", "a) endpos=5", "((", "))", ")"]
)
def test_23_a_value_that_looks_like_a_reply_is_only_a_value(talk, value):
    call = talk(f"200 result=1 ({value})\n".encode())
    assert call.session.get_variable("A") == value


def test_24_a_line_has_a_greatest_length():
    ours, peer = socket.socketpair()

    def flood():
        with peer, contextlib.suppress(OSError):
            for _ in range(512):
                peer.sendall(b"x" * 65_536)

    flooding = threading.Thread(target=flood)
    flooding.start()
    with ours, pytest.raises(ProtocolError):
        Session(ours)
    flooding.join(5)


def test_24_a_reply_without_an_end_is_given_up_for_its_length_not_its_time(talk):
    call = talk(b"200 result=1 (" + b"x" * 100_000)
    with pytest.raises(ProtocolError, match="longer than 65536 bytes"):
        call.session.get_variable("A")


def test_25_nothing_is_written_to_stderr_or_stdout(talk, capfd):
    call = talk(b"200 result=1 (secret)\n", b"HANGUP\n")
    call.session.get_variable("+628123456789")
    with pytest.raises(Hangup):
        call.session.stream_file("hello", "0123")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("version", "most"), [("22.10.1", 8191), ("20.6.0", 2047), ("?", 2047)])
def test_26_a_command_longer_than_asterisk_reads_is_refused(talk, version, most):
    header = f"agi_network: yes\nagi_version: {version}\n\n".encode()
    call = talk(OK, header=header)
    frame = len(b'SET VARIABLE "A" ""\n')
    with pytest.raises(Refused):
        call.session.set_variable("A", "x" * (most - frame + 1))
    call.session.set_variable("A", "x" * (most - frame))
    assert len(call.heard[0]) == most


def test_27_forty_callers_are_no_limit():
    from agi.server import Settings, listen  # noqa: PLC0415 # only this test needs the server

    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert Settings().slots >= 500


def test_28_a_long_prompt_may_take_its_time(talk):
    call = talk(b"", limits=Limits(command_s=0.1))
    call.session.allow(0.4)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        call.session.stream_file("long")
    assert time.monotonic() - began >= 0.35


def test_28_allowing_more_time_counts_for_one_command_only(talk):
    call = talk(b"200 result=0\n", b"", limits=Limits(command_s=0.1))
    call.session.allow(30)
    call.session.stream_file("long")
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        call.session.answer()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("bad", [b"garbage\n", b"200 no result\n", b"999 what\n", b"\xff\xfe\n"])
def test_29_after_a_broken_protocol_the_session_is_over(talk, bad):
    call = talk(bad, b"200 result=1 (A)\n")
    for _ in range(2):
        with pytest.raises(ProtocolError) as broken:
            call.session.get_variable("A")
    assert isinstance(broken.value, AGIUnknownError)
    assert len(call.heard) == 1


def test_29_an_answer_to_nobodys_question_ends_the_session(talk):
    call = talk(b"200 result=1 (A)\n200 result=1 (stale)\n", b"200 result=1 (B)\n")
    assert call.session.execute("ANSWER")["result"] == ("1", "A")
    with pytest.raises(ProtocolError):
        call.session.get_variable("B")


def test_30_the_stray_520_after_exec_is_thrown_away(talk):
    call = talk(
        b"200 result=1\n520-Invalid command syntax.  Proper usage follows:\nUsage\n"
        b"520 End of proper usage.\n",
        b"200 result=1 (x)\n",
    )
    assert call.session.exec_command("MyApp")["result"] == ("1", "")
    assert call.session.get_variable("A") == "x"


def test_100_trying_is_not_the_answer(talk):
    call = talk(b"100 result=0 Trying...\n200 result=1 (x)\n")
    assert call.session.get_variable("A") == "x"


def test_a_forged_header_line_does_not_replace_asterisks_own(talk):
    header = (
        b"agi_network: yes\nagi_uniqueid: 1.1\nagi_uniqueid: 6.6\nagi_evil: 1\nagi_arg_1: a\n\n"
    )
    env = talk(header=header).session.env
    assert env == {"agi_network": "yes", "agi_uniqueid": "1.1", "agi_arg_1": "a"}


def test_pyst2s_vocabulary_is_the_one_we_know():
    """A new pyst2 may add methods that write to the wire their own way: then look at them."""
    methods = {name for name in vars(AGI) if not name.startswith("_")}
    machinery = {"execute", "send_command", "get_result", "test_hangup"}
    assert methods - machinery == set(
        """
        answer appexec channel_status control_stream_file database_del database_deltree
        database_get database_put exec_command get_data get_full_variable get_option
        get_variable goto_on_exit hangup noop receive_char record_file say_alpha say_date
        say_datetime say_digits say_number say_phonetic say_time send_image send_text
        set_autohangup set_callerid set_context set_extension set_priority set_variable
        stream_file tdd_mode verbose wait_for_digit
        """.split()  # noqa: SIM905 # a list of words reads as words
    )
    assert len(methods - machinery) == 37


def test_each_of_pyst2s_37_commands_goes_over_our_wire(talk):
    commands = {
        "answer": (),
        "appexec": ("NoOp", "x"),
        "channel_status": (),
        "control_stream_file": ("a",),
        "database_del": ("f", "k"),
        "database_deltree": ("f",),
        "database_get": ("f", "k"),
        "database_put": ("f", "k", "v"),
        "exec_command": ("NoOp", "x"),
        "get_data": ("a",),
        "get_full_variable": ("A",),
        "get_option": ("a", "1"),
        "get_variable": ("A",),
        "hangup": (),
        "noop": (),
        "receive_char": (),
        "record_file": ("a",),
        "say_alpha": ("a",),
        "say_date": (1,),
        "say_datetime": (1,),
        "say_digits": ("1",),
        "say_number": ("1",),
        "say_phonetic": ("a",),
        "say_time": (1,),
        "send_image": ("a",),
        "send_text": ("a",),
        "set_autohangup": (5,),
        "set_callerid": ("1",),
        "set_context": ("a",),
        "set_extension": ("1",),
        "set_priority": (1,),
        "set_variable": ("A", "1"),
        "stream_file": ("a",),
        "tdd_mode": ("on",),
        "verbose": ("a",),
        "wait_for_digit": (100,),
    }
    zero = {"send_image"}
    call = talk(*[b"200 result=0\n" if name in zero else OK for name in commands])
    for name, arguments in commands.items():
        getattr(call.session, name)(*arguments)
    assert len(call.heard) == len(commands) == 36
    more = talk(OK, OK, OK)
    more.session.goto_on_exit("c", "e", "1")
    assert more.words == ["SET CONTEXT c", "SET EXTENSION e", "set priority 1"]


def test_a_command_and_its_reply_cannot_be_taken_apart(talk):
    session = talk(OK).session
    with pytest.raises(Refused):
        session.send_command("ANSWER")
    with pytest.raises(Refused):
        session.get_result()


def test_a_closed_session_says_so(talk):
    call = talk(OK)
    call.session.close()
    with pytest.raises(Hangup):
        call.session.test_hangup()
    with pytest.raises(Hangup):
        call.session.answer()
