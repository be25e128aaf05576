"""Where a prompt's sound comes from: a recorded file, a Piper voice, or espeak-ng."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ivr_flows.loudness import RATE_HZ, Samples, speech_dbfs, to_telephone

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYNTHESIS_S = 60
_DECODE_S = 60
_SILENT_DBFS = -55.0


class VoiceError(Exception):
    """A voice could not make a sound, or a recorded file cannot be used; says why and the remedy.

    The caller: never meets it. Sounds are made before a centre answers its first call.
    """


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks the words that nobody has recorded.

    `speed_wpm` is espeak-ng's; at 185 the greeting lasts 3.9 s (6 syllables/s, a calm newsreader).
    `piper` maps a language to a Piper model (.onnx); other languages are spoken by espeak-ng.
    """

    speed_wpm: int = 185
    pitch: int = 45
    espeak: Mapping[str, str] = field(default_factory=lambda: {"id": "id", "en": "en"})
    piper: Mapping[str, Path] = field(default_factory=dict)
    piper_command: str = "piper"

    def spoken_by_espeak(self, words: str, language: str) -> Samples:
        """Speak `words` with espeak-ng. Samples at 8 kHz; VoiceError if it cannot."""
        if shutil.which("espeak-ng") is None:
            raise VoiceError("espeak-ng is not installed: apt-get install espeak-ng")
        made = _run(
            "espeak-ng",
            *("-v", self.espeak.get(language, language)),
            *("-s", str(self.speed_wpm), "-p", str(self.pitch), "-g", "0", "-b", "1"),
            *("--stdout", "--", words),
        )
        return _from_wav(made, "espeak-ng")

    def spoken_by_piper(self, words: str, language: str) -> Samples:
        """Speak `words` with the Piper model of `language`. Samples at 8 kHz; else VoiceError."""
        model = self.piper[language]
        if shutil.which(self.piper_command) is None:
            raise VoiceError(f"Piper is not installed: no command {self.piper_command!r}")
        if not model.is_file():
            raise VoiceError(f"no Piper model at {model}: download it or correct the setting")
        with tempfile.TemporaryDirectory(prefix="siaga-piper-") as folder:
            out = Path(folder, "said.wav")
            _run(
                *(self.piper_command, "--model", str(model), "--output_file", str(out)),
                stdin=words.encode() + b"\n",
            )
            if not out.is_file():
                raise VoiceError(f"{self.piper_command} ended well but wrote no sound")
            return _from_wav(out.read_bytes(), "piper")

    def identity(self, language: str) -> str:
        """All that changes how espeak-ng sounds, for the cache's key."""
        return f"espeak-ng {self.espeak.get(language, language)} {self.speed_wpm} {self.pitch}"

    def piper_identity(self, language: str) -> str:
        """All that changes how Piper sounds, for the cache's key: a new model is a new sound."""
        model = self.piper[language]
        stamp = model.stat() if model.is_file() else None
        return f"piper {model} {stamp.st_size if stamp else 0} {stamp.st_mtime_ns if stamp else 0}"


def recorded(path: Path) -> Samples:
    """Read a recorded prompt. Samples at 8 kHz.

    A mono 8 kHz 16-bit WAV is read as it is; anything else sox can read is brought to that.
    VoiceError if it cannot be read or is silent (quieter than -55 dBFS all through).
    """
    samples = _plain_wav(path)
    if samples is None:
        if shutil.which("sox") is None:
            raise VoiceError(
                f"{path} is not a mono 8 kHz 16-bit WAV and sox is not there to convert it: "
                "apt-get install sox"
            )
        raw = _run(
            *("sox", "-V1", str(path), "-t", "raw", "-e", "signed", "-b", "16"),
            *("-r", str(RATE_HZ), "-c", "1", "-"),
        )
        samples = _from_pcm(raw)
    if speech_dbfs(samples) < _SILENT_DBFS:
        raise VoiceError(f"{path} is silent: record it again or remove it")
    return samples


def _plain_wav(path: Path) -> Samples | None:
    """Read a file that needs no conversion; None if it needs one."""
    try:
        with wave.open(str(path), "rb") as sound:
            if (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) != (1, 2, 8000):
                return None
            return _from_pcm(sound.readframes(sound.getnframes()))
    except (wave.Error, EOFError):
        return None
    except OSError as broken:
        raise VoiceError(f"{path} cannot be read: {broken.strerror}") from broken


def _from_wav(data: bytes, maker: str) -> Samples:
    try:
        with wave.open(io.BytesIO(data), "rb") as sound:
            shape = (sound.getnchannels(), sound.getsampwidth())
            rate_hz = sound.getframerate()
            # espeak-ng writes to a pipe and cannot know the length: read all that came.
            frames = sound.readframes(min(sound.getnframes(), len(data)))
    except (wave.Error, EOFError) as broken:
        raise VoiceError(f"{maker} made no readable sound: {broken}") from broken
    if shape != (1, 2):
        raise VoiceError(f"{maker} made {shape[0]} channels of {shape[1]} bytes, not mono 16 bit")
    samples = _from_pcm(frames)
    if speech_dbfs(samples) < _SILENT_DBFS:
        raise VoiceError(f"{maker} made silence")
    return to_telephone(samples, rate_hz)


def _from_pcm(data: bytes) -> Samples:
    whole = len(data) // 2 * 2
    return np.frombuffer(data[:whole], dtype="<i2").astype(np.float64) / 32768.0


def _run(*command: str, stdin: bytes | None = None) -> bytes:
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=True,
            timeout=max(_SYNTHESIS_S, _DECODE_S),
        )
    except subprocess.CalledProcessError as broken:
        said = broken.stderr.decode(errors="replace").strip().splitlines()
        raise VoiceError(f"{command[0]} failed: {said[-1] if said else broken}") from broken
    except (OSError, subprocess.TimeoutExpired) as broken:
        raise VoiceError(f"{command[0]} failed: {broken}") from broken
    return done.stdout
