"""The real conversations behind the real server, in front of an Asterisk that can stop anywhere.

Each tale is told whole once; then it is told again and again, and every time Asterisk goes away
one command earlier: by a hangup, or by a socket that closes. Whatever was cut, the call has its
row, and with Asterisk's own account of the end exactly one ending.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest
from scripted_asterisk import Asterisk, until

from agi.server import Server, Settings, listen
from agi.variables import Variable
from call_router.call import Event, Fact, Reason, Result
from call_router.policy_file import load_rules
from centre import settings as settings_file
from centre.conversations import Conversations
from centre.flows import HOUSE
from db import calls, seats
from db.books import DurableBooks
from db.store import open_store, reading, upgrade
from ivr_flows.sounds import build

CENTRE = "uji"
VARIABLES = {
    Variable.RING: "call=uji-1.1&flow=112&trunk=telkom&dialled=112&num=081234567890&name=&pai="
    "&pres=allowed_not_screened&from_user=081234567890&sip_call_id=abc%40trunk"
    "&recording=2026/08/07/uji-1.1",
    "SIAGA_SEAT": "101",
    "AQMSTATUS": "ADDED",
    "RQMSTATUS": "REMOVED",
    "PQMSTATUS": "PAUSED",
    "UPQMSTATUS": "UNPAUSED",
}


class Line:
    """A channel of Asterisk: answers as a telephone does, with `keys` pressed one at each wait."""

    def __init__(self, address, call_id, script, keys, *, stop_after=None, how="hangup"):
        self.asterisk = Asterisk(address)
        self.asterisk.dials(script, agi_uniqueid=call_id)
        self.keys = list(keys)
        self.stop_after = stop_after
        self.how = how
        self.commands = []
        self.set = {}
        self.before_route = lambda: None

    def talk(self):
        """Answer commands until the other side closes, or until it is time to go away."""
        with self.asterisk:
            while self.stop_after is None or len(self.commands) < self.stop_after:
                command = self.asterisk.socket_line()
                if command is None:
                    return self
                self.commands.append(command)
                self.asterisk.says(self._answer(command))
            self.asterisk.hangs_up() if self.how == "hangup" else self.asterisk.closes()
        return self

    def _answer(self, command):
        if found := re.fullmatch(r'GET VARIABLE "?([^"]+)"?', command):
            return f"200 result=1 ({VARIABLES.get(found[1], '')})"
        if found := re.fullmatch(r'SET VARIABLE "?([^" ]+)"? "?([^"]*)"?', command):
            if found[1] == "SIAGA_ROUTE":
                self.before_route()
            self.set[found[1]] = found[2]
            return "200 result=1"
        if command.startswith("WAIT FOR DIGIT"):
            return f"200 result={ord(self.keys.pop(0)) if self.keys else 0}"
        if command.startswith("STREAM FILE"):
            return "200 result=0 endpos=8000"
        return "200 result=0"


@pytest.fixture(scope="session")
def sounds(tmp_path_factory):
    return build(HOUSE / "ivr_flows" / "prompts", tmp_path_factory.mktemp("prompts"))


@pytest.fixture
def town(tmp_path, sounds):
    """A centre without Asterisk: books, desk, flows and the server, all real."""
    table = {
        "centre": {"id": CENTRE, "data_dir": str(tmp_path)},
        "call_takers": [
            {
                "id": "101",
                "name": "Alice",
                "pin": "1122",
                "password": "x",
                "networks": ["10.0.0.0/8"],
            }
        ],
    }
    settings = settings_file.read(table)
    upgrade(settings.database_url)
    books = DurableBooks(settings.database_url, settings.folder("spool"), CENTRE, deadline_s=5.0)
    rules = load_rules(settings.policy_file)
    conversations = Conversations(settings, books, rules, sounds)
    listener = listen("127.0.0.1", 0)
    with Server([listener], conversations, Settings(length_s=sounds.length_of)) as server:
        yield Town(settings, books, server, listener.getsockname())
        until(lambda: server.active == 0, "every conversation ended")
    books.close()


class Town:
    def __init__(self, settings, books, server, address):
        self.settings, self.books, self.server, self.address = settings, books, server, address
        self.engine = open_store(settings.database_url)

    def line(self, call_id, *, script="112", keys="", **more):
        return Line(self.address, call_id, script, keys, **more)

    def call(self, call_id):
        with reading(self.engine) as connection:
            return calls.get(connection, CENTRE, call_id)

    def told(self, call_id):
        with reading(self.engine) as connection:
            return [e.fact.what for e in calls.timeline_of(connection, CENTRE, call_id)]

    def ends(self, call_id):
        """Asterisk's journal tells the ring and the end, as it does whatever dies."""
        now = datetime.now(UTC)
        self.books.record(
            Fact(call_id, now - timedelta(minutes=1), Event.RING, data={"flow": "112"}),
            Fact(call_id, now, Event.ENDED, data={"source": "caller", "cause": "16"}),
        )
        return self.call(call_id)


def test_alice_presses_0_and_the_row_knows_it_before_the_route_is_set(town):
    line = town.line("uji-1.1", keys="0")
    line.before_route = lambda: line.set.update(known=town.told("uji-1.1"))
    line.talk()
    assert line.set["SIAGA_ROUTE"] == "queue,s,1"
    assert line.set["SIAGA_LANE"] == "pressed"
    assert line.set["known"] == ["ring", "menu", "key", "hand_over"]
    call = town.call("uji-1.1")
    assert (call.first_key, call.lane, call.rule) == ("0", "pressed", "pressed")
    assert call.caller.key == "+6281234567890"


def test_bayu_presses_5_and_is_connected_all_the_same(town):
    line = town.line("uji-1.2", keys="5").talk()
    assert (line.set["SIAGA_ROUTE"], line.set["SIAGA_LANE"]) == ("queue,s,1", "open")


def test_citra_says_nothing_and_is_asked_once_more_and_connected(town):
    line = town.line("uji-1.3").talk()
    assert (line.set["SIAGA_ROUTE"], line.set["SIAGA_LANE"]) == ("queue,s,1", "silence")
    assert town.told("uji-1.3") == ["ring", "menu", "silence", "silence", "hand_over"]


def test_a_number_without_a_flow_falls_back_at_once(town):
    with Asterisk(town.address) as asterisk:
        asterisk.dials("no-such-flow", agi_uniqueid="uji-1.4").sees_failure()


def test_dewi_signs_in_with_her_pin_and_sits_at_her_seat(town):
    line = town.line("uji-1.5", script="seat?do=sign_in&code=", keys="1122#").talk()
    assert any("AddQueueMember" in command and "PJSIP/101" in command for command in line.commands)
    with reading(town.engine) as connection:
        (seat,) = seats.current(connection, CENTRE)
    assert (seat.seat, seat.call_taker, seat.state) == ("101", "101", "ready")


def test_eko_with_a_wrong_pin_three_times_sits_nowhere(town):
    line = town.line("uji-1.6", script="seat?do=sign_in&code=", keys="9999#8888#7777#").talk()
    assert not any("AddQueueMember" in command for command in line.commands)
    with reading(town.engine) as connection:
        assert seats.current(connection, CENTRE) == []


@pytest.mark.parametrize("how", ["hangup", "close"])
@pytest.mark.parametrize("keys", ["0", "5", ""], ids=["presses-0", "presses-5", "says-nothing"])
def test_a_call_cut_at_any_command_has_one_row_with_one_ending(town, keys, how):
    whole = town.line("uji-2.0", keys=keys).talk()
    assert whole.set["SIAGA_ROUTE"] == "queue,s,1"
    for cut in range(len(whole.commands)):
        call_id = f"uji-2.{cut + 1}"
        line = town.line(call_id, keys=keys, stop_after=cut, how=how).talk()
        until(lambda: town.server.active == 0, "the conversation noticed")
        call = town.ends(call_id)
        assert call.ending.result is Result.ABANDONED
        assert call.ending.reason in {
            Reason.CALLER_HUNG_UP_RINGING,
            Reason.CALLER_HUNG_UP_IN_MENU,
            Reason.CALLER_HUNG_UP_IN_QUEUE,
        }
        assert town.told(call_id).count("ended") == 1
        assert call.illegal == ()
        if "SIAGA_ROUTE" in line.set:
            assert call.handed_over_at is not None
