"""Recordings give way to calls: the disk guard."""

import pytest

from recordings.guard import BYTES_PER_CALL_SECOND, DEEDS, Level, Limits, hours_left, judge

GB = 2**30
LIMITS = Limits(low_bytes=10 * GB, floor_bytes=2 * GB, low_share=0.1, floor_share=0.02)


@pytest.mark.parametrize(
    ("free_gb", "before", "level"),
    [
        (50, Level.OK, Level.OK),
        (10, Level.OK, Level.OK),
        (9.9, Level.OK, Level.LOW),
        (2, Level.LOW, Level.LOW),
        (1.9, Level.LOW, Level.FLOOR),
        (1.9, Level.OK, Level.FLOOR),
        (0, Level.OK, Level.FLOOR),
        (2.1, Level.FLOOR, Level.FLOOR),
        (2.3, Level.FLOOR, Level.LOW),
        (10.5, Level.LOW, Level.LOW),
        (10.5, Level.FLOOR, Level.LOW),
        (11.1, Level.LOW, Level.OK),
        (11.1, Level.FLOOR, Level.OK),
    ],
)
def test_the_level_worsens_at_once_and_recovers_only_clearly(free_gb, before, level):
    assert judge(int(free_gb * GB), 50 * GB, LIMITS, before) is level


def test_on_a_large_disk_the_share_counts():
    assert judge(90 * GB, 1000 * GB, LIMITS) is Level.LOW
    assert judge(19 * GB, 1000 * GB, LIMITS) is Level.FLOOR


def test_no_level_touches_a_call_and_only_the_floor_stops_recording():
    assert [DEEDS[level].record for level in Level] == [True, True, False]
    assert [DEEDS[level].warn for level in Level] == [False, True, True]
    assert all(deed.words and deed.words_en for deed in DEEDS.values())


def test_the_hours_left_count_down_to_the_floor():
    room = 100 * 3600 * BYTES_PER_CALL_SECOND
    total = 20 * GB
    free = int(LIMITS.floor(total)) + room
    assert hours_left(free, total, LIMITS, 1) == pytest.approx(100)
    assert hours_left(free, total, LIMITS, 10) == pytest.approx(10)
    assert hours_left(free, total, LIMITS, 0) == float("inf")
    assert hours_left(GB, total, LIMITS, 5) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"low_bytes": GB, "floor_bytes": 2 * GB},
        {"low_share": 0.01, "floor_share": 0.02},
        {"low_share": 1.5},
        {"leave_at": 0.9},
        {"floor_bytes": -1},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Limits(**wrong)
