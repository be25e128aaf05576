"""What a finished call's recording tells, also when a crash left it unfinished."""

import hashlib
import struct
import tracemalloc
import wave
from datetime import UTC, datetime

import numpy as np
import pytest

from recordings import store, wave_file
from recordings.store import Leg

STEM = "2026/11/22/siaga-1795309200.12"


def tone(hz, seconds, level=0.3):
    t = np.arange(int(seconds * 8000)) / 8000
    return np.asarray(32767 * level * np.sin(2 * np.pi * hz * t), "<i2")


def silence(seconds):
    return np.zeros(int(seconds * 8000), "<i2")


def write(path, samples, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())


@pytest.fixture
def folder(tmp_path):
    """Ani (400 Hz) and Budi (700 Hz) talked for 3 s, and all of it was recorded."""
    write(tmp_path / f"{STEM}.wav", tone(400, 3) // 2 + tone(700, 3) // 2)
    write(tmp_path / f"{STEM}-caller.wav", tone(400, 3))
    write(tmp_path / f"{STEM}-other.wav", np.concatenate([silence(1), tone(700, 2)]))
    return tmp_path


def test_a_call_is_filed_by_its_day_and_id():
    rang_at = datetime(2026, 11, 22, 1, 4, tzinfo=UTC)
    assert store.stem("siaga-1795309200.12", rang_at) == STEM
    assert store.paths(STEM)[Leg.OTHER] == f"{STEM}-other.wav"


@pytest.mark.parametrize("call_id", ["", "../../etc/passwd", "a/b", ".hidden"])
def test_a_call_id_never_leads_out_of_the_folder(call_id):
    with pytest.raises(ValueError, match="not a call id"):
        store.stem(call_id, datetime(2026, 11, 22, tzinfo=UTC))


def test_a_whole_recording_is_measured_leg_by_leg(folder):
    finished = store.finish(folder, STEM)

    assert finished.whole
    caller, other = finished.files[Leg.CALLER], finished.files[Leg.OTHER]
    content = (folder / f"{STEM}-caller.wav").read_bytes()
    assert caller.sha256 == hashlib.sha256(content).hexdigest()
    assert caller.seconds == 3.0
    assert caller.rms_dbfs == pytest.approx(-13.5, abs=0.1)
    assert caller.peak_dbfs == pytest.approx(-10.5, abs=0.1)
    assert caller.longest_silence_s == 0.0
    assert other.longest_silence_s == pytest.approx(1.0, abs=0.1)
    assert not caller.silent
    assert not other.silent


def test_a_leg_on_which_nobody_is_heard_is_told(folder):
    write(folder / f"{STEM}-other.wav", silence(3))

    finished = store.finish(folder, STEM)

    assert finished.files[Leg.OTHER].silent
    assert finished.files[Leg.OTHER].rms_dbfs == -np.inf
    assert finished.problems == ("suara untuk penelepon / other leg: sunyi / silent",)


def test_the_idle_noise_of_a_line_is_silence_and_a_whisper_is_not(folder):
    write(folder / f"{STEM}-caller.wav", np.tile(np.asarray([8, -8], "<i2"), 12000))
    assert store.finish(folder, STEM).files[Leg.CALLER].silent

    write(folder / f"{STEM}-caller.wav", np.concatenate([silence(2.8), tone(400, 0.2, 0.005)]))
    assert not store.finish(folder, STEM).files[Leg.CALLER].silent


def test_a_missing_leg_is_told_and_the_others_are_measured(folder):
    (folder / f"{STEM}-caller.wav").unlink()

    finished = store.finish(folder, STEM)

    assert set(finished.files) == {Leg.MIXED, Leg.OTHER}
    assert finished.problems == ("suara penelepon / caller's leg: tidak ada / missing",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no WAV header"),
        (b"RIFF", "no WAV header"),
        (b"\x00" * 400, "no WAV header"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt " + b"\xff" * 100, "no data chunk"),
    ],
)
def test_a_file_that_is_no_recording_is_told_and_never_raises(folder, content, words):
    (folder / f"{STEM}.wav").write_bytes(content)
    (problem,) = store.finish(folder, STEM).problems
    assert words in problem


def test_another_kind_of_wav_is_told(folder):
    write(folder / f"{STEM}.wav", tone(400, 3), rate=16000)
    (problem,) = store.finish(folder, STEM).problems
    assert "not 8 kHz mono 16 bit" in problem


def test_a_file_that_cannot_be_read_is_told(folder):
    (folder / f"{STEM}.wav").unlink()
    (folder / f"{STEM}.wav").mkdir()
    (problem,) = store.finish(folder, STEM).problems
    assert "unreadable" in problem


@pytest.mark.parametrize("claimed", [0, 16000, 0xFFFFFFFF])
def test_asterisk_was_killed_and_the_header_tells_the_truth_again(folder, claimed):
    path = folder / f"{STEM}.wav"
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", claimed)
    path.write_bytes(content)

    first = store.finish(folder, STEM)
    again = store.finish(folder, STEM)

    assert first.files[Leg.MIXED].seconds == 3.0
    assert "header not finalised" in first.problems[0]
    assert "repaired" in first.problems[0]
    assert again.whole
    assert again.files[Leg.MIXED].sha256 == first.files[Leg.MIXED].sha256
    with wave.open(str(path)) as sound:
        assert sound.getnframes() == 24000


def test_an_unfinished_header_can_be_left_as_it_is(folder):
    path = folder / f"{STEM}.wav"
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 0)
    path.write_bytes(content)

    finished = store.finish(folder, STEM, repair=False)

    assert finished.files[Leg.MIXED].seconds == 3.0
    assert "left as it is" in finished.problems[0]
    assert path.read_bytes() == bytes(content)


def test_half_a_sample_at_the_end_does_not_stop_the_measuring(folder):
    path = folder / f"{STEM}.wav"
    path.write_bytes(path.read_bytes()[:-1])
    finished = store.finish(folder, STEM)
    assert finished.files[Leg.MIXED].seconds == pytest.approx(3.0, abs=0.001)


def test_a_header_without_sound_is_empty(folder):
    write(folder / f"{STEM}.wav", silence(0))
    write(folder / f"{STEM}-caller.wav", silence(0))
    write(folder / f"{STEM}-other.wav", silence(0))
    finished = store.finish(folder, STEM)
    assert len(finished.problems) == 3
    assert all("empty" in problem for problem in finished.problems)


def test_legs_of_unequal_length_are_told_in_words(folder):
    write(folder / f"{STEM}-caller.wav", tone(400, 2))
    problems = store.finish(folder, STEM).problems
    assert (
        "panjang tidak sama / lengths differ: rekaman campuran / mixed recording 3.0 s, "
        "suara penelepon / caller's leg 2.0 s" in problems
    )


def test_a_long_call_is_measured_in_bounded_memory(tmp_path):
    path = tmp_path / "long.wav"
    write(path, np.tile(tone(400, 60), 15))
    tracemalloc.start()
    facts = store.measure(wave_file.look(path))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts.seconds == 900.0
    assert most < 4_000_000
