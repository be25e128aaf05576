"""The ground of `bench calls`: a whole trial centre, and beside ours the same call without us.

Three numbers ring in the same Asterisk, on the same trunk, with the same prompt, and wait in the
same queue: 112 is ours; `BARE` is Answer, Read of a key and Queue; `BARE_RECORDED` also records
as ours does. The extra conf is written behind the rendered one, for the bench only.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from centre.trial import PHONE_IP, Shape, TrialCentre
from centre.trial_settings import TRUNK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS: Final = "112"
BARE: Final = "1128"
BARE_RECORDED: Final = "1129"
QUEUE: Final = "112"
QUEUE_WAIT_S: Final = 40
MOST_CALLS: Final = 2000
PHONES: Final = 60
"""At 20 calls/s of some 1.5 s each a third of them is busy."""
_BUSY: Final = "Custom:bench"

_DIALPLAN: Final = f"""
[from-trunk-{TRUNK}](+)
exten => {BARE},1,Goto(bench-bare,s,1)
exten => {BARE_RECORDED},1,Goto(bench-bare-recorded,s,1)

[bench-bare]
exten => s,1,Answer()
 same => n,Read(BENCH_KEY,siaga/salam-112,1,,1,3)
 same => n,Queue({QUEUE},ci,,,{QUEUE_WAIT_S})
 same => n,Hangup()

[bench-bare-recorded]
exten => s,1,Set(FILE=${{SIAGA_RECORDINGS}}/bench/${{UNIQUEID}})
 same => n,MixMonitor(${{FILE}}.wav,r(${{FILE}}-caller.wav)t(${{FILE}}-other.wav)i(BENCH_MIX))
 same => n,Goto(bench-bare,s,1)
"""

_PHONE: Final = """
[b{n}]
type = endpoint
context = nowhere
identify_by = ip
aors = b{n}
disallow = all
allow = alaw
direct_media = no
rtp_symmetric = yes
device_state_busy_at = 1

[b{n}]
type = aor
contact = sip:b{n}@{ip}:{port}
"""


@dataclass(frozen=True, slots=True)
class Seats:
    """Who sits at the queue: `PHONES` phones that a SIPp answers at `port`, or (0) nobody free."""

    port: int = 0

    def members(self) -> str:
        """The queue's members; without phones one who is always talking to somebody else."""
        if not self.port:
            return f"member => PJSIP/101,0,Busy,{_BUSY}\n"
        return "".join(f"member => PJSIP/b{n},0,B{n}\n" for n in range(PHONES))

    def endpoints(self) -> str:
        """The phones' endpoints; they have no password, as nobody else is on this loopback."""
        count = PHONES if self.port else 0
        return "".join(_PHONE.format(n=n, ip=PHONE_IP, port=self.port) for n in range(count))


@contextmanager
def ground(seats: Seats) -> Iterator[TrialCentre]:
    """A running trial centre with the bench's numbers and seats."""
    centre = TrialCentre(Shape(limits={"queue_wait_s": QUEUE_WAIT_S}))
    _write(centre.house.plan.directories.etc, seats)
    with centre:
        if not seats.port:
            centre.asterisk(f"devstate change {_BUSY} INUSE")
        yield centre


def _write(etc: Path, seats: Seats) -> None:
    more = {
        "modules.conf": "\nload = app_read.so\n",
        "extensions.conf": _DIALPLAN,
        "queues.conf": f"\n[{QUEUE}](+)\n{seats.members()}",
        "pjsip.conf": seats.endpoints(),
    }
    for name, text in more.items():
        with (etc / name).open("a", encoding="utf-8") as conf:
            conf.write(text)
    limits = etc / "asterisk.conf"
    text = re.sub(r"maxcalls = \d+", f"maxcalls = {MOST_CALLS}", limits.read_text("utf-8"))
    limits.write_text(text, encoding="utf-8")
