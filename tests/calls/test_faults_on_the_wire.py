"""Twenty-one broken conversations over real sockets: each ends or completes right, and the
caller after it never notices."""

import pytest
from scripted_asterisk import until

from agi.server import Server, Settings, listen
from agi.wire import Limits
from bench.fastagi_faults import FAULTS, echo, normal_call


@pytest.fixture(scope="module")
def server():
    listener = listen("127.0.0.1", 0)
    settings = Settings(limits=Limits(header_s=0.3, command_s=0.3))
    with Server([listener], {"echo": echo}, settings) as running:
        running.address = listener.getsockname()
        yield running


def test_there_are_twenty_one_faults():
    assert len({fault.name for fault in FAULTS}) == 21


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_broken_conversation_ends_right_and_the_next_caller_is_served(server, fault):
    for _ in range(3):
        fault.play(server.address)
    normal_call(server.address)
    until(lambda: server.active == 0, "no conversation is left over")
