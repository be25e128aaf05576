from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.layers import Size
from ivr_flows.layout import Arrow, lay_out
from ivr_flows.picture import draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=["112", "test", "large"])
def flow(request, shipped, large_flow):
    return large_flow if request.param == "large" else shipped(request.param)


def words_in(picture):
    return [text.text or "" for text in ET.fromstring(picture).iter(f"{SVG}text")]


def test_every_step_and_key_is_in_the_picture(flow):
    words = words_in(draw(flow))
    for step in flow.steps.values():
        assert step.name in words
        keys = {end.label for end in step.ends() if len(end.label) == 1}
        assert keys <= {part for line in words for part in line.split(" · ")}


def test_it_speaks_bahasa_and_english(shipped):
    words = " ".join(words_in(draw(shipped("112"))))
    assert "tombol lain" in words
    assert "other key" in words
    assert "Nomor darurat 112" in words
    assert "The emergency number 112" in words


def test_the_same_flow_gives_the_same_picture(flow):
    assert draw(flow) == draw(flow)


def test_no_words_reach_over_their_box(flow):
    root = ET.fromstring(draw(flow))
    width = float(root.attrib["width"])
    for text in root.iter(f"{SVG}text"):
        assert float(text.attrib["x"]) < width


def overlap(a, b):
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


def crossed_by(route, rect):
    """Whether a vertical part of an arrow runs through a box or a label."""
    return any(
        x1 == x2
        and rect.x < x1 < rect.x + rect.width
        and low < rect.y + rect.height
        and rect.y < high
        for (x1, y1), (x2, y2) in itertools.pairwise(route.points)
        for low, high in [sorted((y1, y2))]
    )


@given(st.integers(2, 9), st.data())
def test_nothing_overlaps_whatever_the_flow(count, data):
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    pairs = data.draw(st.sets(ends.filter(lambda pair: pair[0] != pair[1]), max_size=16))
    boxes = {"s0": Size(200, 46), **{f"s{n}": Size(290, 60 + 30 * n) for n in range(1, count)}}
    arrows = [Arrow(f"s{a}", f"s{b}", Size(20 + 30 * (a % 4), 40)) for a, b in sorted(pairs)]
    placed = lay_out(boxes, arrows, "s0")
    solid = [*placed.boxes.values(), *(route.label for route in placed.routes)]
    assert not [pair for pair in itertools.combinations(solid, 2) if overlap(*pair)]
    for arrow, route in zip(arrows, placed.routes, strict=True):
        others = [rect for rect in solid if rect is not route.label]
        ends_at = (placed.boxes[arrow.source], placed.boxes[arrow.target])
        assert not [r for r in others if r not in ends_at and crossed_by(route, r)]
    assert all(rect.x > -1e-6 and rect.x + rect.width < placed.width + 1e-6 for rect in solid)
