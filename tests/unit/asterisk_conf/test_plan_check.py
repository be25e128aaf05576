"""Nothing that could be read as configuration gets into configuration."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_conf.check import problems_in_plan
from asterisk_conf.plan import Directories, Outside, PauseReason, Phone, Plan, Trunk
from asterisk_conf.render import RenderError, render, write

AT = Path("/var/lib/siaga")
TRUNK = Trunk("telkom", ("192.0.2.10/32",), (("112", "112"),))
PHONE = Phone("101", "rahasia", ("10.0.0.0/8",))
POLICE = Outside("polisi", "110", "192.0.2.20:5060")
PLAN = Plan(
    centre_id="contoh",
    language="id",
    directories=Directories(*(AT / name for name in "abcdefgh")),
    sip_host="0.0.0.0",
    sip_port=5060,
    rtp_first=10000,
    rtp_last=10999,
    agi_ports=(4573, 4574),
    ami_port=5038,
    ami_user="siaga",
    ami_secret="rahasia-ami",
    trunks=(TRUNK,),
    phones=(PHONE,),
    ring_all=("101",),
    outside=(POLICE,),
    pause_reasons=(PauseReason("20", "istirahat"),),
)

INJECTIONS = (
    "a\nexten => _X.,1,Dial(PJSIP/1)",
    "a\r\n[evil]",
    "a;b",
    "a]b",
    "[a",
    "a b",
    "${SHELL(id)}",
    "a,b",
    "a\x00b",
    "../a",
    "",
    "é",
)


def test_a_sound_plan_is_passed():
    assert problems_in_plan(PLAN) == []


@pytest.mark.parametrize("evil", INJECTIONS)
@pytest.mark.parametrize(
    "put",
    [
        pytest.param(lambda e: replace(PLAN, centre_id=e), id="centre id"),
        pytest.param(lambda e: replace(PLAN, language=e), id="language"),
        pytest.param(lambda e: replace(PLAN, queue=e), id="queue"),
        pytest.param(lambda e: replace(PLAN, ami_user=e), id="manager's name"),
        pytest.param(lambda e: replace(PLAN, sip_host=e), id="sip address"),
        pytest.param(lambda e: replace(PLAN, local_networks=(e,)), id="local network"),
        pytest.param(lambda e: replace(PLAN, trunks=(replace(TRUNK, name=e),)), id="trunk"),
        pytest.param(
            lambda e: replace(PLAN, trunks=(replace(TRUNK, addresses=(e,)),)), id="trunk address"
        ),
        pytest.param(
            lambda e: replace(PLAN, trunks=(replace(TRUNK, numbers=((e, "112"),)),)), id="number"
        ),
        pytest.param(
            lambda e: replace(PLAN, trunks=(replace(TRUNK, numbers=(("112", e),)),)), id="flow"
        ),
        pytest.param(lambda e: replace(PLAN, trunks=(replace(TRUNK, codecs=(e,)),)), id="codec"),
        pytest.param(
            lambda e: replace(PLAN, phones=(replace(PHONE, number=e),), ring_all=()), id="phone"
        ),
        pytest.param(
            lambda e: replace(PLAN, phones=(replace(PHONE, networks=(e,)),)), id="phone network"
        ),
        pytest.param(lambda e: replace(PLAN, ring_all=(e,)), id="ring-all"),
        pytest.param(
            lambda e: replace(PLAN, outside=(replace(POLICE, name=e),)), id="outside name"
        ),
        pytest.param(
            lambda e: replace(PLAN, outside=(replace(POLICE, number=e),)), id="outside number"
        ),
        pytest.param(
            lambda e: replace(PLAN, outside=(replace(POLICE, address=f"{e}:5060"),)),
            id="outside address",
        ),
        pytest.param(
            lambda e: replace(PLAN, outside=(replace(POLICE, address=f"10.0.0.1:{e}"),)),
            id="outside port",
        ),
        pytest.param(
            lambda e: replace(PLAN, pause_reasons=(PauseReason(e, "x"),)), id="star code"
        ),
    ],
)
def test_a_value_that_could_be_read_as_configuration_is_refused(put, evil):
    assert problems_in_plan(put(evil))


@pytest.mark.parametrize("evil", ["a\nb", "a\rb", "a;b", "a[b", "a]b", "a b", "", "é", "a" * 129])
def test_a_password_that_could_be_read_as_configuration_is_refused(evil):
    assert problems_in_plan(replace(PLAN, phones=(replace(PHONE, password=evil),)))
    assert problems_in_plan(replace(PLAN, ami_secret=evil))


@pytest.mark.parametrize("evil", ["relative", "/a b", "/a\n[x]", "/a,b", "/${X}", "/a;b", "/a(b"])
def test_a_folder_that_could_be_read_as_configuration_is_refused(evil):
    places = replace(PLAN.directories, recordings=Path(evil))
    assert problems_in_plan(replace(PLAN, directories=places))


@pytest.mark.parametrize("name", ["sbc.example.net", "localhost", "fe80::1%eth0\n[evil]"])
def test_a_host_name_is_refused_because_a_name_server_that_is_down_would_hold_calls(name):
    assert problems_in_plan(replace(PLAN, trunks=(replace(TRUNK, addresses=(name,)),)))
    assert problems_in_plan(replace(PLAN, external_address=name))


@pytest.mark.parametrize("pattern", ["_X.", "_1XX", "11N", "+112", "*11", "s"])
def test_a_pattern_is_no_number_that_a_trunk_may_reach(pattern):
    assert problems_in_plan(replace(PLAN, trunks=(replace(TRUNK, numbers=((pattern, "112"),)),)))


def test_two_of_a_name_are_refused():
    other = replace(TRUNK, addresses=("192.0.2.99",))
    assert problems_in_plan(replace(PLAN, trunks=(TRUNK, other))) == ["trunk telkom: listed twice"]
    assert problems_in_plan(replace(PLAN, phones=(PHONE, PHONE))) == ["phone 101: listed twice"]
    assert problems_in_plan(replace(PLAN, outside=(POLICE, POLICE))) == [
        "outside polisi: listed twice"
    ]


def test_an_address_that_belongs_to_two_trunks_is_refused():
    other = replace(TRUNK, name="indosat")
    (problem,) = problems_in_plan(replace(PLAN, trunks=(TRUNK, other)))
    assert "192.0.2.10/32" in problem


def test_a_centre_that_no_call_can_reach_is_refused():
    assert problems_in_plan(replace(PLAN, trunks=()))
    assert problems_in_plan(replace(PLAN, trunks=(replace(TRUNK, addresses=()),)))
    assert problems_in_plan(replace(PLAN, trunks=(replace(TRUNK, numbers=()),)))


def test_a_phone_with_the_name_of_the_line_is_refused():
    assert problems_in_plan(replace(PLAN, phones=(replace(PHONE, number="112"),), ring_all=()))


def test_a_refused_plan_writes_nothing(tmp_path):
    bad = replace(PLAN, centre_id="a\nb")
    with pytest.raises(RenderError, match="centre id"):
        write(bad, tmp_path / "etc")
    assert not (tmp_path / "etc").exists()


def test_files_with_passwords_are_not_for_everybody(tmp_path):
    for path in write(PLAN, tmp_path):
        assert path.stat().st_mode & 0o007 == 0


def test_a_centre_without_phones_or_outside_numbers_is_rendered_too():
    assert render(replace(PLAN, phones=(), ring_all=(), outside=(), pause_reasons=()))


@settings(deadline=None, max_examples=40)  # each one renders a whole configuration
@given(password=st.text(max_size=20))
def test_whatever_the_password_the_file_keeps_its_lines(password):
    phone = replace(PHONE, password=password)
    plain = render(PLAN)["pjsip.conf"].splitlines()
    try:
        text = render(replace(PLAN, phones=(phone,)))["pjsip.conf"]
    except RenderError:
        return
    assert len(text.splitlines()) == len(plain)
    assert f"password = {password}" in text.splitlines()
