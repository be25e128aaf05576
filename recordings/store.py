"""What each call's recording holds when the call is over.

Three files stand below a recordings folder, named by a stem `<YYYY>/<MM>/<DD>/<call_id>`:
`.wav` (both sides mixed), `-caller.wav` (the caller's voice), `-other.wav` (everything the caller
heard). `finish` never raises for a bad file: what is wrong with it is a problem in words, and a
problem never stops a call.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from recordings import wave_file
from recordings.wave_file import RATE_HZ, NotOurSound, Sound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

SILENT_BELOW_DBFS: Final = -60.0
"""A 100 ms piece quieter than this is silence: A-law's own idle noise lies about 66 dB down."""
LEGS_APART_S: Final = 0.5
PIECE_SAMPLES: Final = RATE_HZ // 10
_FULL_SCALE: Final = 32768.0
_HASH_BLOCK: Final = 1 << 18


class Leg(StrEnum):
    """The three files of a call."""

    MIXED = "mixed"
    CALLER = "caller"
    OTHER = "other"


_ENDINGS: Final[Mapping[Leg, str]] = {
    Leg.MIXED: ".wav",
    Leg.CALLER: "-caller.wav",
    Leg.OTHER: "-other.wav",
}
_NAMES: Final[Mapping[Leg, str]] = {
    Leg.MIXED: "rekaman campuran / mixed recording",
    Leg.CALLER: "suara penelepon / caller's leg",
    Leg.OTHER: "suara untuk penelepon / other leg",
}


@dataclass(frozen=True, slots=True)
class LegFacts:
    """One file: levels in dB below full scale (`-inf`: digital silence), lengths in s.

    `silent`: no 100 ms of it was louder than `SILENT_BELOW_DBFS`.
    """

    path: Path
    sha256: str
    seconds: float
    rms_dbfs: float
    peak_dbfs: float
    longest_silence_s: float
    silent: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The files of a call that could be read, and every problem in words (Bahasa / English)."""

    files: Mapping[Leg, LegFacts]
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether all three files are there, sound and without a problem."""
        return not self.problems


def stem(call_id: str, rang_at: datetime) -> str:
    """The stem of a call's files, `<YYYY>/<MM>/<DD>/<call_id>`, by the day of `rang_at` as given.

    Raises ValueError for a call id that would leave its folder.
    """
    if not call_id or "/" in call_id or call_id.startswith("."):
        raise ValueError(f"not a call id to name files by: {call_id!r}")
    return f"{rang_at:%Y/%m/%d}/{call_id}"


def paths(stem: str) -> Mapping[Leg, str]:
    """The three files of `stem`, relative to the recordings folder."""
    return {leg: f"{stem}{ending}" for leg, ending in _ENDINGS.items()}


def finish(folder: Path, stem: str, *, repair: bool = True) -> Finished:
    """Measure the files of a call that is over; see the module's words on errors.

    With `repair`, a header that a crash left behind is set right in place (and told as a
    problem). Memory stays below 2 MB whatever the length.
    """
    files: dict[Leg, LegFacts] = {}
    problems: list[str] = []
    for leg, name in paths(stem).items():
        try:
            sound = wave_file.look(folder / name)
            if not sound.finalised:
                problems.append(_unfinalised(leg, sound, repair=repair))
                if repair:
                    wave_file.repair(sound)
            files[leg] = measure(sound)
        except FileNotFoundError:
            problems.append(f"{_NAMES[leg]}: tidak ada / missing")
        except NotOurSound as finding:
            problems.append(f"{_NAMES[leg]}: {finding}")
        except OSError as error:
            problems.append(f"{_NAMES[leg]}: tidak terbaca / unreadable: {error.strerror}")
    return Finished(files, (*problems, *_silences(files), *_unequal(files)))


def measure(sound: Sound) -> LegFacts:
    """Hash and levels of one file, in bounded memory; raises OSError."""
    level = _Level()
    for block in wave_file.blocks(sound):
        level.take(block)
    with sound.path.open("rb") as file:
        digest = hashlib.sha256()
        while part := file.read(_HASH_BLOCK):
            digest.update(part)
    return LegFacts(
        path=sound.path,
        sha256=digest.hexdigest(),
        seconds=round(sound.seconds, 3),
        rms_dbfs=_dbfs(np.sqrt(level.energy / max(sound.samples, 1))),
        peak_dbfs=_dbfs(level.peak),
        longest_silence_s=round(level.longest * PIECE_SAMPLES / RATE_HZ, 1),
        silent=not level.heard,
    )


@dataclass(slots=True)
class _Level:
    """The level of a file, taken block by block in pieces of 100 ms."""

    energy: float = 0.0
    peak: float = 0.0
    heard: bool = False
    longest: int = 0
    _quiet: int = 0
    _rest: wave_file.Samples = field(default_factory=lambda: np.zeros(0, np.int16))

    def take(self, block: wave_file.Samples) -> None:
        wide = block.astype(np.float64)
        # Not `wide @ wide`: BLAS then keeps its other threads spinning, 25 ms of a core each time.
        self.energy += float(np.square(wide).sum())
        self.peak = max(self.peak, float(np.abs(wide).max(initial=0.0)))
        joined = np.concatenate([self._rest, block])
        whole = len(joined) // PIECE_SAMPLES * PIECE_SAMPLES
        self._rest = joined[whole:]
        pieces = joined[:whole].astype(np.float64).reshape(-1, PIECE_SAMPLES)
        floor = _FULL_SCALE * 10 ** (SILENT_BELOW_DBFS / 20)
        for loud in np.sqrt(np.mean(pieces**2, axis=1)) > floor:
            self._quiet = 0 if loud else self._quiet + 1
            self.heard = self.heard or bool(loud)
            self.longest = max(self.longest, self._quiet)


def _dbfs(amplitude: float) -> float:
    return round(20 * float(np.log10(amplitude / _FULL_SCALE)), 1) if amplitude else -np.inf


def _unfinalised(leg: Leg, sound: Sound, *, repair: bool) -> str:
    done = "diperbaiki / repaired" if repair else "tidak diperbaiki / left as it is"
    claimed = sound.header_samples / RATE_HZ
    return (
        f"{_NAMES[leg]}: kepala berkas belum ditutup / header not finalised "
        f"({claimed:.1f} s -> {sound.seconds:.1f} s), {done}"
    )


def _silences(files: Mapping[Leg, LegFacts]) -> list[str]:
    return [
        f"{_NAMES[leg]}: kosong / empty" if not facts.seconds else f"{_NAMES[leg]}: sunyi / silent"
        for leg, facts in files.items()
        if facts.silent
    ]


def _unequal(files: Mapping[Leg, LegFacts]) -> list[str]:
    return [
        f"panjang tidak sama / lengths differ: {_NAMES[one]} {files[one].seconds:.1f} s, "
        f"{_NAMES[two]} {files[two].seconds:.1f} s"
        for one, two in combinations(files, 2)
        if abs(files[one].seconds - files[two].seconds) > LEGS_APART_S
    ]
