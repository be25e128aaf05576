"""Audio is proved by its tone."""

import wave

import numpy as np
import pytest

from recordings import tones as measured
from recordings.tones import largest_gap_ms, seconds_of, tones
from recordings.wave_file import NotOurSound


def tone(hz, seconds, level=0.3):
    t = np.arange(int(seconds * 8000)) / 8000
    return 32767 * level * np.sin(2 * np.pi * hz * t)


def write(path, samples):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(np.asarray(samples, "<i2").tobytes())
    return path


def test_each_voice_of_a_call_is_found_where_it_spoke(tmp_path):
    ani = np.concatenate([tone(400, 4), np.zeros(8000)])
    budi = np.concatenate([np.zeros(16000), tone(700, 2), np.zeros(8000)])
    found = tones(write(tmp_path / "talk.wav", ani + budi), [400, 700, 1000])
    assert found[400] == [(0.0, pytest.approx(4.0, abs=0.02))]
    assert found[700] == [(pytest.approx(2.0, abs=0.02), pytest.approx(4.0, abs=0.02))]
    assert found[1000] == []


def test_a_lost_frame_is_a_gap_of_its_length(tmp_path):
    voice = tone(700, 3)
    voice[8000:8480] = 0
    spans = tones(write(tmp_path / "gap.wav", voice), [700])[700]
    assert largest_gap_ms(spans) == pytest.approx(60, abs=20)
    assert seconds_of(spans) == pytest.approx(2.94, abs=0.03)
    assert tones(tmp_path / "gap.wav", [700], join_ms=100)[700] == [(0.0, 3.0)]


def test_a_gap_at_the_edge_of_a_span_counts():
    spans = [(1.0, 2.0), (2.1, 3.0)]
    assert largest_gap_ms(spans) == 100
    assert largest_gap_ms(spans, within=(0.5, 3.0)) == 500
    assert largest_gap_ms(spans, within=(1.0, 4.0)) == 1000
    assert largest_gap_ms(spans, within=(1.2, 1.8)) == 0
    assert largest_gap_ms([]) == float("inf")


def test_a_voice_across_two_blocks_is_one(tmp_path):
    path = write(tmp_path / "long.wav", tone(500, 20.005))
    assert tones(path, [500])[500] == [(0.0, 20.0)]


def test_a_quiet_voice_beside_a_loud_one_is_heard(tmp_path):
    path = write(tmp_path / "both.wav", tone(400, 2, 0.6) + tone(600, 2, 0.03))
    assert seconds_of(tones(path, [400, 600])[600]) == pytest.approx(2, abs=0.02)


def test_white_noise_is_no_tone(tmp_path):
    noise = np.random.default_rng(112).normal(0, 500, 16000)
    assert tones(write(tmp_path / "noise.wav", noise), [400, 700])[400] == []


def test_tones_too_close_to_be_told_apart_are_refused(tmp_path):
    path = write(tmp_path / "x.wav", tone(400, 1))
    with pytest.raises(ValueError, match="told apart"):
        tones(path, [400, 450])
    assert tones(path, [400, 450], frame_ms=50)[400]


def test_a_file_that_is_no_sound_is_refused(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"nothing")
    with pytest.raises(NotOurSound):
        tones(path, [400])


def test_an_empty_recording_holds_no_tone(tmp_path):
    assert tones(write(tmp_path / "empty.wav", np.zeros(0)), [400]) == {400: []}
    assert measured.seconds_of([]) == 0
