"""The sound files Asterisk's MixMonitor writes, read even when a crash left them unfinished.

MixMonitor writes 8 kHz mono s16 WAV and sets the two sizes in the header after each part it
appends. A `kill -9` or a power cut leaves them behind the truth: the file's own size is then the
truth.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

RATE_HZ: Final = 8000
SAMPLE_BYTES: Final = 2
BLOCK_SAMPLES: Final = RATE_HZ * 8
_CHUNK_HEAD: Final = 8
_SMALLEST_HEAD: Final = 44
_FURTHEST_DATA: Final = 4096


class NotOurSound(ValueError):  # noqa: N818 - a finding about a file, not a failure of ours
    """The file is no 8 kHz mono s16 WAV; `str()` says what it is."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Where the samples of a file lie: bytes from `begins`, `samples` of them.

    `header_samples` is what the header claims; it differs when the header was not finalised.
    """

    path: Path
    begins: int
    samples: int
    header_samples: int

    @property
    def seconds(self) -> float:
        """The length by the file's own size, in s."""
        return self.samples / RATE_HZ

    @property
    def finalised(self) -> bool:
        """Whether the header tells the same length as the file's size."""
        return self.samples == self.header_samples


def look(path: Path) -> Sound:
    """Find the samples of `path`; raises NotOurSound, or OSError when it cannot be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_FURTHEST_DATA)
    if size < _SMALLEST_HEAD or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise NotOurSound("bukan WAV atau tanpa kepala berkas / no WAV header")
    at, kind = 12, (0, 0, 0, 0)
    while at + _CHUNK_HEAD <= len(head):
        name, length = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and at + 24 <= len(head):
            form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, at + 8)
            kind = (form, channels, rate, bits)
        if name == b"data":
            break
        at += _CHUNK_HEAD + length + length % 2
    else:
        raise NotOurSound("tanpa bagian suara / no data chunk")
    if kind != (1, 1, RATE_HZ, 16):
        raise NotOurSound(f"bukan 8 kHz mono 16 bit / not 8 kHz mono 16 bit: {kind}")
    begins = at + _CHUNK_HEAD
    return Sound(path, begins, max(size - begins, 0) // SAMPLE_BYTES, length // SAMPLE_BYTES)


def blocks(sound: Sound) -> Iterator[Samples]:
    """The samples in blocks of at most `BLOCK_SAMPLES` (8 s, 128 kB); raises OSError."""
    left = sound.samples
    with sound.path.open("rb") as file:
        file.seek(sound.begins)
        while left > 0:
            data = file.read(min(left, BLOCK_SAMPLES) * SAMPLE_BYTES)
            if len(data) < SAMPLE_BYTES:
                return
            part = np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16, copy=False)
            left -= len(part)
            yield part


def repair(sound: Sound) -> None:
    """Write the true sizes into the header in place, durably; raises OSError."""
    data = sound.samples * SAMPLE_BYTES
    with sound.path.open("r+b") as file:
        file.seek(4)
        file.write(struct.pack("<I", sound.begins - 8 + data))
        file.seek(sound.begins - 4)
        file.write(struct.pack("<I", data))
        file.flush()
        os.fsync(file.fileno())
