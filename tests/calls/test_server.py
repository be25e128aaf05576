"""What the server does when the machine itself fails it: no thread, no file, no log."""

import errno
import socket

import pytest
import structlog
from scripted_asterisk import Asterisk, until

from agi import server as server_module
from agi.server import Server, Settings, listen


def hello(channel):
    channel.set("HELLO", "1")


@pytest.fixture
def listener():
    opened = listen("127.0.0.1", 0)
    yield opened
    opened.close()


def is_greeted(address):
    with Asterisk(address) as asterisk:
        asterisk.dials("hello").expects('SET VARIABLE "HELLO" "1"')
        asterisk.says("200 result=1").sees_the_end()


def test_no_thread_left_means_refusal_not_silence(listener, monkeypatch):
    address = listener.getsockname()
    with structlog.testing.capture_logs() as log, Server([listener], {"hello": hello}) as server:
        real = server_module.start_new_thread
        monkeypatch.setattr(server_module, "start_new_thread", _no_thread)
        for _ in range(3):
            with Asterisk(address) as asterisk:
                asterisk.dials("hello").sees_failure()
        monkeypatch.setattr(server_module, "start_new_thread", real)
        is_greeted(address)
        server.report()
        server.report()
    assert [line["callers"] for line in log if line["event"] == "callers refused"] == [3]


def _no_thread(*_):
    raise RuntimeError("can't start new thread")


class OutOfFiles:
    """A listening socket whose accept fails first, as Linux does when the process is full."""

    def __init__(self, listener, times, error):
        self._listener, self._left, self._error = listener, times, error

    def __getattr__(self, name):
        return getattr(self._listener, name)

    def accept(self):
        if self._left:
            self._left -= 1
            raise OSError(self._error, "no")
        return self._listener.accept()


def test_no_file_left_means_refusal_not_silence(listener):
    address = listener.getsockname()
    with Server([OutOfFiles(listener, 1, errno.EMFILE)], {"hello": hello}):
        with Asterisk(address) as asterisk:
            asterisk.dials("hello").sees_failure()
        is_greeted(address)


def test_an_unknown_accept_error_is_survived(listener):
    with Server([OutOfFiles(listener, 3, errno.EPROTO)], {"hello": hello}):
        is_greeted(listener.getsockname())


def test_a_log_that_cannot_be_written_costs_no_caller(listener, monkeypatch):
    class FullDisk:
        def info(self, *_, **__):
            raise OSError(errno.ENOSPC, "disk full")

        warning = error = info

    monkeypatch.setattr(server_module, "log", FullDisk())
    with Server([listener], {"hello": hello}, Settings(slots=2)) as server:
        for _ in range(6):
            is_greeted(listener.getsockname())
            until(lambda: server.active == 0, "the slot is free again")


def test_the_words_of_an_error_stay_out_of_the_log(listener):
    def crash(_):
        raise KeyError("+628123456789 pressed 4711")

    with structlog.testing.capture_logs() as log, Server([listener], {"crash": crash}):
        with Asterisk(listener.getsockname()) as asterisk:
            asterisk.dials("crash").sees_failure()
        until(lambda: log, "the crash is in the log")
    (line,) = log
    assert (line["ended"], line["why"], line["log_level"]) == ("crashed", "KeyError", "warning")
    assert "in crash" in line["raised_at"][-1] or line["raised_at"][-1].endswith(" crash")
    assert "4711" not in str(line)


def test_a_resolver_may_be_a_function(listener):
    with Server([listener], lambda script: hello if script == "hello" else None):
        is_greeted(listener.getsockname())
        with Asterisk(listener.getsockname()) as asterisk:
            asterisk.dials("other").sees_failure()


def test_one_server_serves_two_doors(listener):
    with listen("127.0.0.1", 0) as standby, Server([listener, standby], {"hello": hello}):
        for door in (listener, standby):
            is_greeted(door.getsockname())


def test_accepted_sockets_do_not_wait_for_more_to_send(listener):
    nodelay = []

    def look(channel):
        sock = channel._session._wire._sock
        nodelay.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with Server([listener], {"look": look}), Asterisk(listener.getsockname()) as asterisk:
        asterisk.dials("look").sees_the_end()
    assert nodelay
    assert nodelay[0]


def test_a_thousand_callers_may_knock_at_once(listener):
    """The backlog holds them: a SYN that finds it full would come back a second later."""
    callers = [socket.create_connection(listener.getsockname(), timeout=0.9) for _ in range(1000)]
    for caller in callers:
        caller.close()
