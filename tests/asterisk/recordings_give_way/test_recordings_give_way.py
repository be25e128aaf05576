from stage import CALL_TAKER_HZ, CALLER_HZ, SPEAKS, ending, pressing, ringing, seated, story, told

from centre.actors import Ear, HangUp, NeverAnswer, Speak
from centre.trial import until
from centre.trial_settings import TRUNK_IP
from recordings.tones import seconds_of, tones


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
    assert '"floor"' in (centre.house.run / "keeper.log").read_text()


def _says_no(centre):
    return "SIAGA_RECORD=no" in centre.asterisk("dialplan show globals")


def test_when_nobody_answers_in_time_every_phone_of_the_list_rings(full_centre):
    centre = full_centre
    plan = pressing("0", Speak(CALLER_HZ, 60.0), HangUp())
    with (
        seated(centre, "101", answer=NeverAnswer()) as deaf,
        centre.phone("103", (Speak(CALL_TAKER_HZ, 1.0), HangUp())).start() as listed,
        ringing(centre, plan) as (call, sip_call_id),
    ):
        listed.wait_for("answered", 40.0)
        call.wait_for("other_hung_up", 20.0)
        row = centre.ended(sip_call_id)
        assert deaf.happened("rung")
    assert ending(row) == ("answered", "call_taker_hung_up")
    assert (row.via, row.phone) == ("ring_all", "103")
    assert row.wait_s > 10
    assert story(centre, row)[4:8] == ["queued", "ring_all", "answered", "left"]
