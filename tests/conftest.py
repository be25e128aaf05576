"""What every room of tests shares: the header names the programs that the stories ran on."""

import subprocess

import pytest
import structlog

from asterisk_conf import sandbox


@pytest.fixture(autouse=True)
def logs_as_they_were():
    """A command under test sets up logging for its process; the next test must not inherit it."""
    yield
    structlog.reset_defaults()


def pytest_report_header():
    asterisk = sandbox.find("auto")
    return [
        f"Asterisk: {asterisk.version if asterisk else 'not installed'}",
        f"SIPp: {_first_line('sipp', '-v')}",
    ]


def _first_line(*command):
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    return next((line.strip() for line in told.stdout.splitlines() if line.strip()), "unknown")
