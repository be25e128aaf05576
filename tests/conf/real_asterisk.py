"""The sandboxed Asterisk with the rendered configuration, for the length of a test module."""

import os
import subprocess
import tempfile
import time
import wave
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, socket

import renew

from asterisk_conf import sandbox
from asterisk_conf.plan import Directories
from asterisk_conf.render import write
from centre import house, settings

PATIENCE_S = 60.0


class RealAsterisk:
    """One running Asterisk; `ask` speaks to its console."""

    def __init__(self, command: list[str], plan, process: subprocess.Popen, output: Path) -> None:
        self.command = command
        self.plan = plan
        self.process = process
        self.output = output

    def ask(self, words: str) -> str:
        answer = subprocess.run(
            [*self.command, "-rx", words], capture_output=True, text=True, check=True, timeout=30
        )
        return answer.stdout

    def complaints(self) -> list[str]:
        """Every line of its console and its log that is an error or a warning."""
        log = (self.plan.directories.log / "messages").read_text()
        lines = [*self.output.read_text().splitlines(), *log.splitlines()]
        signs = ("WARNING", "ERROR", "Could not", "could not", "Unable", "failed")
        return [line for line in lines if any(sign in line for sign in signs)]


@contextmanager
def running():
    """Start Asterisk on the golden plan, with folders of its own and free ports of loopback.

    The folders are not pytest's: those are closed to every user but the one who runs the tests.
    """
    with tempfile.TemporaryDirectory(prefix="siaga-conf-") as folder:
        yield from _running(Path(folder))


def _running(folder: Path):
    folder.chmod(0o755)
    found = sandbox.find("sandbox") or sandbox.install(lambda _words: None)
    plan = here(folder, found)
    command = [*found.command, "-C", str(plan.directories.etc / "asterisk.conf")]
    output = folder / "console"
    with output.open("wb") as console:
        process = subprocess.Popen(
            [*command, "-f", "-n"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            user=house.ASTERISK_UID if os.geteuid() == 0 else None,
            group=house.ASTERISK_UID if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
        )
    try:
        asterisk = RealAsterisk(command, plan, process, output)
        wait_until_booted(asterisk)
        yield asterisk
    finally:
        process.terminate()
        process.wait(30)


def here(folder: Path, found: sandbox.Asterisk):
    """The golden plan with this machine's folders and ports; folders made, files written."""
    names = ("etc", "data", "lib", "run", "spool", "log", "recordings")
    at = {name: folder / name for name in names}
    plan = replace(
        house.plan(settings.load(renew.SETTINGS), found.modules, ami_secret="rahasia"),
        directories=Directories(modules=found.modules, **at),
        sip_host="127.0.0.1",
        sip_port=free_port(SOCK_DGRAM),
        ami_port=free_port(SOCK_STREAM),
        external_address="",
        local_networks=(),
    )
    for path in (
        *at.values(),
        at["lib"] / "keys",
        at["data"] / "moh",
        plan.directories.journal.parent,
    ):
        path.mkdir(parents=True, exist_ok=True)
    with wave.open(str(at["data"] / "moh" / "tenang.wav"), "wb") as music:
        music.setparams((1, 2, 8000, 0, "NONE", ""))
        music.writeframes(bytes(16000))
    (at["data"] / "documentation").symlink_to(found.documentation)
    write(plan, at["etc"])
    if os.geteuid() == 0:
        for path in (*folder.rglob("*"), folder):
            os.chown(path, house.ASTERISK_UID, house.ASTERISK_UID, follow_symlinks=False)
    return plan


def wait_until_booted(asterisk: RealAsterisk) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert asterisk.process.poll() is None, asterisk.output.read_text()
        answer = subprocess.run(
            [*asterisk.command, "-rx", "core waitfullybooted"],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if "fully booted" in answer.stdout:
            return
        time.sleep(0.1)
    raise AssertionError(f"not booted: {asterisk.output.read_text()}")


def free_port(kind: int) -> int:
    with socket(AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
