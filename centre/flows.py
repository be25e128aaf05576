"""`siaga flow`: check, draw and try the files that say what callers hear."""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from call_router.policy_file import load_rules
from centre import settings as settings_file
from ivr_flows import flow as flows
from ivr_flows.picture import draw as picture
from ivr_flows.problems import Limits
from ivr_flows.rehearsal import rehearse as play
from ivr_flows.sounds import SoundsError, SoundSet, build

if TYPE_CHECKING:
    from call_router.rules import Rules
    from ivr_flows.problems import Prompts

HOUSE = Path(__file__).parent.parent


class Workbench:
    """What a flow is judged by: the centre's policy and prompts, or the shipped ones.

    Without a centre here (no siaga.toml) the shipped words are spoken once into a cache, because
    how long a prompt lasts is part of the judgement.
    """

    def __init__(self, settings_path: Path | None) -> None:
        try:
            settings = settings_file.load(settings_file.find(settings_path))
        except settings_file.SettingsError:
            if settings_path is not None:
                raise
            self.rules: Rules = load_rules()
            self.zone = ZoneInfo("Asia/Jakarta")
            self.sounds: Prompts = _shipped_sounds()
        else:
            self.rules = load_rules(settings.policy_file)
            self.zone = settings.time_zone
            try:
                self.sounds = SoundSet.load(settings.folder("sounds"))
            except SoundsError:  # the centre was never started
                self.sounds = _shipped_sounds()

    @property
    def limits(self) -> Limits:
        """What this centre holds its flows to."""
        lanes = frozenset(self.rules.lanes)
        return Limits(self.rules.limits.answer_within_s, lanes, self.zone)

    def load(self, file: Path) -> flows.Flow:
        """Load one flow. Raises FlowError."""
        return flows.load(file, self.sounds, self.limits)


def _shipped_sounds() -> SoundSet:
    cache = Path(tempfile.gettempdir()) / "siaga-112-prompts"
    return build(HOUSE / "ivr_flows" / "prompts", cache)


def check(settings_path: Path | None, files: tuple[Path, ...]) -> int:
    """Print every problem of every file; 1 if there is any."""
    bench = Workbench(settings_path)
    refused = 0
    for file in files:
        problems = flows.check(file, bench.sounds, bench.limits)
        for problem in problems:
            sys.stdout.write(f"{problem}\n")
        if problems:
            refused += 1
        else:
            sys.stdout.write(f"{file}: baik / passed\n")
    return 1 if refused else 0


def draw(settings_path: Path | None, file: Path) -> int:
    """Write the flow's picture to standard output."""
    sys.stdout.write(picture(Workbench(settings_path).load(file)))
    return 0


def rehearse(settings_path: Path | None, file: Path) -> int:
    """Play the flow in the terminal."""
    bench = Workbench(settings_path)
    play(
        bench.load(file),
        bench.sounds,
        bench.rules,
        keyboard=sys.stdin,
        screen=sys.stdout,
        clock=lambda: datetime.now(bench.zone),
    )
    return 0
