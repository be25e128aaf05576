"""Words to sound files: every prompt in every language, equally loud, built once and then cached.

A prompt is spoken by the first of these that can: the centre's recorded file, its Piper voice,
espeak-ng. Whatever is refused on the way is logged and stays in `SoundSet.complaints`, because a
bad recording must not keep a centre from starting; a prompt that nothing can speak does.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import wave
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import structlog

from ivr_flows.loudness import RATE_HZ, Samples, level, trim
from ivr_flows.voices import Voice, VoiceError, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = structlog.get_logger(__name__)

FOLDER = "siaga"
"""Asterisk plays `siaga/<prompt>`: the folder of ours below each language of its sounds."""

LANGUAGES = ("id", "en")
"""Bahasa Indonesia first, English second: the languages every prompt must have words in."""

UNKNOWN_S = 10.0
"""Length assumed for a sound we did not make: long enough for the dead-man's handle."""

SPOKEN_OUTSIDE_FLOWS = (
    *("tetap-di-telepon", "mohon-tunggu", "petugas-lain"),
    *("masukkan-pin", "pin-salah", "sudah-masuk", "sudah-keluar", "jeda", "siap"),
    *("belum-masuk", "anda-dijeda", "kode-gagal"),
)
"""Prompts the dialplan, the queue and the star codes play: no flow names them, all must exist."""

SILENCES_MS = (40, 100, 1000)

_INDEX = "index.json"
_MAKING = "3"  # raised when the same words and voice would sound different


class SoundsError(Exception):
    """Prompts are missing; lists every one. The caller: none yet, the centre does not start."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("prompts are missing:\n" + "\n".join(f"  {p}" for p in problems))


@dataclass(frozen=True, slots=True)
class Sound:
    """One built file: what it says, how long (seconds), who spoke it, and its cache key."""

    words: str
    length_s: float
    source: str
    key: str


@dataclass(frozen=True, slots=True)
class SoundSet:
    """All prompts of a centre: `sounds[language][prompt]`.

    `folder` holds `<language>/<prompt>.wav`; `complaints` are voices and recordings refused.
    """

    folder: Path
    sounds: Mapping[str, Mapping[str, Sound]]
    complaints: tuple[str, ...] = field(default=())

    @classmethod
    def load(cls, folder: Path) -> SoundSet:
        """Read the index of sounds built before. SoundsError if there is none."""
        try:
            read = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
            sounds = {
                language: {name: Sound(**sound) for name, sound in named.items()}
                for language, named in read["sounds"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
            raise SoundsError([f"{folder / _INDEX}: no index of sounds ({broken})"]) from broken
        return cls(folder, sounds, tuple(read.get("complaints", ())))

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages there are sounds in, Bahasa Indonesia first."""
        return tuple(self.sounds)

    def has(self, name: str, language: str) -> bool:
        """Whether prompt `name` can be heard in `language`."""
        return name in self.sounds.get(language, {})

    def words(self, name: str, language: str) -> str:
        """Give what prompt `name` says in `language`. KeyError if there is none."""
        return self.sounds[language][name].words

    def length_s(self, name: str, language: str) -> float:
        """Give the seconds prompt `name` lasts in `language`. KeyError if there is none."""
        return self.sounds[language][name].length_s

    def length_of(self, sound: str) -> float:
        """Give the seconds a sound lasts, named as Asterisk does: `siaga/x` or `en/siaga/x`.

        Without a language the longest of all; 10 s for a sound that is not ours. Never raises.
        """
        *before, name = sound.split("/")
        spoken = [before[0]] if len(before) > 1 else list(self.sounds)
        known = [self.length_s(name, lang) for lang in spoken if self.has(name, lang)]
        return max(known, default=UNKNOWN_S)


def read_words(prompts_dir: Path) -> dict[str, dict[str, str]]:
    """Read `<language>.toml` of every language: `words[language][prompt]`.

    SoundsError lists every prompt that one language has and another lacks, every empty one, and
    every one of SPOKEN_OUTSIDE_FLOWS that is nowhere.
    """
    problems: list[str] = []
    words: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        file = prompts_dir / f"{language}.toml"
        try:
            read = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as broken:
            problems.append(f"{file}: cannot be read: {broken}")
            continue
        words[language] = {n: said for n, said in read.items() if isinstance(said, str)}
        problems += [
            f'{file}: "{name}" has no words: write name = "words"'
            for name, said in read.items()
            if not isinstance(said, str) or not said.strip()
        ]
    wanted = {*SPOKEN_OUTSIDE_FLOWS, *(name for named in words.values() for name in named)}
    problems += [
        f'{prompts_dir / language}.toml: "{name}" is missing: add its words'
        for language, named in words.items()
        for name in sorted(wanted - named.keys())
    ]
    if problems:
        raise SoundsError(problems)
    return words


def build(
    prompts_dir: Path, out_dir: Path, voice: Voice | None = None, recordings: Path | None = None
) -> SoundSet:
    """Make `<out_dir>/<language>/<prompt>.wav` for all words of `prompts_dir`, and the index.

    `recordings` holds the centre's own `<language>/<prompt>.wav`. What is unchanged since the last
    build is kept. Files appear whole or not at all, so a running centre may be rebuilt under its
    callers. SoundsError lists every prompt that cannot be spoken.
    """
    maker = _Maker(out_dir, voice or Voice(), recordings)
    words = read_words(prompts_dir)
    sounds = {
        language: {name: maker.sound(language, name, said) for name, said in named.items()}
        for language, named in words.items()
    }
    maker.complain_about_strays(words)
    if maker.problems:
        raise SoundsError(maker.problems)
    for language in words:
        for length_ms in SILENCES_MS:
            file = out_dir / language / f"hening-{length_ms}ms.wav"
            write_wav(file, np.zeros(RATE_HZ * length_ms // 1000))
    made = SoundSet(
        out_dir,
        {lang: {n: s for n, s in named.items() if s} for lang, named in sounds.items()},
        tuple(maker.complaints),
    )
    _write_index(made)
    return made


def write_wav(file: Path, samples: Samples) -> None:
    """Write samples as 8 kHz mono 16-bit WAV, whole or not at all; unchanged bytes stay."""
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes()
    fresh = file.with_suffix(".wav.new")
    with wave.open(str(fresh), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(whole)
    if file.is_file() and file.read_bytes() == fresh.read_bytes():
        fresh.unlink()
    else:
        fresh.replace(file)


class _Maker:
    """One build: what is cached, who may speak, and what went wrong."""

    def __init__(self, out_dir: Path, voice: Voice, recordings: Path | None) -> None:
        self._out = out_dir
        self._voice = voice
        self._recordings = recordings
        self._cached = _cached(out_dir)
        self._mute: set[str] = set()  # languages whose Piper failed: not tried for each prompt
        self.problems: list[str] = []
        self.complaints: list[str] = []

    def sound(self, language: str, name: str, words: str) -> Sound | None:
        recording = self._recordings and self._recordings / language / f"{name}.wav"
        if recording and recording.is_file():
            try:
                identity = f"recorded {hashlib.sha256(recording.read_bytes()).hexdigest()}"
                return self._made(language, name, words, identity)
            except (VoiceError, OSError) as refused:
                self._complain(f"{language}/{name}: the recording is not used: {refused}")
        if language in self._voice.piper and language not in self._mute:
            try:
                return self._made(language, name, words, self._voice.piper_identity(language))
            except VoiceError as refused:
                self._mute.add(language)
                self._complain(f"{language}: espeak-ng speaks instead of Piper: {refused}")
        try:
            return self._made(language, name, words, self._voice.identity(language))
        except VoiceError as refused:
            self.problems.append(f'{language}: "{name}" cannot be spoken: {refused}')
            return None

    def complain_about_strays(self, words: Mapping[str, Mapping[str, str]]) -> None:
        """Tell of recordings under a misspelt name: they would silently never be heard."""
        for file in sorted(self._recordings.glob("*/*") if self._recordings else ()):
            if file.suffix != ".wav" or file.stem not in words.get(file.parent.name, {}):
                self._complain(f"{file}: no prompt has this name, so it is never heard")

    def _made(self, language: str, name: str, words: str, identity: str) -> Sound:
        key = hashlib.sha256(f"{_MAKING}\n{identity}\n{words}".encode()).hexdigest()
        file = self._out / language / f"{name}.wav"
        before = self._cached.get((language, name))
        if before and before.key == key and file.is_file():
            return before
        source = identity.split(maxsplit=1)[0]
        samples = level(trim(self._spoken(source, language, name, words)))
        write_wav(file, samples)
        return Sound(words, round(samples.size / RATE_HZ, 3), source, key)

    def _spoken(self, source: str, language: str, name: str, words: str) -> Samples:
        if source == "recorded" and self._recordings:
            return recorded(self._recordings / language / f"{name}.wav")
        if source == "piper":
            return self._voice.spoken_by_piper(words, language)
        return self._voice.spoken_by_espeak(words, language)

    def _complain(self, words: str) -> None:
        log.error("voice_refused", reason=words)
        self.complaints.append(words)


def _cached(out_dir: Path) -> dict[tuple[str, str], Sound]:
    try:
        before = SoundSet.load(out_dir)
    except SoundsError:
        return {}  # the first build, or a damaged index: everything is made anew
    return {
        (lang, n): sound for lang, named in before.sounds.items() for n, sound in named.items()
    }


def _write_index(made: SoundSet) -> None:
    index = {
        "sounds": {
            language: {name: asdict(sound) for name, sound in named.items()}
            for language, named in made.sounds.items()
        },
        "complaints": list(made.complaints),
    }
    fresh = made.folder / f"{_INDEX}.new"
    fresh.write_text(json.dumps(index, ensure_ascii=False, indent=1), encoding="utf-8")
    fresh.replace(made.folder / _INDEX)
