from __future__ import annotations

import pytest

from agi.errors import Hangup
from agi.variables import Variable
from ivr_flows.seat import CallTaker, converse

REASONS = {"20": "istirahat", "21": "salat"}
MEMBER = ("112", "PJSIP/op1")


class Staff:
    def __init__(self, *, broken=False):
        self.broken = broken

    def verify(self, phone, pin):
        if self.broken:
            raise OSError("database is locked")
        return CallTaker("dewi") if (phone, pin) == ("op1", "4711") else None


class Seats:
    def __init__(self, channel, *, broken=False):
        self.channel = channel
        self.broken = broken

    def _tell(self, *what):
        if self.broken:
            raise OSError("disk full")
        self.channel.did.append(("written", *what))

    def sign_in(self, phone, call_taker):
        self._tell("sign_in", phone, call_taker)

    def sign_out(self, phone):
        self._tell("sign_out", phone)

    def pause(self, phone, reason, code):
        self._tell("pause", phone, reason, code)

    def ready(self, phone):
        self._tell("ready", phone)


@pytest.fixture
def dial(a_channel):
    def dialled(do, *pins, code="", seat="op1", books_broken=False, pins_broken=False, **statuses):
        channel = a_channel(variables={Variable.SEAT: seat}, statuses=statuses, digits=pins)
        converse(
            channel,
            do,
            code,
            staff=Staff(broken=pins_broken),
            desk=Seats(channel, broken=books_broken),
            queue="112",
            reasons=REASONS,
        )
        return channel

    return dialled


def deeds(channel):
    return channel.verbs("written", "execute", "say")


def test_dewi_signs_in_with_her_pin(dial):
    assert deeds(dial("sign_in", "4711", AQMSTATUS="ADDED")) == [
        ("written", "sign_in", "op1", "dewi"),
        ("execute", "AddQueueMember", *MEMBER, "", "", "dewi"),
        ("say", "siaga/sudah-masuk"),
    ]


def test_a_wrong_pin_may_be_tried_again(dial):
    channel = dial("sign_in", "1", "", "4711", AQMSTATUS="ADDED")
    assert [did[1:] for did in channel.verbs("collect")] == [
        ("siaga/masukkan-pin",),
        ("siaga/pin-salah", "siaga/masukkan-pin"),
        ("siaga/pin-salah", "siaga/masukkan-pin"),
    ]
    assert channel.did[-1] == ("say", "siaga/sudah-masuk")


def test_three_wrong_pins_end_it(dial):
    assert deeds(dial("sign_in", "1", "2", "3")) == [("say", "siaga/pin-salah")]


def test_who_sits_down_at_a_signed_in_phone_takes_it_over(dial):
    channel = dial("sign_in", "4711", AQMSTATUS="MEMBERALREADY", RQMSTATUS="REMOVED")
    assert [did[1] for did in channel.verbs("execute")] == [
        "AddQueueMember",
        "RemoveQueueMember",
        "AddQueueMember",
    ]
    assert channel.did[-1] == ("say", "siaga/sudah-masuk")


def test_a_broken_database_keeps_nobody_from_signing_in(dial):
    channel = dial("sign_in", "4711", AQMSTATUS="ADDED", books_broken=True, pins_broken=True)
    assert deeds(channel) == [
        ("execute", "AddQueueMember", *MEMBER, "", "", "op1"),
        ("say", "siaga/sudah-masuk"),
    ]


@pytest.mark.parametrize("status", ["NOSUCHQUEUE", ""])
def test_nobody_is_shown_at_a_seat_that_calls_do_not_reach(status, dial):
    channel = dial("sign_in", "4711", AQMSTATUS=status)
    assert deeds(channel)[-2:] == [
        ("written", "sign_out", "op1"),
        ("say", "siaga/kode-gagal"),
    ]


@pytest.mark.parametrize("status", ["REMOVED", "NOTINQUEUE"])
def test_dewi_goes_home(status, dial):
    assert deeds(dial("sign_out", RQMSTATUS=status)) == [
        ("written", "sign_out", "op1"),
        ("execute", "RemoveQueueMember", *MEMBER),
        ("say", "siaga/sudah-keluar"),
    ]


@pytest.mark.parametrize(("code", "reason"), [("20", "istirahat"), ("21", "salat"), ("29", "29")])
def test_dewi_pauses_with_a_reason(code, reason, dial):
    assert deeds(dial("pause", code=code, PQMSTATUS="PAUSED")) == [
        ("written", "pause", "op1", reason, code),
        ("execute", "PauseQueueMember", *MEMBER, "", reason),
        ("say", "siaga/jeda"),
    ]


def test_dewi_is_ready_again(dial):
    assert deeds(dial("ready", UPQMSTATUS="UNPAUSED")) == [
        ("written", "ready", "op1"),
        ("execute", "UnpauseQueueMember", *MEMBER),
        ("say", "siaga/siap"),
    ]


@pytest.mark.parametrize(
    ("do", "statuses"),
    [("pause", {"PQMSTATUS": "NOTFOUND"}), ("ready", {"UPQMSTATUS": "NOTFOUND"})],
)
def test_who_is_not_signed_in_is_told_how(do, statuses, dial):
    assert dial(do, code="20", **statuses).did[-1] == ("say", "siaga/belum-masuk")


@pytest.mark.parametrize("do", ["", "dance"])
def test_an_unknown_code_is_told(do, dial):
    assert deeds(dial(do)) == [("say", "siaga/kode-gagal")]


def test_a_phone_the_dialplan_does_not_name_is_told(dial):
    assert deeds(dial("sign_in", seat="")) == [("say", "siaga/kode-gagal")]


def test_hanging_up_in_the_middle_is_a_normal_end(a_channel):
    channel = a_channel(variables={Variable.SEAT: "op1"})
    channel.breaks = {"collect": Hangup("gone")}
    with pytest.raises(Hangup):
        converse(
            channel, "sign_in", "", staff=Staff(), desk=Seats(channel), queue="112", reasons={}
        )
    assert deeds(channel) == []


def test_the_dialplan_learns_that_somebody_took_over(dial):
    assert dial("ready", UPQMSTATUS="UNPAUSED").did[0] == ("set", "SIAGA_SAID", "seat")
