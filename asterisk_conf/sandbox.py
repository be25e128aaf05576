"""Asterisk 22 LTS beside the system, without touching it.

Debian 12 has no Asterisk. Its unstable suite has 22 LTS: `mmdebstrap` unpacks it with all its
libraries into one folder, and it runs there through its own dynamic loader, as a user of its own,
without chroot. An Asterisk 20 or 22 that the city has installed is used instead when present.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = ("asterisk", "asterisk-modules")
SUITE = "sid"
SUPPORTED = (20, 22)
_COMPLETE = ".complete"


class NoAsteriskError(RuntimeError):
    """No Asterisk can be used or made here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Asterisk:
    """An Asterisk that can be started: the words that start it, and where its parts are."""

    command: tuple[str, ...]
    modules: Path
    documentation: Path
    version: str
    sandboxed: bool

    @property
    def major(self) -> int:
        """20 or 22."""
        match = re.search(r"\d+", self.version)
        return int(match[0]) if match else 0


FOLDER = Path("/var/cache/siaga-112/asterisk-22")
"""The sandbox that root made: one a machine, shared by every clone and every user."""


def default_folder() -> Path:
    """Where the sandbox lives: root's when it is there or we are root, else one of our own."""
    if os.geteuid() == 0 or (FOLDER / _COMPLETE).exists():
        return FOLDER
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "siaga-112" / "asterisk-22"


def find(mode: str = "auto", folder: Path | None = None) -> Asterisk | None:
    """Return an Asterisk that is here already: installed (20 or 22), else the sandboxed one.

    `mode`: "installed", "sandbox" or "auto" (installed first). None when there is none.
    """
    if mode in ("auto", "installed") and (program := shutil.which("asterisk")):
        version = _version((program,))
        for modules in (
            Path("/usr/lib/asterisk/modules"),
            *Path("/usr/lib").glob("*-linux-gnu/asterisk/modules"),
        ):
            if modules.is_dir():
                found = Asterisk(
                    (program,),
                    modules,
                    Path("/usr/share/asterisk/documentation"),
                    version,
                    sandboxed=False,
                )
                if found.major in SUPPORTED:
                    return found
    if mode in ("auto", "sandbox"):
        return _sandboxed(folder or default_folder())
    return None


def _sandboxed(folder: Path) -> Asterisk | None:
    if not (folder / _COMPLETE).exists():
        return None
    loaders = sorted(folder.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*"))
    if not loaders:
        return None
    libraries = loaders[0].parent
    command = (
        str(loaders[0]),
        "--library-path",
        str(libraries),
        str(folder / "usr/sbin/asterisk"),
    )
    return Asterisk(
        command,
        libraries / "asterisk/modules",
        folder / "usr/share/asterisk/documentation",
        _version(command),
        sandboxed=True,
    )


def _version(command: tuple[str, ...]) -> str:
    answer = subprocess.run(
        [*command, "-V"], capture_output=True, text=True, check=False, timeout=30
    )
    return answer.stdout.strip().removeprefix("Asterisk ")


def install(say: Callable[[str], None], folder: Path | None = None) -> Asterisk:
    """Make the sandbox (about 30 s, 300 MB) unless it is there; tell `say` what happens.

    It is built in a folder beside its place and renamed when complete, so that a build that was
    interrupted, or two at once, never leave half a sandbox. Raises NoAsteriskError.
    """
    folder = folder or default_folder()
    if found := _sandboxed(folder):
        return found
    if shutil.which("mmdebstrap") is None:
        raise NoAsteriskError(
            "mmdebstrap is missing: apt-get install mmdebstrap, or install Asterisk 20 or 22"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    building.chmod(0o755)
    say(f"Asterisk 22 LTS: unpacking Debian packages into {folder} (about 30 s)")
    answer = subprocess.run(
        [
            "mmdebstrap",
            "--variant=apt",
            "--quiet",
            f"--include={','.join(PACKAGES)}",
            '--aptopt=APT::Install-Recommends "false"',
            '--aptopt=Acquire::Check-Valid-Until "false"',
            SUITE,
            str(building),
            _mirror(),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108  # mmdebstrap needs a world-readable one
    )
    if answer.returncode != 0:
        shutil.rmtree(building, ignore_errors=True)
        tail = "\n".join(answer.stderr.strip().splitlines()[-5:])
        raise NoAsteriskError(f"mmdebstrap could not unpack Asterisk:\n{tail}")
    (building / _COMPLETE).touch()
    try:
        building.rename(folder)
    except OSError:  # somebody else finished first, or an unfinished one lies there
        if not (folder / _COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            building.rename(folder)
        else:
            shutil.rmtree(building, ignore_errors=True)
    found = _sandboxed(folder)
    if found is None or found.major not in SUPPORTED:
        raise NoAsteriskError(f"what was unpacked into {folder} does not run as Asterisk 22")
    say(f"Asterisk {found.version} is ready")
    return found


def _mirror() -> str:
    """The mirror this machine's own apt settings name."""
    answer = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE) $(COMPONENT)"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in answer.stdout.splitlines():
        uri, _, rest = line.partition(" ")
        if "security" not in uri and "security" not in rest and "main" in rest:
            return uri
    raise NoAsteriskError(
        "apt on this machine names no Debian mirror: add one to /etc/apt and run apt-get update"
    )
