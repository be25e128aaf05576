"""pystrix 1.3.0, as its documentation says: a thread for each call."""

import re
import sys
from typing import Any

from pystrix.agi import FastAGIServer, core

from bench.fastagi_peers import KEYS, SOUND


def emergency(agi: Any, *_: Any) -> None:
    """Play the twelve commands."""
    agi.execute(core.SetVariable("TIMEOUT(absolute)", "3"))
    agi.execute(core.Answer())
    agi.execute(core.SetVariable("CHANNEL(language)", "id"))
    agi.execute(core.GetVariable("SIAGA_SIP_CALL_ID"))
    agi.execute(core.SetVariable("TIMEOUT(absolute)", "13"))
    agi.execute(core.StreamFile(SOUND, KEYS))
    agi.execute(core.SetVariable("TIMEOUT(absolute)", "8"))
    agi.execute(core.WaitForDigit(5000))
    agi.execute(core.SetVariable("TIMEOUT(absolute)", "3"))
    agi.execute(core.SetVariable("SIAGA_LANE", "press_0"))
    agi.execute(core.SetVariable("SIAGA_PRIORITY", "10"))
    agi.execute(core.SetVariable("SIAGA_ROUTE", "queue,s,1"))


def main() -> None:
    """Print the port, then serve."""
    server = FastAGIServer("127.0.0.1", 0, daemon_threads=True)
    server.register_script_handler(re.compile("112"), emergency)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
