"""A FastAGI service of its own process, with conversations that misbehave on purpose.

Run as ``python fastagi_service.py WORKERS SLOTS DRAIN_S``; prints its port.
"""

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from agi.channel import Channel
from agi.server import Settings, listen
from agi.wire import Limits
from agi.workers import serve
from bench.fastagi_faults import echo


def whoami(channel: Channel) -> None:
    channel.set("PID", os.getpid())


def wait(channel: Channel) -> None:
    channel.ask([], keys="0", wait_s=60)
    channel.set("WAITED", "1")


def freeze(_: Channel) -> None:
    threading.Event().wait()


def crash(_: Channel) -> None:
    raise KeyError("+628123456789")


def leave(_: Channel) -> None:
    raise SystemExit(3)


CONVERSATIONS = {
    "echo": echo,
    "whoami": whoami,
    "wait": wait,
    "freeze": freeze,
    "crash": crash,
    "leave": leave,
}


if __name__ == "__main__":
    workers, slots, drain_s = sys.argv[1:]
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    serve(
        [listener],
        CONVERSATIONS,
        workers=int(workers),
        settings=Settings(slots=int(slots), limits=Limits(header_s=0.5, command_s=0.5)),
        drain_s=float(drain_s),
    )
