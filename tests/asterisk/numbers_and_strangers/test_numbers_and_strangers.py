import pytest
from stage import (
    CALL_TAKER_HZ,
    CALLER_HZ,
    caller,
    ending,
    heard,
    pressing,
    seated,
    story,
    voices,
    whole,
)

from centre.actors import CallerId, HangUp, Speak, Wait, WaitForHangup
from centre.trial import until
from recordings.tones import seconds_of

STRANGER_IP = "127.0.0.66"
ANYBODY = CallerId("081234560041")


def _refused(call):
    call.wait_ended(60.0)
    assert not call.happened("answered")
    return [event.detail for event in call.happened("refused")]


def test_the_test_number_says_goodbye_and_ends_by_its_name(centre):
    person = caller(centre, (WaitForHangup(60.0),), dialled="1120")
    with person.start() as call:
        call.wait_for("other_hung_up", 40.0)
        row = centre.recorded(person.call_id)
    assert ending(row) == ("flow_ended", "flow")
    assert row.ending.detail == "test-ended"
    assert (row.flow, row.dialled, row.named_ending) == ("test", "1120", "test-ended")
    assert story(centre, row) == ["ring", "menu", "silence", "hang_up", "ended", "recorded"]


def test_a_caller_in_need_who_misdialled_the_test_number_gets_a_call_taker_with_0(centre):
    with seated(centre, "101", (Speak(CALL_TAKER_HZ, 1.5), HangUp())):
        plan = pressing("0", Speak(CALLER_HZ, 60.0), HangUp())
        person = caller(centre, plan, dialled="1120")
        with person.start() as call:
            call.wait_for("other_hung_up", 40.0)
            row = centre.recorded(person.call_id)
    assert ending(row) == ("answered", "call_taker_hung_up")
    whole(row)
    assert heard(centre, row, "", CALLER_HZ, CALL_TAKER_HZ) == {CALLER_HZ, CALL_TAKER_HZ}
    assert seconds_of(voices(centre, row, "-caller", CALLER_HZ)[CALLER_HZ]) > 1.0


@pytest.mark.parametrize("dialled", ["113", "101", "110", "*11", "s", "112%0Aagi_evil:1", "911"])
def test_the_trunk_reaches_its_numbers_and_nothing_else(centre, dialled):
    before = len(centre.calls())
    person = caller(centre, (Wait(1.0), HangUp()), ANYBODY, dialled=dialled)
    with centre.phone("101", (WaitForHangup(),)).start() as phone, person.start() as call:
        assert _refused(call) == ["404"]
        assert not phone.happened("rung")
    assert len(centre.calls()) == before
    assert centre.call(person.call_id) is None


@pytest.mark.parametrize("name", ["trunk-demo", "demo", "101", "outside-polisi", "anonymous"])
def test_a_stranger_is_refused_whatever_he_calls_himself(centre, name):
    person = caller(
        centre, (Wait(1.0), HangUp()), CallerId(name), local_ip=STRANGER_IP, set_up_s=10.0
    )
    with person.start() as call:
        assert set(_refused(call)) <= {"401", "403"}
        assert call.happened("refused")
    assert centre.call(person.call_id) is None
    assert person.call_id not in {row.sip_call_id for row in centre.calls()}


def test_a_phone_with_a_wrong_password_is_refused_and_the_security_log_says_so(centre):
    log = centre.house.plan.directories.log / "security"
    person = caller(
        centre,
        (Wait(1.0), HangUp()),
        CallerId("101"),
        dialled="*11",
        local_ip="127.0.0.3",
        account=("101", "guessed"),
    )
    with person.start() as call:
        assert _refused(call) == ["401"]
    until("it is told", lambda: 'AccountID="101"' in log.read_text(errors="replace"), 10.0)


def test_a_phone_dials_neither_112_nor_the_outside(centre):
    for dialled in ("112", "110", "081234567890"):
        person = caller(
            centre,
            (Wait(1.0), HangUp()),
            CallerId("101"),
            dialled=dialled,
            local_ip="127.0.0.3",
            account=("101", "pw-101"),
        )
        with person.start() as call:
            assert _refused(call) == ["404"], dialled
        assert centre.call(person.call_id) is None
