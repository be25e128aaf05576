import pytest
from stage import CALL_TAKER_HZ, CALLER_HZ, SPEAKS, ending, pressing, ringing, seated, told

from centre.actors import Ear, HangUp, Speak
from centre.trial import TRUNK_IP, Shape, TrialCentre, until
from recordings.tones import seconds_of, tones

MORE_THAN_ANY_DISK_GIB = 10_000_000


@pytest.fixture(scope="module")
def full_centre():
    floor = {
        "warn_below_gib": MORE_THAN_ANY_DISK_GIB * 2,
        "stop_below_gib": MORE_THAN_ANY_DISK_GIB,
    }
    with TrialCentre(Shape(changes={"recordings": floor})) as centre:
        yield centre


def test_a_call_at_the_floor_is_connected_and_not_recorded(full_centre, tmp_path):
    centre = full_centre
    until("the keeper has said no", lambda: _says_no(centre), 30.0, 0.2)
    plan = pressing("0", Speak(CALLER_HZ, 3.0), HangUp())
    with (
        seated(centre, "101", SPEAKS) as line,
        ringing(centre, plan) as (call, sip_call_id),
        Ear(TRUNK_IP, call.media_port) as ear,
    ):
        told(centre, sip_call_id, "answered")
        call.wait_ended(30.0)
        line.wait_for("other_hung_up", 5.0)
        row = centre.recorded(sip_call_id)
    assert ending(row) == ("answered", "caller_hung_up")
    assert row.answered_by == "101"
    assert row.recorded["files"] == {}
    assert len(row.recorded["problems"]) == 3  # each of the three files is missing, and said so
    assert not list(centre.settings.folder("recordings").rglob("*.wav"))
    heard = tones(ear.save(tmp_path / "heard.wav"), [CALL_TAKER_HZ], threshold=0.15)
    assert seconds_of(heard[CALL_TAKER_HZ]) > 1.0
    assert "floor" in (centre.house.run / "keeper.log").read_text()


def _says_no(centre):
    return "SIAGA_RECORD=no" in centre.asterisk("dialplan show globals")
