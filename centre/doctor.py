"""Is every part of a centre well? Each finding in words, with what to do when it is not."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from agi.errors import ManagerError
from agi.manager import Manager
from asterisk_conf import sandbox
from asterisk_conf.modules import APPLICATIONS, EXECUTED
from centre import house
from centre.conversations import QUEUE
from centre.keeping.journal import JournalReader
from centre.openings import open_books, open_database
from db import calls
from db.store import StoreError, reading

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from agi.message import Message
    from asterisk_conf.plan import Trunk
    from centre.settings import Settings

WITHIN_S = 5.0
STALE_JOURNAL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: well or not, what was found, and what to do when it is not."""

    part: str
    well: bool
    words: str
    remedy: str = ""


def _well(part: str, words: str, remedy: str = "") -> Finding:
    return Finding(part, well=True, words=words, remedy=remedy)


def _sick(part: str, words: str, remedy: str) -> Finding:
    return Finding(part, well=False, words=words, remedy=remedy)


def run(settings: Settings, *, as_json: bool) -> int:
    """Examine and print; 0 if all is well, else 1."""
    findings = asyncio.run(examine(settings))
    well = all(finding.well for finding in findings)
    if as_json:
        told = {"centre": settings.centre_id, "at": datetime.now(UTC).isoformat(), "well": well}
        parts = [asdict(finding) for finding in findings]
        sys.stdout.write(json.dumps({**told, "findings": parts}, ensure_ascii=False) + "\n")
    else:
        console = Console(highlight=False)
        for finding in findings:
            mark = "[green]✓ baik [/green]" if finding.well else "[red]✗ SAKIT[/red]"
            console.print(f"{mark} [bold]{finding.part}[/bold]: {finding.words}")
            if finding.remedy:
                console.print(f"         → {finding.remedy}")
        console.print("Semua baik. All is well." if well else "Ada yang perlu dibenahi, di atas.")
    return 0 if well else 1


async def examine(settings: Settings) -> list[Finding]:
    """Look at every part, the independent ones also when another is down."""
    findings = [_asterisk_here(settings), _disk(settings), _database(settings), _spool(settings)]
    for port, name in zip(settings.agi_ports, ("conversations", "stand-by"), strict=True):
        findings.append(await _listening(name, port))
    findings += await _through_the_manager(settings)
    return findings


def _asterisk_here(settings: Settings) -> Finding:
    found = sandbox.find(settings.asterisk_use)
    if found is None:
        remedy = "./siaga asterisk sandbox, or apt-get install asterisk (20 or 22)"
        return _sick("Asterisk", "no Asterisk 20 or 22 on this machine", remedy)
    kind = "sandboxed" if found.sandboxed else "installed"
    return _well("Asterisk", f"{found.version}, {kind}")


def _disk(settings: Settings) -> Finding:
    try:
        free_gib = shutil.disk_usage(settings.folder("recordings")).free / 2**30
    except OSError as error:
        remedy = "start the centre once (./siaga up), or mend data_dir"
        return _sick("disk", f"no recordings folder: {error.strerror}", remedy)
    words = f"{free_gib:.1f} GiB free for recordings"
    if free_gib < settings.stop_below_gib:
        return _sick("disk", f"{words}: recordings are off, calls go on", "free space now")
    if free_gib < settings.warn_below_gib:
        return _sick("disk", f"{words}: low water", "free space or move old recordings")
    return _well("disk", words)


def _database(settings: Settings) -> Finding:
    engine = open_database(settings)
    try:
        with reading(engine) as connection:
            open_calls = len(calls.open_calls(connection, settings.centre_id))
        behind = JournalReader(
            house.directories(settings, settings.data_dir).journal, engine, settings.centre_id
        ).known_behind_bytes()
    except (StoreError, SQLAlchemyError) as error:
        first = str(error).splitlines()[0]
        remedy = "calls go on, their facts wait in the spool; check url, disk, ./siaga db upgrade"
        return _sick("database", first, remedy)
    finally:
        engine.dispose()
    words = f"answers; {open_calls} calls open; journal {behind} bytes behind"
    if behind > STALE_JOURNAL_BYTES:
        return _sick("database", words, "is the keeper running? see run/keeper.log")
    return _well("database", words)


def _spool(settings: Settings) -> Finding:
    books = open_books(settings)
    waiting = books.health().waiting_bytes
    books.close()
    words = f"{waiting} bytes wait to be merged"
    remedy = "" if waiting == 0 else "they merge by themselves once the database is well"
    return Finding("spool", well=waiting == 0, words=words, remedy=remedy)


async def _listening(name: str, port: int) -> Finding:
    try:
        async with asyncio.timeout(WITHIN_S):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
    except (OSError, TimeoutError):
        remedy = "./siaga up starts them; until then callers take the fall-back road"
        return _sick(name, f"nobody listens on port {port}", remedy)
    return _well(name, f"listens on port {port}")


async def _through_the_manager(settings: Settings) -> list[Finding]:
    connected = asyncio.Event()
    manager = Manager(
        "127.0.0.1",
        settings.ami_port,
        house.AMI_USER,
        house.ami_secret(settings),
        lambda _event: None,
        connected.set,
    )
    running = asyncio.create_task(manager.run())
    try:
        async with asyncio.timeout(WITHIN_S):
            await connected.wait()
        return [
            await _running(manager),
            await _applications(manager),
            await _seats(settings, manager),
            *[await _synthetic(settings, manager, trunk) for trunk in settings.trunks],
        ]
    except (TimeoutError, ManagerError) as error:
        words = f"does not answer on its manager port {settings.ami_port} {error}".strip()
        return [_sick("Asterisk running", words, "./siaga up; its words: run/asterisk.log")]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _running(manager: Manager) -> Finding:
    status = await manager.action("CoreStatus")
    since = f"{status.get('CoreStartupDate')} {status.get('CoreStartupTime')}"
    return _well("Asterisk running", f"since {since}, {status.get('CoreCurrentCalls')} calls now")


async def _applications(manager: Manager) -> Finding:
    """An application that is missing would end a call in the middle of its road."""
    missing = []
    needed = sorted(APPLICATIONS | EXECUTED)
    for name in needed:
        answer = await manager.action("Command", Command=f"core show application {name}")
        if "is (are) not registered" in "".join(answer.all("Output")):
            missing.append(name)
    if missing:
        remedy = "use the sandboxed Asterisk or install its modules: asterisk-modules"
        return _sick("dialplan", f"Asterisk lacks {', '.join(missing)}", remedy)
    return _well("dialplan", f"all {len(needed)} applications are there")


async def _seats(settings: Settings, manager: Manager) -> Finding:
    shown = await manager.collect("QueueStatus", Queue=QUEUE, complete_event="QueueStatusComplete")
    members = [m for m in shown if m.event == "QueueMember"]
    ready = [m for m in members if _is_ready(m)]
    paused = [m for m in members if m.get("Paused") == "1"]
    words = f"{len(ready)} ready, {len(paused)} paused, {len(members)} signed in"
    if ready:
        return _well("seats", words)
    remedy = (
        f"call-takers dial *11; until then calls ring {', '.join(settings.ring_all) or 'nobody'}"
    )
    return _sick("seats", words, remedy)


def _is_ready(member: Message) -> bool:
    """Device states of app_queue: 4 invalid, 5 unavailable, 0 unknown."""
    return member.get("Paused") == "0" and member.get("Status") not in {"0", "4", "5"}


async def _synthetic(settings: Settings, manager: Manager, trunk: Trunk) -> Finding:
    """A call from inside to the trunk's test number: dialplan, conversation and books in one."""
    part = f"synthetic call, trunk {trunk.name}"
    tests = [dialled for dialled, flow in trunk.numbers if flow == "test"]
    if not tests:
        remedy = 'give the trunk a test number: numbers = { ..., 1120 = "test" }'
        return _well(part, "not tried: no number of this trunk leads to flow test", remedy)
    name = f"{settings.centre_id}-doctor-{uuid.uuid4().hex[:12]}"
    call_id = f"{name}-call"  # Asterisk refuses an id that another one begins with
    await manager.action(
        "Originate",
        Channel=f"Local/{tests[0]}@from-trunk-{trunk.name}/n",
        Application="Wait",
        Data="4",
        ChannelId=f"{name}-doctor",
        OtherChannelId=call_id,
        CallerID="doctor <0>",
        Async="true",
    )
    engine = open_database(settings)
    try:
        async with asyncio.timeout(WITHIN_S):
            while (menu := await asyncio.to_thread(_menu, settings, engine, call_id)) is None:
                await asyncio.sleep(0.1)
    except TimeoutError:
        remedy = "see run/asterisk.log, run/conversations.log and run/keeper.log"
        return _sick(part, "no menu within 5 s", remedy)
    finally:
        engine.dispose()
    return _well(part, f"in the menu {menu / timedelta(milliseconds=1):.0f} ms after the ring")


def _menu(settings: Settings, engine: Engine, call_id: str) -> timedelta | None:
    """From the ring to the menu; None while the call is not there yet."""
    with reading(engine) as connection:
        call = calls.get(connection, settings.centre_id, call_id)
    return call.menu_at - call.rang_at if call and call.menu_at and call.rang_at else None
