"""Database and spool locked, read-only, gone, full: no caller waits for them, no fact is lost."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from breaking import Town, at_the_desks, reach

from call_router.call import Reason, Result
from centre.trial import until
from db.spool import waiting_bytes

NOT_DELAYED_S = 2.5  # 0.6 s to the key, 0.2 s to the answer, and what a busy machine adds
ONCE = ("menu", "key", "hand_over", "queued", "answered", "left", "ended")


@pytest.fixture(scope="module")
def town():
    """A centre whose database and spool stand on small disks of their own."""
    if os.geteuid() != 0:
        pytest.fail("this story mounts small disks of its own: run it as root")
    folder = Path(tempfile.mkdtemp(prefix="siaga-faults-"))  # Asterisk's user may pass
    disks = [folder / "db", folder / "spool"]
    for disk in disks:
        disk.mkdir()
        mount("-t", "tmpfs", "-o", "size=16m", "siaga-test", disk)
    database = {"url": f"sqlite:///{folder}/db/siaga.db"}
    try:
        with Town(2, folder=folder, changes={"database": database}) as centre:
            yield centre
    finally:
        for disk in disks:
            subprocess.run(["umount", "--lazy", disk], check=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def desk(town):
    with at_the_desks(town) as line:
        reach(town, line, within_s=10.0)  # everything of this town has worked once
        yield line


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def database_of(town):
    return town.folder / "db" / "siaga.db"


def spool_of(town):
    return town.settings.folder("spool")


@contextmanager
def locked(town):
    holder = sqlite3.connect(database_of(town), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


@contextmanager
def full(*folders):
    """Not a byte more fits on the disks of these folders."""
    for folder in folders:
        with pytest.raises(OSError, match="No space"):
            fill(folder / "filler")
    try:
        yield
    finally:
        for folder in folders:
            (folder / "filler").unlink()


def fill(path):
    with path.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"\0" * 4096)


def empty_write_ahead_log(town):
    """Else a full disk would not be noticed before the log's own pages are used up."""
    with sqlite3.connect(database_of(town)) as connection:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    return not busy


def backup(town, path):
    source, target = sqlite3.connect(database_of(town)), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    return path


def remove_database(town):
    for path in database_of(town).parent.glob("siaga.db*"):
        path.unlink()


def restore(town, path):
    remove_database(town)
    path.rename(database_of(town))


def is_whole(town, person):
    """The row has every moment of the call in order; each fact stands once, kept by time."""
    until("the spool is merged", lambda: waiting_bytes(spool_of(town)) == 0)
    row = town.recorded(person.call_id, 20.0)
    moments = [row.rang_at, row.menu_at, row.key_at, row.handed_over_at, row.queued_at]
    moments += [row.answered_at, row.ended_at]
    assert all(moments), row
    assert moments == sorted(moments)
    assert (row.lane, row.first_key, row.fallback_why) == ("pressed", "0", "")
    assert (row.ending.result, row.ending.reason) == (Result.ANSWERED, Reason.CALL_TAKER_HUNG_UP)
    times = Counter(town.told(row))
    assert {what: times[what] for what in ONCE} == dict.fromkeys(ONCE, 1)
    ours = [entry.seq for entry in town.timeline(row) if entry.fact.what in ONCE[:3]]
    assert ours == sorted(ours)
    return row


def test_alice_is_not_delayed_though_the_database_is_locked(town, desk, figure):
    with locked(town):
        alice = reach(town, desk, within_s=6.0)
        assert waiting_bytes(spool_of(town)) > 0
    row = is_whole(town, alice)
    figure("database locked: ring to a call-taker", row.wait_s)
    assert row.wait_s < NOT_DELAYED_S


def test_bambang_is_not_delayed_though_the_database_is_deleted(town, desk, figure):
    copy = backup(town, database_of(town).with_name("backup"))
    remove_database(town)
    bambang = reach(town, desk, within_s=6.0)
    assert waiting_bytes(spool_of(town)) > 0
    copy.rename(database_of(town))
    row = is_whole(town, bambang)
    figure("database deleted: ring to a call-taker", row.wait_s)
    assert row.wait_s < NOT_DELAYED_S


def test_citra_is_not_delayed_though_the_databases_disk_is_full(town, desk, figure):
    until("the log is empty", lambda: empty_write_ahead_log(town))
    with full(database_of(town).parent):
        citra = reach(town, desk, within_s=6.0)
        assert waiting_bytes(spool_of(town)) > 0
    row = is_whole(town, citra)
    figure("database's disk full: ring to a call-taker", row.wait_s)
    assert row.wait_s < NOT_DELAYED_S


def test_dewi_is_not_delayed_though_all_starts_anew_on_a_read_only_database(town, desk, figure):
    disk = database_of(town).parent
    mount("--bind", disk, disk)
    try:
        mount("-o", "remount,bind,ro", disk)
        for program in ("conversations", "conversations-standby", "keeper"):
            kill_and_await(town, program)
        dewi = reach(town, desk, within_s=6.0)
        assert waiting_bytes(spool_of(town)) > 0
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
    row = is_whole(town, dewi)
    figure("database read-only: ring to a call-taker", row.wait_s)
    assert row.wait_s < NOT_DELAYED_S


@pytest.mark.unsteady
def test_ekos_row_is_made_by_asterisk_alone_though_neither_database_nor_spool_takes_a_fact(
    town, desk, figure
):
    until("the log is empty", lambda: empty_write_ahead_log(town))
    with full(database_of(town).parent, spool_of(town)):
        eko = reach(town, desk, within_s=6.0)
        assert town.call(eko.call_id) is None
        kill_and_await(town, "conversations")  # and what they had in memory is gone
    row = town.recorded(eko.call_id, 20.0)
    figure("neither database nor spool: ring to a call-taker", row.wait_s)
    assert row.wait_s < NOT_DELAYED_S
    assert (row.lane, row.answered_by != "") == ("pressed", True)
    assert (row.ending.result, row.ending.reason) == (Result.ANSWERED, Reason.CALL_TAKER_HUNG_UP)
    told = Counter(town.told(row))
    assert told["hand_over"] == 0  # what FastAGI had to say is lost
    assert [told[what] for what in ("queued", "answered", "left", "ended", "recorded")] == [1] * 5


def test_fitris_and_gitas_rows_come_again_though_an_older_backup_is_restored(town, desk):
    copy = backup(town, database_of(town).with_name("older"))
    people = [reach(town, desk, within_s=6.0) for _ in range(2)]
    before = [town.recorded(person.call_id) for person in people]
    restore(town, copy)
    for person, row in zip(people, before, strict=True):
        again = town.ended(person.call_id)
        # What only FastAGI told is gone with the database; Asterisk's account is not.
        assert (again.call_id, again.lane, again.ending) == (row.call_id, row.lane, row.ending)
        assert (again.answered_at, again.ended_at) == (row.answered_at, row.ended_at)
        assert town.told(again).count("ended") == 1
    town.one_row_each()


def kill_and_await(town, program):
    """kill -9 with all its workers, and wait until the supervisor has another one working."""
    before = town.pid(program)
    os.killpg(before, signal.SIGKILL)
    until(f"another {program} runs", lambda: town.pid(program) != before)
    town._wait(town.programs[program].ready())
