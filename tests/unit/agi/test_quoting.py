"""Whatever a caller is called, one value stays one argument of one command."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import Refused
from agi.quoting import command_line, quote

ANY_TEXT = st.text(st.characters(codec="utf-8"))


def asterisk_reads(line: bytes) -> list[str]:
    """Split a command line as Asterisk 22 does (res_agi.c, parse_args)."""
    words, word, quoted, escaped, begun = [], [], False, False, False
    for sign in line.decode("utf-8", "surrogateescape").removesuffix("\n"):
        if escaped or sign not in '\\" \t':
            word.append(sign)
            begun, escaped = True, False
        elif sign == "\\":
            escaped = True
        elif sign == '"':
            quoted, begun = not quoted, True
        elif quoted:
            word.append(sign)
        elif begun:
            words.append("".join(word))
            word, begun = [], False
    return [*words, "".join(word)] if begun else words


@given(ANY_TEXT, ANY_TEXT)
def test_asterisk_reads_what_was_meant_or_nothing_is_sent(name, value):
    try:
        line = command_line("SET VARIABLE", (quote(name), quote(value)), 8191)
    except Refused:
        assert (
            any(ord(sign) < 32 or ord(sign) == 127 for sign in name + value) or len(value) > 1000
        )
        return
    assert line.count(b"\n") == 1
    assert asterisk_reads(line) == ["SET", "VARIABLE", name, value]


@given(st.lists(ANY_TEXT.filter(str.strip), min_size=1, max_size=4))
def test_unquoted_arguments_are_quoted_when_they_need_it(arguments):
    try:
        line = command_line("EXEC", tuple(arguments), 8191)
    except Refused:
        return
    assert asterisk_reads(line) == ["EXEC", *arguments]


@given(st.binary())
def test_any_byte_of_a_name_comes_through(raw):
    try:
        line = command_line("SET VARIABLE", (quote("A"), quote(raw)), 8191)
    except Refused:
        return
    escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    assert line == b'SET VARIABLE "A" "' + escaped + b'"\n'


def test_the_length_counts_bytes_not_signs():
    with pytest.raises(Refused):
        command_line("NOOP", ("é" * 50,), 100)
