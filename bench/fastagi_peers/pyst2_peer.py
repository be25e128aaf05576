"""pyst2 0.5.1's own AGI class in threads, its signal call neutralised.

Repairs without which it cannot run at all: its call of signal.signal is only allowed in the
main thread, it writes text to a binary socket, and its own server module does not import on
Python 3.
"""

import os
import signal
import socketserver
import sys
from typing import Any

from asterisk.agi import AGI

from bench.fastagi_peers import KEYS, SOUND


def emergency(agi: Any) -> None:
    """Play the twelve commands."""
    agi.set_variable("TIMEOUT(absolute)", "3")
    agi.answer()
    agi.set_variable("CHANNEL(language)", "id")
    agi.get_variable("SIAGA_SIP_CALL_ID")
    agi.set_variable("TIMEOUT(absolute)", "13")
    agi.stream_file(SOUND, KEYS)
    agi.set_variable("TIMEOUT(absolute)", "8")
    agi.wait_for_digit(5000)
    agi.set_variable("TIMEOUT(absolute)", "3")
    agi.set_variable("SIAGA_LANE", "press_0")
    agi.set_variable("SIAGA_PRIORITY", "10")
    agi.set_variable("SIAGA_ROUTE", "queue,s,1")


class _Text:
    """The socket for a class that writes text: its second repair."""

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self.flush = wire.flush

    def write(self, text: str) -> None:
        """Write a command."""
        self._wire.write(text.encode())


class _Call(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        emergency(AGI(stdin=self.rfile, stdout=_Text(self.wfile), stderr=_NOWHERE))


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 1024
    daemon_threads = True
    allow_reuse_address = True


_NOWHERE = open(os.devnull, "w")  # noqa: PTH123, SIM115 # open as long as the process


def main() -> None:
    """Print the port, then serve."""
    signal.signal = lambda *_: None  # AGI() calls it in threads
    with _Server(("127.0.0.1", 0), _Call) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
