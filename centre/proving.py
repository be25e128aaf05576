"""`siaga test`: prepares the ground (programs, Asterisk), then runs pytest over the rooms."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asterisk_conf import sandbox
from centre import ground

if TYPE_CHECKING:
    from collections.abc import Callable

HOUSE = Path(__file__).parent.parent
ROOMS: Final = ("unit", "calls", "conf", "asterisk", "faults", "browser")
UNSTEADY: Final = "unsteady"
PROGRAMS: Final = ("mmdebstrap", "espeak-ng", "sox", "sipp", "postgres")


def run(words: tuple[str, ...], say: Callable[[str], None]) -> int:
    """Run the rooms named in `words` (all when none); other words go to pytest as they are."""
    rooms = [word for word in words if word in ROOMS]
    others = [word for word in words if word not in (*ROOMS, UNSTEADY)]
    if UNSTEADY in words:
        others += ["-m", UNSTEADY]
    folders = [HOUSE / "tests" / room for room in rooms or ROOMS]
    ground.ensure(PROGRAMS, say)
    if sandbox.find() is None:
        sandbox.install(say)
    given = [word for word in others if not word.startswith("-") and word != UNSTEADY]
    targets = [] if given and not rooms else [str(f) for f in folders if f.is_dir()]
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", *targets, *others],
        cwd=HOUSE,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
    )
    return answer.returncode
