from concurrent.futures import ThreadPoolExecutor

import pytest
from stage import member, seat_history, seat_row

from call_router.seats import SeatState
from centre.actors import Caller, CallerId, Ear, Press, Wait, WaitForHangup
from centre.trial import PHONE_IP, PINS, until
from recordings import wave_file

PLAN = (WaitForHangup(),)


def _dial(phone, code, keys="", **more):
    """Dial a star code and hear it out; gives how long the centre spoke, in s."""
    with phone.dial(code, keys, wait_s=25.0, **more) as dialling:
        with Ear(PHONE_IP, dialling.media_port) as ear:
            dialling.wait_for("other_hung_up", 40.0)
        return len(ear.samples()) / wave_file.RATE_HZ


def _says(centre, *prompts):
    folder = centre.settings.folder("sounds") / "id"
    return sum(wave_file.look(folder / f"{name}.wav").seconds for name in prompts)


def test_a_day_at_the_desk_by_star_codes(centre):
    phone = centre.phone("105", PLAN)
    with phone.start():
        assert _dial(phone, "*30") == pytest.approx(_says(centre, "belum-masuk"), abs=0.5)
        assert member(centre, "105") == ""

        _dial(phone, "*11", f"{PINS['105']}#")
        assert seat_row(centre, "105").state is SeatState.READY
        assert seat_row(centre, "105").call_taker == "105"
        assert member(centre, "105")

        assert _dial(phone, "*20") == pytest.approx(_says(centre, "jeda"), abs=0.5)
        seat = seat_row(centre, "105")
        assert (seat.state, seat.reason) == (SeatState.PAUSED, "istirahat")
        assert "paused" in member(centre, "105")

        assert _dial(phone, "*30") == pytest.approx(_says(centre, "siap"), abs=0.5)
        assert seat_row(centre, "105").state is SeatState.READY
        assert "paused" not in member(centre, "105")

        assert _dial(phone, "*10") == pytest.approx(_says(centre, "sudah-keluar"), abs=0.5)
        assert seat_row(centre, "105").state is SeatState.SIGNED_OUT
        assert member(centre, "105") == ""
    history = [(fact.what, fact.data.get("code", "")) for fact in seat_history(centre, "105")]
    assert history == [
        ("ready", ""),
        ("sign_in", ""),
        ("pause", "20"),
        ("ready", ""),
        ("sign_out", ""),
    ]


def test_three_wrong_pins_leave_the_phone_signed_out(centre):
    phone = centre.phone("106", PLAN)
    with phone.start():
        with phone.dial("*11", wait_s=1.0) as tapping:
            tapping.wait_ended(20.0)  # hung up without a PIN: nothing happens
        keys = "9999#"
        plan = [Wait(0.8)]
        for _ in range(3):
            plan += [deed for key in keys for deed in (Press(key), Wait(0.1))]
            plan += [Wait(2.0)]
        who = CallerId("106", domain=centre.sip[0])
        guess = Caller(
            "106 guesses",
            who,
            centre.sip,
            plan=(*plan, WaitForHangup(20.0)),
            dialled="*11",
            local_ip=PHONE_IP,
            account=("106", "pw-106"),
        )
        with guess.start() as dialling:
            dialling.wait_for("other_hung_up", 40.0)
    assert seat_row(centre, "106") is None
    assert member(centre, "106") == ""


def test_anybody_may_sit_at_any_phone_with_his_own_pin(centre):
    phone = centre.phone("107", PLAN)
    with phone.start():
        _dial(phone, "*11", f"{PINS['108']}#")
        assert seat_row(centre, "107").call_taker == "108"
        assert "108 (PJSIP/107)" in member(centre, "107")
        _dial(phone, "*10")
    assert seat_row(centre, "107").state is SeatState.SIGNED_OUT


def test_two_phones_sign_in_at_the_same_moment(centre):
    phones = [centre.phone(number, PLAN) for number in ("109", "110")]
    with phones[0].start(), phones[1].start(), ThreadPoolExecutor(2) as hands:
        list(hands.map(centre.sign_in, phones))
        until("both are there", lambda: member(centre, "109") and member(centre, "110"))
        list(hands.map(lambda phone: _dial(phone, "*10"), phones))
    assert not member(centre, "109")
    assert not member(centre, "110")
