"""Hold music made here: no licence, no surprise, and never louder than speech.

Soft bells wander over a slow pad in a five-note scale; the tails of the last notes ring into the
first, so the file loops without a seam. All tones stay clear of DTMF's loud steady pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivr_flows.loudness import RATE_HZ, SPEECH_DBFS, Samples
from ivr_flows.sounds import write_wav

if TYPE_CHECKING:
    from pathlib import Path

LENGTH_S = 64
MUSIC_DBFS = SPEECH_DBFS - 14.0
"""RMS of the whole loop: 14 dB below speech, so that even its loudest second stays 8 dB below."""

_BEAT_S = 1.0
_SCALE_HZ = (220.0, 246.94, 293.66, 329.63, 392.0)  # A B D E G: no half-tone, nothing can clash
_PAD_BARS = ((0, 2), (1, 3), (0, 4), (2, 3), (1, 4), (0, 3), (2, 4), (0, 2))
_SEED = 112


def build_music(out_dir: Path) -> Path:
    """Write `tenang.wav` (64 s, 8 kHz mono) into `out_dir`, a folder for musiconhold.conf."""
    file = out_dir / "tenang.wav"
    write_wav(file, hold_music())
    return file


def hold_music() -> Samples:
    """Compose the loop: the same samples every time."""
    loop = np.zeros(LENGTH_S * RATE_HZ)
    chance = np.random.default_rng(_SEED)
    bar_s = LENGTH_S / len(_PAD_BARS)
    for bar, notes in enumerate(_PAD_BARS):
        for note in notes:
            _lay(loop, bar * bar_s - 1.0, _pad(_SCALE_HZ[note], bar_s + 2.0))
    note = 2
    for beat in range(int(LENGTH_S / _BEAT_S)):
        if beat % 4 == 3 or chance.random() < 0.25:
            continue  # rests: what lets it be heard for ten minutes
        note = int(np.clip(note + chance.integers(-2, 3), 0, 2 * len(_SCALE_HZ) - 1))
        octave, step = divmod(note, len(_SCALE_HZ))
        _lay(loop, beat * _BEAT_S, 0.8 * _bell(_SCALE_HZ[step] * 2**octave, 3.5))
    loudness = float(np.sqrt(np.mean(loop**2)))
    return np.asarray(loop * (10 ** (MUSIC_DBFS / 20) / loudness), dtype=np.float64)


def _lay(loop: Samples, at_s: float, sound: Samples) -> None:
    """Add a sound; what reaches past the end goes on at the beginning."""
    places = (round(at_s * RATE_HZ) + np.arange(sound.size)) % loop.size
    np.add.at(loop, places, sound)


def _pad(frequency_hz: float, length_s: float) -> Samples:
    time = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    swell = np.sin(np.pi * time / length_s) ** 2
    beating = np.sin(2 * np.pi * frequency_hz * time) + np.sin(
        2 * np.pi * (frequency_hz + 0.4) * time
    )
    return np.asarray(0.22 * swell * beating, dtype=np.float64)


def _bell(frequency_hz: float, length_s: float) -> Samples:
    time = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    rise = np.minimum(time / 0.02, 1.0)
    end = np.minimum((length_s - time) / 0.2, 1.0)
    partials = sum(
        part * np.exp(-fade * time) * np.sin(2 * np.pi * frequency_hz * ratio * time)
        for ratio, part, fade in ((1.0, 1.0, 1.6), (2.0, 0.25, 2.6), (3.01, 0.08, 4.5))
    )
    return np.asarray(rise * end * partials, dtype=np.float64)
