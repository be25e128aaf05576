"""The disk under the recordings: watched, and told to Asterisk when recording must stop."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import structlog

from recordings.guard import DEEDS, Level, Limits, judge

if TYPE_CHECKING:
    from pathlib import Path

    from centre.settings import Settings

log = structlog.get_logger()


class DiskWatch:
    """Remembers the level, because one is left later than it is entered."""

    def __init__(self, settings: Settings) -> None:
        self._limits = limits(settings)
        self.level = Level.OK

    @property
    def may_record(self) -> bool:
        """Whether new calls are recorded."""
        return DEEDS[self.level].record

    def look(self, folder: Path) -> bool:
        """Read the disk's free space; True when the level changed. Raises OSError."""
        usage = shutil.disk_usage(folder)
        level = judge(usage.free, usage.total, self._limits, self.level)
        if level is self.level:
            return False
        self.level = level
        deed = DEEDS[level]
        say = log.warning if deed.warn else log.info
        say("disk", room=level.value, free_gib=round(usage.free / 2**30, 2), words=deed.words)
        return True


def limits(settings: Settings) -> Limits:
    """The bytes an admin wrote; a share of the disk is not added to what he decided."""
    return Limits(
        low_bytes=int(settings.warn_below_gib * 2**30),
        floor_bytes=int(settings.stop_below_gib * 2**30),
        low_share=1e-12,
        floor_share=0.0,
    )
