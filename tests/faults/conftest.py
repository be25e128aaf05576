"""Faults are proved on a whole real centre: the hands that break it are in breaking.py."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

_FIGURES = []


@pytest.fixture
def figure(request):
    """Note a measured figure; all of them are printed together at the end."""

    def note(what, seconds):
        _FIGURES.append((what, seconds))

    return note


def pytest_terminal_summary(terminalreporter):
    if not _FIGURES:
        return
    terminalreporter.section("measured, in seconds")
    for what, seconds in _FIGURES:
        terminalreporter.write_line(f"{seconds:7.2f}  {what}")
