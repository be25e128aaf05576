import errno
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from call_router.call import Fact
from call_router.seats import SeatFact
from db import spool
from db.spool import BATCH, SpoolFile

EIGHT = datetime(2026, 8, 7, 1, 0, tzinfo=UTC)


def fact(nth):
    return Fact("siaga-1.1", EIGHT + timedelta(seconds=nth), "note", fact_id=str(nth))


class Killed(BaseException):
    """kill -9 at this instant: nothing of ours runs after it."""


@pytest.fixture
def file(tmp_path):
    opened = SpoolFile(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def kept():
    return []


@pytest.fixture
def keep(kept):
    def batch(facts):
        kept.extend(facts)
        return len(facts)

    return batch


def test_facts_of_calls_and_seats_come_back_as_they_were(tmp_path, file, keep, kept):
    told = [fact(1), SeatFact("op1", EIGHT + timedelta(seconds=2), "ready"), fact(3)]
    file.append(told)
    assert spool.merge(tmp_path, keep) == 3
    assert kept == told
    assert spool.merge(tmp_path, keep) == 0


def test_the_disk_holds_a_fact_before_anybody_is_told(tmp_path, file, monkeypatch):
    steps = []
    write, sync, sync_folder = os.write, os.fdatasync, os.fsync
    monkeypatch.setattr(os, "write", lambda *w: (steps.append("write"), write(*w))[1])
    monkeypatch.setattr(os, "fdatasync", lambda fd: (steps.append("sync"), sync(fd)))
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("sync folder"), sync_folder(fd)))
    file.append([fact(1)])
    file.append([fact(2)])
    assert steps == ["sync folder", "write", "sync", "write", "sync"]


def test_an_empty_or_missing_spool_is_nothing_to_do(tmp_path, keep):
    assert spool.merge(tmp_path, keep) == 0
    assert spool.merge(tmp_path / "none", keep) == 0
    assert spool.waiting_bytes(tmp_path / "none") == 0


def test_the_files_of_two_processes_are_told_by_time(tmp_path, keep, kept):
    one, two = SpoolFile(tmp_path), SpoolFile(tmp_path)
    one.append([fact(1), fact(4)])
    two.append([fact(2), fact(3)])
    spool.merge(tmp_path, keep)
    assert [f.fact_id for f in kept] == ["1", "2", "3", "4"]
    one.close()
    two.close()


def test_a_long_spool_goes_home_in_small_batches(tmp_path, file):
    sizes = []
    file.append([fact(nth) for nth in range(BATCH * 2 + 1)])
    spool.merge(tmp_path, lambda facts: sizes.append(len(facts)) or len(facts))
    assert sizes == [BATCH, BATCH, 1]


def test_who_writes_after_a_merge_begins_a_new_file(tmp_path, file, keep, kept):
    file.append([fact(1)])
    spool.merge(tmp_path, keep)
    file.append([fact(2)])
    assert spool.waiting_bytes(tmp_path) > 0
    spool.merge(tmp_path, keep)
    assert [f.fact_id for f in kept] == ["1", "2"]


def test_who_writes_during_a_merge_is_not_lost(tmp_path, file, kept):
    def keep_and_write(facts):
        kept.extend(facts)
        if len(kept) == 1:
            file.append([fact(2)])
        return len(facts)

    file.append([fact(1)])
    spool.merge(tmp_path, keep_and_write)
    spool.merge(tmp_path, keep_and_write)
    assert [f.fact_id for f in kept] == ["1", "2"]


def test_threads_that_write_and_merge_together_lose_nothing(tmp_path, kept):
    stop = threading.Event()

    def write(first):
        mine = SpoolFile(tmp_path)
        for nth in range(first, first + 100):
            mine.append([fact(nth)])
        mine.close()

    def merge():
        while not stop.is_set():
            spool.merge(tmp_path, lambda facts: kept.extend(facts) or len(facts))

    merger = threading.Thread(target=merge)
    writers = [threading.Thread(target=write, args=[first]) for first in (0, 1000, 2000)]
    for thread in [merger, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    merger.join()
    spool.merge(tmp_path, lambda facts: kept.extend(facts) or len(facts))
    assert len(kept) == len({f.fact_id for f in kept}) == 300


def test_a_second_merge_leaves_the_first_alone(tmp_path, file):
    seen = []

    def meanwhile(facts):
        seen.append(spool.merge(tmp_path, lambda _: pytest.fail("merged twice")))
        return len(facts)

    file.append([fact(1)])
    assert spool.merge(tmp_path, meanwhile) == 1
    assert seen == [0]


def test_a_database_in_trouble_leaves_every_fact_in_the_spool(tmp_path, file, keep, kept):
    file.append([fact(1)])

    def fail(_):
        raise OSError("locked")

    with pytest.raises(OSError, match="locked"):
        spool.merge(tmp_path, fail)
    assert spool.waiting_bytes(tmp_path) > 0
    assert spool.merge(tmp_path, keep) == 1
    assert kept == [fact(1)]


def test_a_line_without_its_end_was_never_promised(tmp_path, file, keep, kept):
    file.append([fact(1)])
    (path,) = tmp_path.glob("*.jsonl")
    with path.open("ab") as torn:
        torn.write(fact(2).to_json().encode()[:-5])
    spool.merge(tmp_path, keep)
    assert kept == [fact(1)]
    assert not (tmp_path / "refused.txt").exists()


def test_a_line_that_is_no_fact_is_set_aside_and_holds_up_nobody(tmp_path, file, keep, kept):
    file.append([fact(1)])
    (path,) = tmp_path.glob("*.jsonl")
    with path.open("ab") as broken:
        broken.write(b"\x00\x00\xff\n")
    file.append([fact(2)])
    spool.merge(tmp_path, keep)
    assert kept == [fact(1), fact(2)]
    assert (tmp_path / "refused.txt").read_bytes() == b"\x00\x00\xff\n"


def test_a_full_disk_cuts_no_line_in_two(tmp_path, file, keep, kept, monkeypatch):
    file.append([fact(1)])
    write = os.write

    def half(fd, data):
        write(fd, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            file.append([fact(2)])
    file.append([fact(3)])
    spool.merge(tmp_path, keep)
    assert kept == [fact(1), fact(3)]


STEPS = ("rename", "keep before", "keep after", "unlink")


@pytest.mark.parametrize("nth", range(3))
@pytest.mark.parametrize("step", STEPS)
def test_a_merge_killed_at_any_step_begins_again_and_loses_nothing(
    tmp_path, monkeypatch, step, nth
):
    files = [SpoolFile(tmp_path) for _ in range(3)]
    for first, file in enumerate(files):
        file.append([fact(first * 100 + second) for second in range(90)])
        file.close()
    committed, count = {}, dict.fromkeys(STEPS, 0)

    def reach(here):
        count[here] += 1
        if here == step and count[here] == nth + 1:
            raise Killed

    def keep(facts):
        reach("keep before")
        new = {f.fact_id: f for f in facts if f.fact_id not in committed}
        committed.update(new)
        reach("keep after")
        return len(new)

    rename, unlink = Path.rename, Path.unlink
    with monkeypatch.context() as killed:
        killed.setattr(Path, "rename", lambda *words: (reach("rename"), rename(*words)))
        killed.setattr(Path, "unlink", lambda *words: (reach("unlink"), unlink(*words)))
        with pytest.raises(Killed):
            spool.merge(tmp_path, keep)
    spool.merge(tmp_path, keep)
    assert len(committed) == 270
    assert spool.waiting_bytes(tmp_path) == 0
