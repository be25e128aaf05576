"""The systemd units: what a city's server runs, word for word, and what it may not do."""

import configparser
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent.parent.parent
sys.path.insert(0, str(HOUSE / "tests" / "conf"))

import renew  # noqa: E402  # the folder is no package

from asterisk_conf.render import RenderError  # noqa: E402
from asterisk_conf.units import Units, render_units, write_units  # noqa: E402

UNITS = Units(
    centre_id="contoh",
    house=Path("/opt/siaga-112"),
    settings=Path("/etc/siaga/siaga.toml"),
    data=Path("/var/lib/siaga"),
    etc=Path("/var/lib/siaga/asterisk/etc"),
    asterisk_command=("/usr/sbin/asterisk",),
    local_database=True,
)
PROGRAMS = ("asterisk", "conversations", "conversations-standby", "keeper", "prepare")
HARDENED = (
    *("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables"),
    *("ProtectControlGroups", "RestrictSUIDSGID", "RestrictNamespaces", "LockPersonality"),
)


def parsed(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",)
    )
    parser.optionxform = str
    parser.read_string(text)
    return parser


def service(name: str, units: Units = UNITS) -> configparser.ConfigParser:
    return parsed(render_units(units)[f"siaga-{name}.service"])


def test_the_units_are_the_ones_that_were_agreed():
    golden = {
        p.name: p.read_text(encoding="utf-8") for p in (renew.EXPECTED / "systemd").iterdir()
    }
    assert renew.rendered_units() == golden, "if meant: .venv/bin/python tests/conf/renew.py"


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_is_root_or_may_become_it(name):
    unit = service(name)["Service"]
    assert unit["User"] in ("siaga", "siaga-asterisk")
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["ProtectSystem"] == "strict"
    assert all(unit[word] == "yes" for word in HARDENED)


def test_asterisk_is_a_user_of_its_own_and_cannot_see_our_books():
    unit = service("asterisk")["Service"]
    assert unit["User"] == "siaga-asterisk"
    assert unit["ReadWritePaths"] == "/var/lib/siaga/asterisk /var/lib/siaga/recordings"
    assert "-/var/lib/siaga/siaga.db" in unit["InaccessiblePaths"].split()


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "prepare"])
def test_whatever_dies_is_started_again_for_ever(name):
    unit = service(name)
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_takes_another_along_when_it_dies(name):
    unit = service(name)["Unit"]
    assert not {"Requires", "BindsTo", "Requisite"} & set(unit)
    assert unit["PartOf"] == "siaga.target"


def test_conversations_come_before_asterisk_so_that_the_first_call_finds_its_menu():
    after = service("asterisk")["Unit"]["After"].split()
    assert "siaga-conversations.service" in after
    assert "siaga-conversations-standby.service" in after


def test_the_target_brings_every_program():
    wanted = parsed(render_units(UNITS)["siaga.target"])["Unit"]["Wants"].split()
    assert set(wanted) == {f"siaga-{name}.service" for name in PROGRAMS}


def test_asterisk_has_time_to_finish_its_calls():
    unit = service("asterisk")["Service"]
    assert "core stop gracefully" in unit["ExecStop"]
    assert unit["TimeoutStopSec"] == "15min"


def test_conversations_are_drained_by_their_master():
    unit = service("conversations")["Service"]
    assert unit["KillMode"] == "mixed"
    assert int(unit["TimeoutStopSec"]) > 20


def test_a_database_on_another_machine_can_be_reached():
    assert "IPAddressDeny" in service("keeper")["Service"]
    remote = replace(UNITS, local_database=False)
    assert "IPAddressDeny" not in service("keeper", remote)["Service"]
    assert "network-online.target" in service("prepare", remote)["Unit"]["After"]


def test_a_centre_below_a_home_folder_can_still_be_read():
    assert service("keeper")["Service"]["ProtectHome"] == "yes"
    at_home = replace(UNITS, house=Path("/home/siaga/siaga-112"))
    assert service("keeper", at_home)["Service"]["ProtectHome"] == "read-only"


@pytest.mark.parametrize("evil", ["/a b", "/a%n", "relative", "/a\nExecStart=/bin/sh", "/a;b"])
def test_a_path_that_systemd_would_misread_is_refused(evil, tmp_path):
    with pytest.raises(RenderError):
        write_units(replace(UNITS, data=Path(evil)), tmp_path / "units")
    assert not (tmp_path / "units").exists()


def test_systemd_itself_finds_nothing_wrong(tmp_path):
    verify = shutil.which("systemd-analyze")
    assert verify, "apt-get install systemd"
    here = replace(
        UNITS,
        house=HOUSE,
        settings=tmp_path / "siaga.toml",
        asterisk_command=("/bin/true",),
        user="root",
        asterisk_user="root",
        group="root",
    )
    written = write_units(here, tmp_path)
    answer = subprocess.run(
        [verify, "verify", "--man=no", *(p for p in written if p.suffix != ".sysusers")],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in answer.stderr.splitlines() if "siaga" in line]
    assert (answer.returncode, ours) == (0, [])
