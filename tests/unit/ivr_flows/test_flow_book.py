from __future__ import annotations

import multiprocessing
import os
import threading

import pytest
from structlog.testing import capture_logs

from ivr_flows import book as book_module
from ivr_flows.book import FlowBook
from ivr_flows.flow import FlowError, Limits

FLOW = """\
kind = "emergency"
title.id = "Uji"
language = "id"
start = "petugas"
[step.petugas]
connect = "policy"
"""
CHANGED = FLOW.replace('"policy"', '"open"')
BAD = FLOW.replace("connect", "conect")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "112.toml").write_text(FLOW, encoding="utf-8")
    return tmp_path


@pytest.fixture
def book(folder, some_prompts):
    return FlowBook(folder, some_prompts(), Limits())


def lane(flow):
    return flow.steps["petugas"].lane


def save(folder, text, name="112"):
    """As editors do: a new file in place of the old."""
    fresh = folder / f"{name}.new"
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(folder / f"{name}.toml")


def test_a_saved_change_is_heard_by_the_next_caller(folder, book):
    assert lane(book.flow("112")) is None
    save(folder, CHANGED)
    assert lane(book.flow("112")) == "open"


def test_a_change_of_the_same_length_in_the_same_file_is_seen(folder, book):
    file = folder / "112.toml"
    before = file.stat()
    file.write_text(FLOW.replace("policy", "silence"[:6]), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with capture_logs() as logs:
        assert lane(book.flow("112")) is None  # "silenc" is no lane: refused, so it was read
    assert [line["event"] for line in logs] == ["flow_refused"]


def test_an_unchanged_flow_costs_no_reading(book, monkeypatch):
    monkeypatch.setattr(book_module, "load", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr(book_module, "digest", lambda *_: pytest.fail("hashed again"))
    assert book.flow("112") is book.flow("112")


def test_a_touched_flow_is_not_loaded_again(folder, book, monkeypatch):
    flow = book.flow("112")
    monkeypatch.setattr(book_module, "load", lambda *_: pytest.fail("loaded again"))
    save(folder, FLOW)
    assert book.flow("112") is flow


def test_a_bad_change_is_refused_once_and_the_old_flow_stays(folder, book):
    save(folder, BAD)
    with capture_logs() as logs:
        flows = [book.flow("112") for _ in range(3)]
    assert [lane(flow) for flow in flows] == [None] * 3
    (line,) = logs
    assert (line["log_level"], line["event"]) == ("error", "flow_refused")
    assert "112.toml:6: unknown word `conect`" in " ".join(line["problems"]) or (
        "112.toml:5: step" in " ".join(line["problems"])
    )


def test_a_repaired_flow_is_taken_up_again(folder, book):
    save(folder, BAD)
    book.flow("112")
    save(folder, CHANGED)
    assert lane(book.flow("112")) == "open"


def test_going_back_to_the_old_words_after_a_bad_change_works(folder, book):
    save(folder, BAD)
    book.flow("112")
    save(folder, FLOW)
    with capture_logs() as logs:
        assert lane(book.flow("112")) is None
    assert [line["event"] for line in logs] == ["flow_taken_up"]


def test_a_removed_file_leaves_callers_their_flow(folder, book):
    (folder / "112.toml").unlink()
    with capture_logs() as logs:
        assert [lane(book.flow("112")) for _ in range(2)] == [None, None]
    assert [line["event"] for line in logs] == ["flow_refused"]


def test_a_new_flow_can_be_added_while_the_centre_runs(folder, book):
    save(folder, CHANGED, "uji")
    assert lane(book.flow("uji")) == "open"
    assert book.names() == ("112", "uji")


@pytest.mark.parametrize("name", ["113", "", "../112", "/etc/passwd", "112.toml", "A" * 500])
def test_a_flow_that_is_not_there_is_refused(name, book):
    with pytest.raises(FlowError):
        book.flow(name)


def test_a_centre_with_a_bad_flow_does_not_start_and_hears_of_all(folder, some_prompts):
    save(folder, BAD)
    save(folder, FLOW.replace('"id"', '"xx"'), "uji")
    with pytest.raises(FlowError) as refused:
        FlowBook(folder, some_prompts(), Limits())
    assert {problem.file for problem in refused.value.problems} == {
        str(folder / "112.toml"),
        str(folder / "uji.toml"),
    }


def test_a_centre_without_flows_does_not_start(tmp_path, some_prompts):
    with pytest.raises(FlowError):
        FlowBook(tmp_path, some_prompts(), Limits())


def test_while_one_caller_reads_the_change_others_are_not_kept_waiting(folder, book, monkeypatch):
    reading, go_on = threading.Event(), threading.Event()
    really = book_module.load

    def slowly(*args):
        reading.set()
        assert go_on.wait(10)
        return really(*args)

    monkeypatch.setattr(book_module, "load", slowly)
    save(folder, CHANGED)
    first = []
    reader = threading.Thread(target=lambda: first.append(book.flow("112")))
    reader.start()
    assert reading.wait(10)
    assert lane(book.flow("112")) is None
    go_on.set()
    reader.join(10)
    assert lane(first[0]) == "open"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_worker_forked_in_the_middle_of_a_change_still_takes_changes_up(folder, book):
    assert book._reading.acquire(blocking=False)  # another thread was reading at the fork
    save(folder, CHANGED)
    fork = multiprocessing.get_context("fork")
    heard = fork.SimpleQueue()
    worker = fork.Process(target=lambda: heard.put(lane(book.flow("112"))))
    worker.start()
    worker.join(10)
    assert heard.get() == "open"
    book._reading.release()
