"""Which tones a recording holds, and when: audio is proved by its tone.

A caller and a call-taker of a test speak in different tones; a recording that holds both, with no
gap, lost nobody. Each frame of 20 ms is asked for each frequency (a Goertzel filter, done as one
product per block); neighbouring frames join into spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from recordings import wave_file
from recordings.wave_file import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Span = tuple[float, float]

FRAME_MS: Final = 20
_THRESHOLD: Final = 0.02
_FULL_SCALE: Final = 32768.0


def tones(
    path: Path,
    freqs: Sequence[float],
    *,
    frame_ms: int = FRAME_MS,
    threshold: float = _THRESHOLD,
    join_ms: float = 0.0,
) -> Mapping[float, list[Span]]:
    """When each of `freqs` (Hz) sounds in `path`: spans of (start, end) in s, in order.

    A tone sounds in a frame where its amplitude exceeds `threshold` of full scale; frequencies
    must lie at least 2000 / `frame_ms` Hz apart. Gaps up to `join_ms` are closed. Raises
    wave_file.NotOurSound and OSError as `wave_file.look` does, ValueError for tones too close.
    """
    closest = min(np.diff(sorted(freqs)), default=np.inf)
    if closest < 2000 / frame_ms:
        raise ValueError(f"tones {closest:g} Hz apart cannot be told apart in {frame_ms} ms")
    frame = RATE_HZ * frame_ms // 1000
    loud = np.concatenate([np.zeros((0, len(freqs))), *_amplitudes(path, freqs, frame)])
    step = frame_ms / 1000
    return {
        freq: _joined(_spans(loud[:, n] > threshold, step), join_ms / 1000)
        for n, freq in enumerate(freqs)
    }


def seconds_of(spans: Sequence[Span]) -> float:
    """How long a tone sounded altogether, in s."""
    return sum(end - start for start, end in spans)


def largest_gap_ms(spans: Sequence[Span], within: Span | None = None) -> float:
    """The largest silence of a tone in ms, between its spans or inside `within` (start, end) s.

    Without `within`, from its first to its last sound. inf when it never sounded.
    """
    if not spans:
        return float("inf")
    start, end = within or (spans[0][0], spans[-1][1])
    gaps, heard_to = [0.0], start
    for begins, ends in spans:
        if ends <= start or begins >= end:
            continue
        gaps.append(begins - heard_to)
        heard_to = max(heard_to, ends)
    gaps.append(end - heard_to)
    return round(max(gaps) * 1000, 3)


def _amplitudes(
    path: Path, freqs: Sequence[float], frame: int
) -> Iterator[npt.NDArray[np.float64]]:
    """Per block: the amplitude of each frequency in each frame, as a share of full scale."""
    window = np.hanning(frame)
    time = np.arange(frame) / RATE_HZ
    probe = np.exp(-2j * np.pi * np.outer(time, freqs)) * (window * 2 / window.sum())[:, None]
    rest = np.zeros(0, np.int16)
    for block in wave_file.blocks(wave_file.look(path)):
        joined = np.concatenate([rest, block])
        whole = len(joined) // frame * frame
        rest = joined[whole:]
        frames = joined[:whole].reshape(-1, frame) / _FULL_SCALE
        yield np.abs(frames @ probe)


def _spans(sounding: npt.NDArray[np.bool_], step_s: float) -> list[Span]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sounding, [False]])))
    return [
        (round(float(start) * step_s, 3), round(float(end) * step_s, 3))
        for start, end in edges.reshape(-1, 2)
    ]


def _joined(spans: list[Span], gap_s: float) -> list[Span]:
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap_s:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
