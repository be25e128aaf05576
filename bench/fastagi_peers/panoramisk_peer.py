"""panoramisk 1.4, as its documentation says: one asyncio loop."""

import asyncio
import sys

from panoramisk import fast_agi

from bench.fastagi_peers import KEYS, SOUND

COMMANDS = (
    'SET VARIABLE "TIMEOUT(absolute)" "3"',
    "ANSWER",
    'SET VARIABLE "CHANNEL(language)" "id"',
    'GET VARIABLE "SIAGA_SIP_CALL_ID"',
    'SET VARIABLE "TIMEOUT(absolute)" "13"',
    f'STREAM FILE {SOUND} "{KEYS}" 0',
    'SET VARIABLE "TIMEOUT(absolute)" "8"',
    "WAIT FOR DIGIT 5000",
    'SET VARIABLE "TIMEOUT(absolute)" "3"',
    'SET VARIABLE "SIAGA_LANE" "press_0"',
    'SET VARIABLE "SIAGA_PRIORITY" "10"',
    'SET VARIABLE "SIAGA_ROUTE" "queue,s,1"',
)


async def emergency(request: fast_agi.Request) -> None:
    """Play the twelve commands; panoramisk leaves quoting to its user."""
    for command in COMMANDS:
        await request.send_command(command)


async def main() -> None:
    """Print the port, then serve."""
    app = fast_agi.Application(loop=asyncio.get_running_loop())
    app.add_route("112", emergency)
    server = await asyncio.start_server(app.handler, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
