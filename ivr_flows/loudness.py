"""How loud a sound is, and making every prompt equally loud for a telephone line.

Samples are numpy arrays of float64, shape (n,), full scale ±1.0; levels are dB below full scale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

RATE_HZ = 8000
"""Every file is 8 kHz mono, 16 bit: what alaw and ulaw trunks carry without another conversion."""

SPEECH_DBFS = -20.0
"""Level of all prompts while somebody speaks. Near ITU-T P.56 telephone speech (-26 dBov) and
6 dB above it, because callers listen on a street; leaves 17 dB for the peaks of a voice."""

BAND_HZ = (180.0, 3500.0)
"""What a telephone passes (ITU-T G.712: 300-3400 Hz); the rest only costs loudness."""

_FRAME = RATE_HZ // 50
_QUIETER_THAN_SPEECH_DB = 30.0
_CEILING = 0.84
_KNEE = 0.6
_LEAD = RATE_HZ * 40 // 1000
_TAIL = RATE_HZ * 100 // 1000
_LONGEST_PAUSE = RATE_HZ * 280 // 1000


def to_telephone(samples: Samples, rate_hz: int) -> Samples:
    """Bring `samples` at `rate_hz` to 8 kHz, limited to the telephone's band.

    Works on the whole spectrum at once: exact for the seconds a prompt lasts, and no filter delay.
    """
    if samples.size == 0:
        return samples
    padded = np.concatenate([samples, np.zeros(rate_hz // 10)])
    length = round(padded.size * RATE_HZ / rate_hz)
    spectrum = np.fft.rfft(padded)
    frequency = np.asarray(np.fft.rfftfreq(padded.size, 1 / rate_hz), dtype=np.float64)
    spectrum *= _slope(frequency, BAND_HZ[0] * 0.6, BAND_HZ[0])
    spectrum *= 1 - _slope(frequency, BAND_HZ[1], RATE_HZ / 2 - 50)
    kept = np.zeros(length // 2 + 1, dtype=spectrum.dtype)
    same = min(kept.size, spectrum.size)
    kept[:same] = spectrum[:same]
    return np.asarray(np.fft.irfft(kept, length) * (length / padded.size), dtype=np.float64)


def speech_dbfs(samples: Samples) -> float:
    """Mean level of the frames (20 ms) in which somebody speaks; -inf for silence."""
    power = _frame_power(samples)
    loudest = power.max(initial=0.0)
    if loudest <= 0:
        return float("-inf")
    active = power[power >= loudest * 10 ** (-_QUIETER_THAN_SPEECH_DB / 10)]
    return float(10 * np.log10(active.mean()))


def peak_dbfs(samples: Samples) -> float:
    """Level of the highest sample; -inf for silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    return float("-inf") if peak <= 0 else float(20 * np.log10(peak))


def trim(samples: Samples) -> Samples:
    """Cut silence: 40 ms stay before the words, 100 ms after, 280 ms at most between them."""
    power = _frame_power(samples)
    loud = np.flatnonzero(power >= power.max(initial=0.0) * 10 ** (-40 / 10))
    if loud.size == 0 or power.max() <= 0:
        return samples[:0]
    pieces: list[Samples] = []
    begins = ends = int(loud[0])
    for frame in loud:
        if (frame - ends) * _FRAME > _LONGEST_PAUSE:
            pieces.append(_cut(samples, begins, ends, _LONGEST_PAUSE // 2, _LONGEST_PAUSE // 2))
            begins = int(frame)
        ends = int(frame)
    pieces.append(_cut(samples, begins, ends, _LONGEST_PAUSE // 2, _TAIL))
    joined = np.concatenate(pieces)
    return _faded(joined[_LONGEST_PAUSE // 2 - _LEAD :])


def level(samples: Samples, dbfs: float = SPEECH_DBFS) -> Samples:
    """Bring speech to `dbfs`, its peaks rounded off below -1.5 dBFS instead of clipped."""
    for _ in range(3):
        now = speech_dbfs(samples)
        if now == float("-inf"):
            return samples
        samples = _rounded(samples * 10 ** ((dbfs - now) / 20))
    return samples


def _slope(frequency: Samples, low: float, high: float) -> Samples:
    position = np.clip((frequency - low) / (high - low), 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * position), dtype=np.float64)


def _frame_power(samples: Samples) -> Samples:
    whole = samples.size // _FRAME
    if whole == 0:
        return np.asarray([np.mean(samples**2)] if samples.size else [], dtype=np.float64)
    frames = samples[: whole * _FRAME].reshape(whole, _FRAME)
    return np.asarray((frames**2).mean(axis=1), dtype=np.float64)


def _cut(samples: Samples, first: int, last: int, before: int, after: int) -> Samples:
    """Frames `first` to `last` with `before` and `after` samples of silence around them."""
    words = samples[first * _FRAME : (last + 1) * _FRAME]
    return np.concatenate([np.zeros(before), _faded(words), np.zeros(after)])


def _faded(samples: Samples) -> Samples:
    """Without a click at either end: 5 ms up, 5 ms down."""
    ramp = np.linspace(0.0, 1.0, min(RATE_HZ * 5 // 1000, samples.size // 2))
    faded = samples.copy()
    faded[: ramp.size] *= ramp
    faded[faded.size - ramp.size :] *= ramp[::-1]
    return faded


def _rounded(samples: Samples) -> Samples:
    size = np.abs(samples)
    room = _CEILING - _KNEE
    bent = _KNEE + room * np.tanh((size - _KNEE) / room)
    return np.where(size <= _KNEE, samples, np.sign(samples) * bent)
