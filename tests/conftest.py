"""What every room of tests shares: the header names the programs that the stories ran on."""

import subprocess

import pytest

from asterisk_conf import sandbox
from centre import logs


@pytest.fixture(autouse=True)
def logs_to_stderr():
    """Logs go where a program's go, and no test inherits what a command before it has set up."""
    logs.configure(json=True)


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
