"""The Debian packages this machine must have: looked for, installed if we may, else named."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PACKAGES: Final = {
    "mmdebstrap": "mmdebstrap",  # unpacks the sandboxed Asterisk
    "espeak-ng": "espeak-ng",  # speaks the prompts
    "sox": "sox",  # reads a city's own recordings
    "sipp": "sip-tester",  # callers and call-takers of the demo and the tests
    "postgres": "postgresql",  # the tests prove both databases
}


class GroundError(RuntimeError):
    """A program is missing and could not be installed; the message says what to type."""


def missing(programs: Iterable[str]) -> list[str]:
    """Return which of these programs are not on this machine."""
    return [program for program in programs if not _here(program)]


def ensure(programs: Iterable[str], say: Callable[[str], None]) -> None:
    """Install what is missing through apt when we are root. Raises GroundError."""
    wanted = [PACKAGES[program] for program in missing(programs)]
    if not wanted:
        return
    command = f"apt-get install {' '.join(wanted)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise GroundError(f"missing here: {', '.join(wanted)}. As root: {command}")
    say(f"installing from Debian: {', '.join(wanted)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        ("update", "-qq"),
        ("install", "-y", "-qq", "--no-install-recommends", *wanted),
    ):
        answer = subprocess.run(
            ["apt-get", *words],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        if answer.returncode != 0:
            tail = "\n".join(answer.stderr.strip().splitlines()[-3:])
            raise GroundError(f"{command} failed:\n{tail}")


def _here(program: str) -> bool:
    if shutil.which(program):
        return True
    return program == "postgres" and any(
        os.access(f"/usr/lib/postgresql/{version}/bin/postgres", os.X_OK)
        for version in range(13, 20)
    )
