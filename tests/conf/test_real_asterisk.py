"""The rendered configuration in a real Asterisk 22: it loads, it is what we said, nothing more."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import real_asterisk  # noqa: E402  # the folder is no package

from asterisk_conf.modules import APPLICATIONS, EXECUTED, FUNCTIONS, MODULES  # noqa: E402
from centre.house import ASTERISK_UID  # noqa: E402

UNKNOWN = "application(s) is (are) not registered"
HARMLESS = {
    "Could not find option 'minimum_size' with type 'threadpool' in module 'stasis'": (
        "Debian's package carries documentation older than its program"
    ),
}
"""What an Asterisk may complain about at start, and why it does not matter."""


@pytest.fixture(scope="module")
def asterisk():
    with real_asterisk.running() as running:
        yield running


def loaded(asterisk) -> set[str]:
    lines = asterisk.ask("module show").splitlines()
    return {line.split(".so")[0] for line in lines if ".so " in line}


def test_it_starts_without_an_error_or_a_warning(asterisk):
    complaints = [
        line for line in asterisk.complaints() if not any(known in line for known in HARMLESS)
    ]
    assert complaints == []


def test_every_module_named_is_there_and_no_other(asterisk):
    assert loaded(asterisk) == {name for name, _use in MODULES}


def test_every_module_named_runs(asterisk):
    lines = [line for line in asterisk.ask("module show").splitlines() if ".so " in line]
    assert [line for line in lines if "Not Running" in line] == []


@pytest.mark.parametrize("name", sorted(APPLICATIONS | EXECUTED))
def test_every_application_the_dialplan_may_use_exists(asterisk, name):
    assert UNKNOWN not in asterisk.ask(f"core show application {name}")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_the_dialplan_may_use_exists(asterisk, name):
    assert "No function by that name" not in asterisk.ask(f"core show function {name}")


@pytest.mark.parametrize("module", ["func_shell", "app_system", "app_externalivr", "pbx_spool"])
def test_nothing_that_runs_programs_is_loaded(asterisk, module):
    assert module not in loaded(asterisk)


@pytest.mark.parametrize("name", ["System", "TrySystem", "ExternalIVR", "Originate"])
def test_no_application_that_runs_programs_exists(asterisk, name):
    assert UNKNOWN in asterisk.ask(f"core show application {name}")


@pytest.mark.parametrize("name", ["SHELL", "CURL", "FILE", "ENV", "AST_CONFIG"])
def test_no_function_that_reaches_out_of_the_call_exists(asterisk, name):
    assert "No function by that name" in asterisk.ask(f"core show function {name}")


def test_it_runs_as_its_own_user(asterisk):
    status = Path(f"/proc/{asterisk.process.pid}/status").read_text()
    ids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert ids == [str(ASTERISK_UID)] * 4
    groups = next(line for line in status.splitlines() if line.startswith("Groups:"))
    assert groups.split()[1:] == []


def test_every_context_is_known_to_the_running_dialplan(asterisk):
    shown = asterisk.ask("dialplan show")
    for context in ("emergency-in", "fallback", "queue", "ring-all", "outside", "books"):
        assert f"Context '{context}'" in shown


def test_trunks_and_phones_are_there_and_a_trunk_has_no_way_out(asterisk):
    shown = asterisk.ask("pjsip show endpoints")
    for endpoint in ("trunk-telkom", "trunk-indosat", "101", "102", "outside-polisi"):
        assert f"  {endpoint}" in shown or f"  {endpoint}/" in shown
    trunk = asterisk.ask("pjsip show endpoint trunk-telkom")
    assert "Contact:  <" not in trunk.replace("Contact:  <Aor", "")
    assert "allow_transfer                     : false" in trunk
    assert "allow                              : (alaw)" in trunk
