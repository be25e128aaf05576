"""Asterisk's journal is read once, wholly, and never trusted more than it deserves."""

import json
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agi.journal import parse, read_new


def line(
    what="SIAGA_RING", extra="flow=112&num=%2B62812", at="1795309200.123456", call="siaga-1.12"
):
    fields = ["USER_DEFINED", at, "siaga-1.13", call, "PJSIP/trunk-1", what, extra]
    quoted = ['"' + field.replace('"', '""') + '"' for field in fields]
    return ",".join(quoted).encode()


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "siaga.csv"

    def write(*lines, end=b"\n"):
        with path.open("ab") as file:
            file.write(b"".join(one + end for one in lines))

    write.path = path
    return write


def test_a_line_becomes_an_entry():
    entry = parse(line())
    assert entry.at == datetime(2026, 11, 22, 1, 0, 0, 123456, tzinfo=UTC)
    assert (entry.call_id, entry.uniqueid) == ("siaga-1.12", "siaga-1.13")
    assert (entry.channel, entry.what) == ("PJSIP/trunk-1", "ring")
    assert entry.facts == {"flow": "112", "num": "+62812"}
    assert entry.entry_id == parse(line()).entry_id != parse(line(what="SIAGA_ENDED")).entry_id
    assert len(entry.entry_id) == 32


def test_facts_may_come_wrapped_in_json():
    wrapped = json.dumps({"extra": "lane=open&why=a%20b"})
    assert parse(line(extra=wrapped)).facts == {"lane": "open", "why": "a b"}


@pytest.mark.parametrize(
    ("extra", "facts"),
    [
        ("", {}),
        ("a=1&a=2", {"a": "1"}),
        ("a=&b", {"a": "", "b": ""}),
        ("a=%00x", {"a": "�x"}),
        ("a=%E9", {"a": "�"}),
        ('a="q",x', {"a": '"q",x'}),
        ("{}", {}),
    ],
)
def test_odd_facts_are_still_facts_that_can_be_stored(extra, facts):
    assert parse(line(extra=extra)).facts == facts


@pytest.mark.parametrize("at", ["1795309200", "1795309200.5", "1795309200.1234567"])
def test_times_of_any_precision_are_aware(at):
    assert parse(line(at=at)).at.tzinfo is UTC


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello",
        b'"a","b"',
        line(at="now"),
        line(at="99999999999999999999"),
        line(call=""),
        line(extra="{broken"),
        line(extra='{"extra"'),
        line() + b',"more"',
        b'"USER_DEFINED","1',
        b"\xff\xfe",
    ],
)
def test_garbage_is_passed_over_logged_and_counted(journal, garbage):
    journal(line(), garbage, line(what="SIAGA_ENDED"))
    with structlog.testing.capture_logs() as log:
        batch, offset = read_new(journal.path, 0)
    assert [entry.what for entry in batch] == ["ring", "ended"]
    assert batch.garbage == 1
    assert offset == journal.path.stat().st_size
    assert [entry["lines"] for entry in log] == [1]


def test_an_event_of_somebody_else_is_no_entry_and_no_garbage(journal):
    journal(line(what=""), line(what="OTHER"), line())
    batch, _ = read_new(journal.path, 0)
    assert (len(batch), batch.garbage) == (1, 0)


def test_only_what_is_new_is_read(journal):
    journal(line())
    _, offset = read_new(journal.path, 0)
    assert read_new(journal.path, offset) == ([], offset)
    journal(line(what="SIAGA_ENDED"))
    batch, _ = read_new(journal.path, offset)
    assert [entry.what for entry in batch] == ["ended"]


def test_a_torn_last_line_waits_for_its_end(journal):
    whole = line(what="SIAGA_ENDED")
    journal(line())
    journal(whole[:30], end=b"")
    batch, offset = read_new(journal.path, 0)
    assert [entry.what for entry in batch] == ["ring"]
    journal(whole[30:])
    batch, _ = read_new(journal.path, offset)
    assert [entry.what for entry in batch] == ["ended"]


def test_no_file_yet_is_an_empty_one(tmp_path):
    assert read_new(tmp_path / "none.csv", 7) == ([], 0)


@pytest.mark.parametrize("old_lines", [1, 2, 3])
def test_a_replaced_journal_is_read_from_its_start(journal, old_lines):
    journal(*[line(what="SIAGA_RING", call=f"siaga-1.{n}" + "x" * n) for n in range(old_lines)])
    _, offset = read_new(journal.path, 0)
    journal.path.unlink()
    journal(line(), line(what="SIAGA_ENDED"))
    with structlog.testing.capture_logs() as log:
        batch, _ = read_new(journal.path, offset)
    assert [entry.what for entry in batch] == ["ring", "ended"]
    assert "journal" in log[0]["event"]


def test_a_batch_is_bounded_and_the_rest_comes_next(journal):
    journal(*[line(call=f"siaga-1.{n}") for n in range(100)])
    seen, offset, reads = [], 0, 0
    while True:
        batch, following = read_new(journal.path, offset, max_bytes=1000)
        if following == offset:
            break
        seen += batch
        offset, reads = following, reads + 1
    assert [entry.call_id for entry in seen] == [f"siaga-1.{n}" for n in range(100)]
    assert reads > 5


def test_a_line_longer_than_a_batch_is_passed_over(journal):
    journal(b"x" * 5000, line())
    batch, offset = read_new(journal.path, 0, max_bytes=1000)
    assert (batch, batch.garbage, offset) == ([], 1, 5001)
    batch, _ = read_new(journal.path, offset, max_bytes=1000)
    assert [entry.what for entry in batch] == ["ring"]


def test_an_endless_line_is_waited_for_not_swallowed(journal):
    journal(b"x" * 5000, end=b"")
    assert read_new(journal.path, 0, max_bytes=1000) == ([], 0)


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(0, 500))
def test_whatever_is_in_the_file_reading_goes_on(tmp_path_factory, lines, offset):
    path = tmp_path_factory.mktemp("j") / "siaga.csv"
    path.write_bytes(b"\n".join([*lines, line(), b""]))
    with structlog.testing.capture_logs():
        batch, following = read_new(path, offset)
        while following < path.stat().st_size:
            more, following = read_new(path, following)
            batch += more
    if offset <= len(b"\n".join(lines)) or offset > path.stat().st_size:
        assert batch[-1].what == "ring"
