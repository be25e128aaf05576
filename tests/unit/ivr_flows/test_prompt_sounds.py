from __future__ import annotations

import shutil
import time
import wave

import numpy as np
import pytest
from structlog.testing import capture_logs

from ivr_flows import sounds
from ivr_flows.flow import Limits, load
from ivr_flows.loudness import SPEECH_DBFS, peak_dbfs, speech_dbfs, to_telephone, trim
from ivr_flows.music import build_music
from ivr_flows.sounds import (
    SPOKEN_OUTSIDE_FLOWS,
    SoundsError,
    SoundSet,
    build,
    read_words,
    write_wav,
)
from ivr_flows.voices import Voice

RATE = 8000


def samples_of(file):
    with wave.open(str(file)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("sounds")


@pytest.fixture(scope="module")
def prompts_dir(request):
    return request.config.rootpath / "ivr_flows" / "prompts"


@pytest.fixture(scope="module")
def built(prompts_dir, out):
    return build(prompts_dir, out)


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A small folder of prompts, so that a test speaks two words and not fifty."""
    monkeypatch.setattr(sounds, "SPOKEN_OUTSIDE_FLOWS", ())
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "id.toml").write_text('salam = "Selamat pagi."\n', encoding="utf-8")
    (folder / "en.toml").write_text('salam = "Good morning."\n', encoding="utf-8")
    return folder


def tone(seconds=1.0, rate=RATE, level=0.3):
    return level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


def record(file, samples, rate=RATE, channels=1):
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = np.repeat((samples * 32767).astype("<i2"), channels)
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(whole.tobytes())


def test_the_greeting_is_over_in_four_seconds(built):
    assert built.length_s("salam-112", "id") <= 4.0
    assert built.length_s("salam-112", "en") <= 4.0


def test_the_shipped_flows_reach_a_human_in_time_with_the_real_sounds(built, house):
    for name in ("112", "test"):
        load(house / "ivr_flows" / f"{name}.toml", built, Limits(answer_within_s=16.0))


def test_all_prompts_are_equally_loud_and_none_is_clipped(built, out):
    for language in ("id", "en"):
        for name in built.sounds[language]:
            samples = samples_of(out / language / f"{name}.wav")
            assert speech_dbfs(samples) == pytest.approx(SPEECH_DBFS, abs=0.5), (language, name)
            assert peak_dbfs(samples) < -1.0, (language, name)


def test_prompts_begin_and_end_without_a_wait(built, out):
    for language in ("id", "en"):
        for name in built.sounds[language]:
            samples = samples_of(out / language / f"{name}.wav")
            loud = np.flatnonzero(np.abs(samples) > 0.01)
            assert loud[0] < 0.15 * RATE, name
            assert samples.size - loud[-1] < 0.25 * RATE, name


def test_the_index_tells_the_true_lengths(built, out):
    again = SoundSet.load(out)
    assert again.sounds == built.sounds
    for name, sound in again.sounds["id"].items():
        assert sound.length_s == pytest.approx(samples_of(out / "id" / f"{name}.wav").size / RATE)


def test_a_second_build_takes_no_time(built, prompts_dir, out):
    began = time.monotonic()
    again = build(prompts_dir, out)
    assert time.monotonic() - began < 1.0
    assert again == built


def test_every_prompt_that_is_spoken_anywhere_is_there(built):
    for name in SPOKEN_OUTSIDE_FLOWS:
        assert built.has(name, "id")
        assert built.has(name, "en")


def test_the_dialplan_finds_its_silences(built, out):
    for length_ms in (40, 100, 1000):
        samples = samples_of(out / "en" / f"hening-{length_ms}ms.wav")
        assert samples.size == RATE * length_ms // 1000
        assert not samples.any()


@pytest.mark.parametrize(
    ("sound", "length_of"),
    [
        ("siaga/salam-112", lambda s: max(s.length_s("salam-112", x) for x in ("id", "en"))),
        ("en/siaga/salam-112", lambda s: s.length_s("salam-112", "en")),
        ("tt-monkeys", lambda _: 10.0),
        ("siaga/", lambda _: 10.0),
        ("", lambda _: 10.0),
    ],
)
def test_the_length_of_any_sound_asterisk_may_play(sound, length_of, built):
    assert built.length_of(sound) == length_of(built)


def test_changed_words_are_spoken_anew_and_the_rest_is_kept(few, tmp_path):
    out = tmp_path / "out"
    before = build(few, out)
    english = (out / "en" / "salam.wav").stat()
    (few / "id.toml").write_text('salam = "Selamat pagi semuanya."\n', encoding="utf-8")
    after = build(few, out)
    assert after.length_s("salam", "id") > before.length_s("salam", "id")
    assert (out / "en" / "salam.wav").stat().st_mtime_ns == english.st_mtime_ns


def test_a_lost_file_is_made_again(few, tmp_path):
    out = tmp_path / "out"
    build(few, out)
    (out / "id" / "salam.wav").unlink()
    build(few, out)
    assert samples_of(out / "id" / "salam.wav").size


def test_a_damaged_index_is_made_again(few, tmp_path):
    out = tmp_path / "out"
    before = build(few, out)
    (out / "index.json").write_text('{"sounds": {"id": 3}}', encoding="utf-8")
    assert build(few, out) == before


def test_all_missing_prompts_are_told_at_once(few):
    (few / "id.toml").write_text('a = "A."\nb = ""\nc = 3\n', encoding="utf-8")
    with pytest.raises(SoundsError) as refused:
        read_words(few)
    told = "\n".join(refused.value.problems)
    for name, file in (("salam", "id"), ("a", "en"), ("b", "id"), ("b", "en"), ("c", "id")):
        assert any(f'"{name}"' in line and f"{file}.toml" in line for line in told.split("\n"))


def test_a_prompt_the_dialplan_plays_may_not_be_missing(few, monkeypatch):
    monkeypatch.setattr(sounds, "SPOKEN_OUTSIDE_FLOWS", ("mohon-tunggu",))
    with pytest.raises(SoundsError, match="mohon-tunggu"):
        read_words(few)


def test_a_missing_language_stops_the_start(few):
    (few / "en.toml").unlink()
    with pytest.raises(SoundsError, match=r"en\.toml"):
        read_words(few)


def test_without_any_voice_the_start_fails_and_names_every_prompt(few, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SoundsError) as refused:
        build(few, tmp_path / "out")
    assert len(refused.value.problems) == 2
    assert "apt-get install espeak-ng" in str(refused.value)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (16000, 1)])
def test_a_recorded_prompt_replaces_the_synthetic_voice(rate, channels, few, tmp_path):
    own = tmp_path / "recorded"
    record(own / "id" / "salam.wav", tone(1.5, rate), rate, channels)
    made = build(few, tmp_path / "out", recordings=own)
    assert made.sounds["id"]["salam"].source == "recorded"
    assert made.sounds["en"]["salam"].source == "espeak-ng"
    samples = samples_of(tmp_path / "out" / "id" / "salam.wav")
    assert made.length_s("salam", "id") == pytest.approx(1.65, abs=0.1)
    assert speech_dbfs(samples) == pytest.approx(SPEECH_DBFS, abs=0.5)
    assert made.complaints == ()


def test_a_recording_that_is_changed_is_heard(few, tmp_path):
    own = tmp_path / "recorded"
    record(own / "id" / "salam.wav", tone(1.5))
    before = build(few, tmp_path / "out", recordings=own)
    record(own / "id" / "salam.wav", tone(2.5))
    after = build(few, tmp_path / "out", recordings=own)
    assert after.length_s("salam", "id") > before.length_s("salam", "id") + 0.5
    (own / "id" / "salam.wav").unlink()
    assert build(few, tmp_path / "out", recordings=own).sounds["id"]["salam"].source == "espeak-ng"


@pytest.mark.parametrize("kind", ["silent", "empty", "text", "short header"])
def test_a_bad_recording_is_refused_loudly_and_the_words_are_still_spoken(kind, few, tmp_path):
    own = tmp_path / "recorded"
    file = own / "id" / "salam.wav"
    record(file, tone(1.0) * 0)
    if kind != "silent":
        file.write_bytes({"empty": b"", "text": b"hello" * 50, "short header": b"RIFF"}[kind])
    with capture_logs() as logs:
        made = build(few, tmp_path / "out", recordings=own)
    assert made.sounds["id"]["salam"].source == "espeak-ng"
    assert logs[0]["log_level"] == "error"
    assert "salam" in made.complaints[0]
    assert SoundSet.load(tmp_path / "out").complaints == made.complaints


def test_a_recording_under_a_misspelt_name_is_told(few, tmp_path):
    own = tmp_path / "recorded"
    record(own / "id" / "salm.wav", tone())
    assert "salm.wav" in build(few, tmp_path / "out", recordings=own).complaints[0]


@pytest.fixture
def piper(tmp_path):
    """A command that speaks as Piper does: words on stdin, a 22.05 kHz WAV in --output_file."""
    record(tmp_path / "said.wav", tone(1.2, 22050), 22050)
    command = tmp_path / "piper"
    command.write_text(
        f'#!/bin/sh\nread words\n[ -n "$words" ] && cp {tmp_path}/said.wav "$4"\n',
        encoding="utf-8",
    )
    command.chmod(0o755)
    model = tmp_path / "id.onnx"
    model.write_bytes(b"model")
    return Voice(piper={"id": model}, piper_command=str(command))


def test_a_piper_voice_speaks_where_there_is_one(piper, few, tmp_path):
    made = build(few, tmp_path / "out", piper)
    assert made.sounds["id"]["salam"].source == "piper"
    assert made.sounds["en"]["salam"].source == "espeak-ng"
    assert made.complaints == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"piper_command": "no-such-piper"},
        {"piper_command": "false"},
        {"piper_command": "true"},
        {"piper": {"id": "gone.onnx"}},
    ],
)
def test_a_broken_piper_voice_is_told_and_espeak_speaks(broken, piper, few, tmp_path):
    models = {lang: tmp_path / name for lang, name in broken.get("piper", {}).items()}
    voice = Voice(
        piper=models or piper.piper,
        piper_command=broken.get("piper_command", piper.piper_command),
    )
    with capture_logs() as logs:
        made = build(few, tmp_path / "out", voice)
    assert made.sounds["id"]["salam"].source == "espeak-ng"
    assert [line["log_level"] for line in logs] == ["error"]
    assert "espeak-ng speaks instead of Piper" in made.complaints[0]


def test_music_is_never_louder_than_speech(built, out, tmp_path):
    music = samples_of(build_music(tmp_path))
    assert music.size >= 60 * RATE
    assert peak_dbfs(music) < -6
    loudest_second = max(
        10 * np.log10(np.mean(music[start : start + RATE] ** 2))
        for start in range(0, music.size - RATE, RATE // 4)
    )
    quietest_prompt = min(
        speech_dbfs(samples_of(out / language / f"{name}.wav"))
        for language in built.languages
        for name in built.sounds[language]
    )
    assert loudest_second <= quietest_prompt - 8


def test_music_goes_on_without_a_seam(tmp_path):
    music = samples_of(build_music(tmp_path))
    steps = np.abs(np.diff(music))
    assert abs(music[0] - music[-1]) <= steps.max()
    half = RATE // 2
    around = np.mean(music[:half] ** 2), np.mean(music[-half:] ** 2)
    assert 0.05 < around[0] / around[1] < 20


def test_a_rebuilt_file_appears_whole_or_not_at_all(tmp_path):
    file = tmp_path / "x.wav"
    write_wav(file, tone())
    with file.open("rb") as playing:
        write_wav(file, tone(2.0))
        assert len(playing.read()) == pytest.approx(RATE * 2 + 44)
    assert [each.name for each in tmp_path.iterdir()] == ["x.wav"]


def test_the_telephones_band_is_kept_and_the_rest_is_cut():
    def through(frequency_hz, rate):
        time_s = np.arange(rate) / rate
        heard = to_telephone(0.5 * np.sin(2 * np.pi * frequency_hz * time_s), rate)
        return 10 * np.log10(np.mean(heard[: RATE - 100] ** 2) / 0.125 + 1e-12)

    for rate in (16000, 22050, 44100):
        assert abs(through(1000, rate)) < 0.3
        assert abs(through(3000, rate)) < 0.3
        assert through(50, rate) < -30
        assert through(5000, rate) < -40


def test_long_pauses_are_shortened_and_words_are_not():
    pause = np.zeros(RATE)
    spoken = trim(np.concatenate([pause, tone(1.0), pause, tone(0.5), pause]))
    assert spoken.size / RATE == pytest.approx(0.04 + 1.0 + 0.28 + 0.5 + 0.1, abs=0.06)
    assert trim(np.zeros(RATE)).size == 0


def test_the_tools_the_sounds_need_are_here():
    assert shutil.which("espeak-ng")
    assert shutil.which("sox")
