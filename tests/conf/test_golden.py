"""What a city's Asterisk is told, word for word."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import renew  # noqa: E402  # the folder is no package

RENEW = "differs: if it is meant, run `.venv/bin/python tests/conf/renew.py` and read the diff"


@pytest.fixture(scope="module")
def rendered():
    return renew.rendered()


def context(rendered, name):
    return rendered["extensions.conf"].split(f"\n[{name}]\n")[1].split("\n; ----")[0]


def test_no_golden_file_is_missing_or_left_over(rendered):
    assert {path.name for path in renew.EXPECTED.glob("*.conf")} == set(rendered)


@pytest.mark.parametrize(
    "name", sorted(path.stem.removesuffix(".conf") for path in renew.TEMPLATES.glob("*.j2"))
)
def test_what_is_rendered_is_what_was_agreed(name, rendered):
    golden = (renew.EXPECTED / f"{name}.conf").read_text(encoding="utf-8")
    assert rendered[f"{name}.conf"] == golden, f"{name}.conf {RENEW}"


def test_every_context_says_who_enters_why_and_where_they_may_leave(rendered):
    lines = rendered["extensions.conf"].splitlines()
    headers = [line for line in lines if line.startswith("[") and line[1:4] not in ("gen", "glo")]
    for header in headers:
        before = lines[max(0, lines.index(header) - 8) : lines.index(header)]
        assert any(line.startswith(f"; {header}") for line in before), header


def test_a_trunk_is_known_by_address_alone_and_reaches_exact_numbers_alone(rendered):
    pjsip = rendered["pjsip.conf"]
    trunk = pjsip.split("[trunk-telkom]")[1].split("\n\n")[0]
    assert "identify_by = ip" in trunk
    assert "auth =" not in trunk
    assert "aors =" not in trunk, "a trunk without an address of record cannot be dialled"
    reached = context(rendered, "from-trunk-telkom")
    assert [line.split(",")[0] for line in reached.splitlines() if line.startswith("exten")] == [
        "exten => 112",
        "exten => 1120",
    ]


def test_no_endpoint_is_without_a_password_or_an_address(rendered):
    blocks = rendered["pjsip.conf"].split("\n[")
    endpoints = [block for block in blocks if "type = endpoint" in block]
    assert len(endpoints) == 5
    for endpoint in endpoints:
        assert "auth = " in endpoint or "identify_by = ip" in endpoint, endpoint


def test_a_callers_words_are_filtered_before_our_programs_are_asked(rendered):
    road = context(rendered, "emergency-in")
    asked = road.index("AGI(agi://")
    for words in ("CALLERID(num)=${FILTER(", "CALLERID(name)=${FILTER(", "SIAGA_PAI=${FILTER("):
        assert road.index(words) < asked
    assert road.index("SIAGA_ROUTE=fallback,s,1") < asked
    assert road.index("AGIEXITONHANGUP=yes") < asked
    assert road.index("TIMEOUT(absolute)") < asked


def test_nothing_on_the_road_of_a_call_needs_a_name_server(rendered):
    for name in ("extensions.conf", "pjsip.conf", "manager.conf", "acl.conf"):
        for line in rendered[name].splitlines():
            code = line.split(";")[0]
            assert "agi://" not in code or "agi://127.0.0.1:" in code
            for word in ("match", "permit", "deny", "contact", "bind", "bindaddr"):
                if code.startswith(f"{word} = "):
                    value = code.split("=")[1].strip().removeprefix("sip:")
                    assert value[0].isdigit() or value[0] in ":[", f"{name}: {code}"
