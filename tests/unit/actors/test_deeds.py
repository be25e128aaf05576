"""A plan becomes acts and one RTP stream."""

import struct
import wave
from pathlib import Path

import pytest

from centre.actors import (
    HangUp,
    Hold,
    Press,
    Speak,
    Transfer,
    Vanish,
    Wait,
    WaitForHangup,
    pcap,
)
from centre.actors.deeds import rehearse


def sequences(act):
    return [struct.unpack_from("!H", packet, 2)[0] for _, packet in pcap.read(Path(act["pcap"]))]


def ssrc(act):
    return pcap.read(Path(act["pcap"]))[0][1][8:12]


def test_all_deeds_share_one_stream(tmp_path):
    plan = [Speak(400.0, 0.2), Press("0"), Wait(0.1), Press("1", "inband"), Press("2", "info")]
    acts = rehearse(plan, tmp_path, sequence=100)
    sent = [number for act in acts[:-1] for number in sequences(act)]
    assert sent == list(range(100, 100 + len(sent)))
    assert len({ssrc(act) for act in acts[:-1]}) == 1


def test_a_phone_may_start_a_new_stream_in_mid_call(tmp_path):
    acts = rehearse([Speak(400.0, 0.1), Speak(500.0, 0.1, sequence=7)], tmp_path, sequence=9000)
    assert sequences(acts[0])[0] == 9000
    assert sequences(acts[1])[0] == 7
    assert ssrc(acts[0]) != ssrc(acts[1])


@pytest.mark.parametrize("last", [HangUp(), WaitForHangup(1), Vanish(), Transfer("700")])
def test_a_plan_that_ends_the_call_is_left_alone(tmp_path, last):
    assert len(rehearse([Speak(400.0, 0.1), last], tmp_path)) == 2


@pytest.mark.parametrize("plan", [[], [Wait(0.1)], [Hold(0.1)]])
def test_a_plan_without_an_end_hangs_up(tmp_path, plan):
    assert rehearse(plan, tmp_path)[-1]["kind"] == "hang_up"


def test_a_silent_line_sends_nothing(tmp_path):
    assert rehearse([Wait(5, rtp=False)], tmp_path)[0]["pcap"] == ""


def test_a_wav_is_repeated_to_the_length_asked(tmp_path):
    with wave.open(str(tmp_path / "v.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(pcap.tone(400, 0.5).tobytes())
    assert len(sequences(rehearse([Speak(tmp_path / "v.wav", 1.2)], tmp_path)[0])) == 60


@pytest.mark.parametrize("deed", [Wait(0), Speak(400.0, -1), WaitForHangup(601), Hold(0)])
def test_a_deed_without_bounds_is_refused(tmp_path, deed):
    with pytest.raises(ValueError, match="must last"):
        rehearse([deed], tmp_path)
