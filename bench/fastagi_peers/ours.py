"""Our server, as `centre` runs it: two pinned workers on one shared listening socket.

An argument is the deadline for the header and each command, in seconds.
"""

import logging
import os
import sys

import structlog

from agi.channel import Channel
from agi.server import Settings, listen
from agi.variables import Variable
from agi.wire import Limits
from agi.workers import serve
from bench.fastagi_faults import echo
from bench.fastagi_peers import SOUND


def emergency(channel: Channel) -> None:
    """Play the twelve commands with the verbs that the real menu uses."""
    channel.answer()
    channel.set("CHANNEL(language)", "id")
    channel.get(Variable.SIP_CALL_ID)
    channel.ask([SOUND], keys="0", wait_s=5)
    channel.connect("press_0", 10, "queue,s,1")


def main() -> None:
    """Print the port, then serve."""
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    structlog.configure(  # as in service: JSON lines to a file
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(open(os.devnull, "w")),  # noqa: PTH123, SIM115 # open as long as the process
        cache_logger_on_first_use=True,
    )
    deadline_s = float(sys.argv[1]) if len(sys.argv) > 1 else Limits().command_s
    settings = Settings(limits=Limits(header_s=deadline_s, command_s=deadline_s))
    serve([listener], {"112": emergency, "echo": echo}, settings=settings, drain_s=1)


if __name__ == "__main__":
    main()
