from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.lines import lines_of

TEXT = (
    '''\
# a comment with = and [brackets]
kind = "emergency" # and "quotes"
title.id = "satu"
title."en" = 'two # not a comment'

[step.salam]
ask = [ # opens
  "a]b", # [
  """three
lines "" of words""",

  'c',
]
wait_s = 3 ; '''.replace(" ; ", "")
    + """
key = { 0 = "x", "#" = "y", other = "z" }
key2.0.1 = 1979-05-27T07:32:00Z
[ step . "peta gas" ]
   connect = "policy"
[[row]]
n = 1
[[row]]
n = [ [1, 2],
 [3] ]
[row.deep]
m = \'\'\'
x = 1
\'\'\'
z = -1.5e3
"""
)


def paths_in(data, path=()):
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*path, key), value
            yield from paths_in(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield (*path, index), value
            yield from paths_in(value, (*path, index))


def test_every_key_and_element_has_a_line():
    lines = lines_of(TEXT)
    missing = [path for path, _ in paths_in(tomllib.loads(TEXT)) if path not in lines]
    assert missing == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("kind",), 2),
        (("title",), 3),
        (("title", "en"), 4),
        (("step", "salam"), 6),
        (("step", "salam", "ask"), 7),
        (("step", "salam", "ask", 0), 8),
        (("step", "salam", "ask", 1), 9),
        (("step", "salam", "ask", 2), 12),
        (("step", "salam", "wait_s"), 14),
        (("step", "salam", "key", "#"), 15),
        (("step", "salam", "key2", "0", "1"), 16),
        (("step", "peta gas", "connect"), 18),
        (("row", 0, "n"), 20),
        (("row", 1), 21),
        (("row", 1, "n", 1, 0), 23),
        (("row", 1, "deep", "m"), 25),
        (("row", 1, "deep", "z"), 28),
    ],
)
def test_a_line_is_where_an_admin_would_look(path, line):
    assert lines_of(TEXT)[path] == line


words = st.text(alphabet="ab ]}[{=,#.'\\\t", max_size=6)
values = st.recursive(
    st.one_of(
        words.map(lambda w: '"' + w.replace("\\", "\\\\").replace("\t", "\\t") + '"'),
        words.map(lambda w: "'" + w.replace("'", "") + "'"),
        words.map(lambda w: '"""\n' + w.replace("\\", "\\\\") + '\n"q" """'),
        st.sampled_from(["1", "-2.5", "true", "2026-08-17", "08:00:00"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: "[\n " + " ,# x ]\n".join(v) + "\n]"),
        st.lists(inner.filter(lambda v: "\n" not in v), max_size=3).map(
            lambda v: "{" + ", ".join(f"k{n}.x = {one}" for n, one in enumerate(v)) + "}"
        ),
    ),
    max_leaves=6,
)


@given(st.lists(values, max_size=6))
def test_whatever_the_values_the_keys_are_found_on_their_lines(written):
    text = "".join(f"# n\n[t{n}]\nkey{n} = {value}\n" for n, value in enumerate(written))
    data = tomllib.loads(text)
    lines = lines_of(text)
    rows = text.split("\n")
    assert [path for path, _ in paths_in(data) if path not in lines] == []
    for n in range(len(written)):
        assert rows[lines[f"t{n}",] - 1] == f"[t{n}]"
        assert rows[lines[f"t{n}", f"key{n}"] - 1].startswith(f"key{n} = ")
