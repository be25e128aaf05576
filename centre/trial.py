"""A whole centre on loopback with its own free ports: what demo, stories and benches stand on.

Everything in it is real: the same programs, the same configuration, a real Asterisk. Only the
waits are shorter than a city's, so that a story is told in seconds.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import SOCK_DGRAM
from typing import TYPE_CHECKING, Any, Self

from centre import house, settings, trial_settings
from centre.actors.phone import Phone
from centre.centre import Centre, free_port
from centre.openings import open_database
from centre.trial_settings import NAMES, OUTSIDE_IP, PINS
from db import calls as call_rows
from db.store import reading
from ivr_flows.sounds import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from call_router.call import Call
    from centre.actors.deeds import Deed
    from centre.actors.phone import AnswerAfter, Busy, Line, NeverAnswer, RejectWith
    from db.calls import Entry

PHONE_IP = "127.0.0.3"


class NotInTimeError(AssertionError):
    """What was waited for did not become true; the message says what, and what was there."""


def until(
    what: str, true: Callable[[], Any], within_s: float = 15.0, every_s: float = 0.05
) -> Any:
    """Return the first truthy value of `true()`. Raises NotInTimeError after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        if value := true():
            return value
        if time.monotonic() > deadline:
            raise NotInTimeError(f"not within {within_s:.0f} s: {what}")
        time.sleep(every_s)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a trial centre differs from the usual one.

    `limits` are the policy's; `changes` are words of siaga.toml by section, put into each row
    where a section has several: `{"trunks": {"dead_air_s": 6}}`.
    """

    limits: Mapping[str, int] = ()  # type: ignore[assignment]
    ring_all: tuple[str, ...] = ()
    outside: bool = False
    phones: int = 3
    changes: Mapping[str, Mapping[str, Any]] = ()  # type: ignore[assignment]


class TrialCentre:
    """A centre that lives for the length of a `with` block.

    `folder` is kept when given, else temporary. `say` hears the steps of the setting up.
    """

    def __init__(
        self,
        shape: Shape | None = None,
        folder: Path | None = None,
        say: Callable[[str], None] = lambda _words: None,
    ) -> None:
        self.shape = shape or Shape()
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="siaga-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._say = say
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.outside_port = free_port(SOCK_DGRAM, OUTSIDE_IP)
        self.settings_file = trial_settings.write(self.folder, self.shape, self.outside_port)
        self.settings = settings.load(self.settings_file)
        _borrow_sounds(self.settings)
        self.house = house.prepare(self.settings, say)
        self.centre = Centre(self.house, self.settings_file, tied=True)
        self.engine = open_database(self.settings)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._wait(self.centre.start())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self.centre.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.engine.dispose()
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self, deed: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(deed, self._loop).result(120)

    @property
    def sip(self) -> tuple[str, int]:
        """Where trunks and phones reach this centre."""
        return self.settings.sip_host, self.settings.sip_port

    def pid(self, program: str) -> int:
        """The process id of one of the centre's programs."""
        return self.centre.supervisor.pid(program)

    def asterisk(self, command: str) -> str:
        """Ask this centre's Asterisk on its own console."""

        async def ask() -> str:
            asking = await asyncio.create_subprocess_exec(
                *self.house.asterisk_command("-rx", command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            return (await asking.communicate())[0].decode(errors="replace")

        return str(self._wait(ask()))

    def phone(
        self,
        number: str,
        plan: tuple[Deed, ...],
        *,
        answer: AnswerAfter | NeverAnswer | RejectWith | Busy | None = None,
        **more: Any,
    ) -> Phone:
        """A call-taker's phone of this centre; `start` makes it ring-able, `sign_in` staffs it."""
        given: dict[str, Any] = {} if answer is None else {"answer": answer}
        return Phone(
            NAMES.get(number, number),
            number,
            f"pw-{number}",
            self.sip,
            plan=plan,
            local_ip=PHONE_IP,
            **given,
            **more,
        )

    def police(self, plan: tuple[Deed, ...]) -> Line:
        """The outside number of this centre (Shape.outside), ready to answer."""
        police = Phone(
            "Polisi",
            "110",
            "",
            self.sip,
            plan=plan,
            local_ip=OUTSIDE_IP,
            sip_port=self.outside_port,
        )
        return police.start(register=False)

    def sign_in(self, phone: Phone) -> None:
        """Dial *11 and the PIN on this phone; return once it is a member of the queue."""
        with phone.dial("*11", f"{PINS[phone.user]}#", wait_s=15.0) as dialling:
            dialling.wait_ended(20.0)
        until(f"{phone.user} is signed in", lambda: self._is_ready(phone.user), 5.0, 0.2)

    def _is_ready(self, number: str) -> bool:
        shown = self.asterisk("queue show 112").splitlines()
        return any(f"PJSIP/{number})" in line and "paused" not in line for line in shown)

    def call(self, sip_call_id: str) -> Call | None:
        """The row of a call, by the Call-ID of its INVITE."""
        with reading(self.engine) as connection:
            for call in call_rows.recent(connection, self.settings.centre_id, 500):
                if call.sip_call_id == sip_call_id:
                    return call
        return None

    def calls(self) -> list[Call]:
        """Every call of this centre (up to 100,000), the newest first."""
        with reading(self.engine) as connection:
            return call_rows.recent(connection, self.settings.centre_id, 100_000)

    def told(self, call: Call) -> list[str]:
        """What happened to a call, in order: the `what` of its timeline."""
        return [entry.fact.what for entry in self.timeline(call)]

    def timeline(self, call: Call) -> list[Entry]:
        """All that is known of a call, by time."""
        with reading(self.engine) as connection:
            return call_rows.timeline_of(connection, self.settings.centre_id, call.call_id)

    def ended(self, sip_call_id: str, within_s: float = 15.0) -> Call:
        """Wait for the ending of a call; return its row."""

        def over() -> Call | None:
            call = self.call(sip_call_id)
            return call if call is not None and call.ending is not None else None

        with suppress(NotInTimeError):
            found: Call = until("", over, within_s)
            return found
        raise NotInTimeError(f"call {sip_call_id} has no ending: {self.call(sip_call_id)}")

    def recorded(self, sip_call_id: str, within_s: float = 15.0) -> Call:
        """Wait until the recording of an ended call is hashed and measured; return its row."""
        self.ended(sip_call_id, within_s)

        def finished() -> Call | None:
            call = self.call(sip_call_id)
            return call if call is not None and call.recorded else None

        done: Call = until("the recording is finished", finished, within_s)
        return done

    def recording(self, call: Call, leg: str = "") -> Path:
        """The path of a call's recording: "" both mixed, "-caller", "-other"."""
        return self.settings.folder("recordings") / f"{call.recording}{leg}.wav"


def _borrow_sounds(centre: settings.Settings) -> None:
    """Take the prompts that an earlier trial made; `prepare` makes anew what has changed."""
    cache = Path(tempfile.gettempdir()) / "siaga-112-prompts"
    build(centre.flows_dir / "prompts", cache)
    shutil.copytree(cache, centre.folder("sounds"), dirs_exist_ok=True)
