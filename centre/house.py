"""What must stand before a centre opens: folders, sounds, database, Asterisk's configuration."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asterisk_conf import render, sandbox
from asterisk_conf.plan import Directories, Plan, Waits
from asterisk_conf.units import Units
from call_router.policy_file import load_rules
from db.store import upgrade
from ivr_flows.music import build_music
from ivr_flows.sounds import SoundSet, build
from ivr_flows.voices import Voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from centre.settings import Settings

ASTERISK_UID = 61112
"""Asterisk's own user: a number nobody else has, so that nothing is added to the system."""

AMI_USER = "siaga"


@dataclass(frozen=True, slots=True)
class House:
    """A centre's folders and its Asterisk, ready to be started."""

    settings: Settings
    asterisk: sandbox.Asterisk
    plan: Plan
    sounds: SoundSet

    @property
    def run(self) -> Path:
        """Pid files, logs of programs, secrets of this start."""
        return self.settings.folder("run")

    @property
    def asterisk_uid(self) -> int | None:
        """The user Asterisk runs as; None (ourselves) when we are not root."""
        return ASTERISK_UID if os.geteuid() == 0 else None

    def asterisk_command(self, *words: str) -> list[str]:
        """Asterisk with this centre's configuration."""
        conf = self.plan.directories.etc / "asterisk.conf"
        return [*self.asterisk.command, "-C", str(conf), *words]


def directories(settings: Settings, modules: Path) -> Directories:
    """Where this centre's Asterisk keeps its things, all below `data_dir`."""
    asterisk = settings.folder("asterisk")
    return Directories(
        etc=asterisk / "etc",
        modules=modules,
        data=asterisk / "data",
        lib=asterisk / "lib",
        run=asterisk / "run",
        spool=asterisk / "spool",
        log=asterisk / "log",
        recordings=settings.folder("recordings"),
    )


def plan(settings: Settings, modules: Path, *, ami_secret: str, major: int = 22) -> Plan:
    """What Asterisk's configuration is rendered from, for these settings."""
    limits = load_rules(settings.policy_file).limits
    return Plan(
        centre_id=settings.centre_id,
        language=settings.language,
        directories=directories(settings, modules),
        sip_host=settings.sip_host,
        sip_port=settings.sip_port,
        rtp_first=settings.rtp_first,
        rtp_last=settings.rtp_last,
        agi_ports=settings.agi_ports,
        ami_port=settings.ami_port,
        ami_user=AMI_USER,
        ami_secret=ami_secret,
        trunks=settings.trunks,
        phones=settings.phones,
        ring_all=settings.ring_all,
        outside=settings.outside,
        pause_reasons=settings.pauses,
        waits=Waits(
            queue_s=limits.queue_wait_s,
            ring_s=limits.ring_s,
            ring_all_s=limits.ring_all_s,
            outside_s=limits.outside_s,
            agi_first_word_s=settings.agi_first_word_s,
            lost_phone_s=settings.lost_phone_s,
        ),
        external_address=settings.external_address,
        local_networks=settings.local_networks,
        max_calls=settings.max_calls,
        major=major,
    )


def units(settings: Settings, settings_file: Path, asterisk: tuple[str, ...]) -> Units:
    """What the systemd units of this centre are rendered from."""
    return Units(
        centre_id=settings.centre_id,
        house=Path(__file__).parent.parent,
        settings=settings_file,
        data=settings.data_dir,
        etc=directories(settings, settings.data_dir).etc,
        asterisk_command=asterisk,
        local_database=settings.database_url.startswith("sqlite"),
        uid=ASTERISK_UID,
    )


def ami_secret(settings: Settings) -> str:
    """This centre's secret for Asterisk's manager interface, made at first use."""
    path = settings.folder("run") / "ami.secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24), encoding="ascii")
    return path.read_text(encoding="ascii")


def build_sounds(settings: Settings) -> SoundSet:
    """Make every prompt and the hold music; raises SoundsError naming what is missing."""
    own = settings.folder("recorded")
    piper = settings.piper_model if settings.voice_engine == "piper" else ""
    sounds = build(
        settings.flows_dir / "prompts",
        settings.folder("sounds"),
        Voice(piper={settings.language: Path(piper)} if piper else {}),
        own if own.is_dir() else None,
    )
    build_music(settings.folder("sounds") / "moh")
    return sounds


def prepare(settings: Settings, say: Callable[[str], None]) -> House:
    """Make everything a centre needs, telling `say` each step; all of it may be done again.

    Raises NoAsteriskError, SoundsError, RenderError or a database error: a centre that cannot
    answer calls does not pretend to start.
    """
    asterisk = sandbox.find(settings.asterisk_use)
    if asterisk is None:
        asterisk = sandbox.install(say)
    say(f"Asterisk {asterisk.version}{' (sandboxed)' if asterisk.sandboxed else ''}")
    made = plan(settings, asterisk.modules, ami_secret=ami_secret(settings), major=asterisk.major)
    _make_folders(settings, made.directories, asterisk)
    say("prompts and music")
    sounds = build_sounds(settings)
    _show_sounds(settings, made.directories, sounds)
    say("database")
    upgrade(settings.database_url)
    say("Asterisk's configuration")
    render.write(made, made.directories.etc)
    house = House(settings, asterisk, made, sounds)
    _give_to(house.asterisk_uid, settings)
    return house


def _make_folders(settings: Settings, places: Directories, asterisk: sandbox.Asterisk) -> None:
    for folder in (
        settings.folder("run"),
        settings.folder("spool"),
        places.etc,
        places.data / "sounds",
        places.lib / "keys",
        places.run,
        places.spool,
        places.journal.parent,
        places.recordings,
    ):
        folder.mkdir(parents=True, exist_ok=True)
    if asterisk.documentation.is_dir():
        _link(places.data / "documentation", asterisk.documentation)


def _show_sounds(settings: Settings, places: Directories, sounds: SoundSet) -> None:
    """Let Asterisk find `siaga/<prompt>` in each language, and the music."""
    links = {places.data / "moh": settings.folder("sounds") / "moh"}
    for language in sounds.languages:
        links[places.data / "sounds" / language / "siaga"] = settings.folder("sounds") / language
    for link, target in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        _link(link, target)


def _link(link: Path, target: Path) -> None:
    """Make `link` lead to `target`, also when an earlier one leads to what is gone."""
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _give_to(uid: int | None, settings: Settings) -> None:
    """Asterisk owns what it writes and reads its configuration and the sounds, not our secrets."""
    if uid is None:
        return
    settings.data_dir.chmod(0o755)
    for folder in (settings.folder("asterisk"), settings.folder("recordings")):
        for root, folders, files in os.walk(folder):
            for name in (".", *folders, *files):
                path = os.path.join(root, name)  # noqa: PTH118  # os.walk speaks strings
                if os.lstat(path).st_uid != uid:
                    os.chown(path, uid, uid, follow_symlinks=False)
