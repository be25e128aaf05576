import csv
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from stage import CALL_TAKER_HZ, caller, ending, seated, told

from agi.journal import read_new
from call_router.numbers import E164, NoSim, Unusable, Withheld
from centre.actors import CallerId, HangUp, Press, Speak, Wait
from centre.trial_settings import TRUNK_IP

PLAN = (Wait(0.8), Press("0"), Wait(0.3), Wait(2.0), HangUp())
IMEI = "490154203237518"

WORDS = {
    f"SIAGA_{what}"
    for what in ("RING", "FALLBACK", "QUEUED", "RING_ALL", "OUTSIDE", "TRANSFER", "ANSWERED")
} | {"SIAGA_LEFT", "SIAGA_ENDED"}

USUAL = {
    "E.164": (CallerId("+6281234567890"), E164, "+6281234567890"),
    "national": (CallerId("081234567890"), E164, "+6281234567890"),
    "without plus": (CallerId("6281234567890"), E164, "+6281234567890"),
    "phone-context": (
        CallerId("81234567890;phone-context=+62"),
        (E164, Unusable),
        None,
    ),
    "tel": (CallerId("x", whole="<tel:+6281234567890>"), E164, "+6281234567890"),
    "fixed line": (CallerId("02112345678"), E164, "+622112345678"),
    "anonymous": (CallerId.anonymous(), Withheld, None),
    "anonymous with PAI": (
        CallerId.anonymous("<sip:+6281234567890@192.0.2.1>"),
        E164,
        "+6281234567890",
    ),
    "anonymous with tel PAI": (CallerId.anonymous("<tel:+6281234567890>"), E164, "+6281234567890"),
    "PAI outweighs From": (
        CallerId("081111111111", pai="<sip:+6281234567890@192.0.2.1>"),
        E164,
        "+6281234567890",
    ),
    "IMEI": (
        CallerId("anonymous", domain="anonymous.invalid", pai=f"<sip:{IMEI}@imei.invalid>"),
        NoSim,
        None,
    ),
    "pseudo number without SIM": (CallerId(f"112{IMEI[:7]}"), (NoSim, E164), None),
    "no user part": (CallerId(None), Withheld, None),
}

HOSTILE = {
    "a forged AGI variable": CallerId("+62%0Aagi_evil%3A%201"),
    "the end of the AGI greeting": CallerId("+62%0D%0A%0D%0A200%20result=1"),
    "a forged AMI event": CallerId("+62%0D%0A%0D%0AEvent%3A%20Hangup%0D%0AChannel%3A%20PJSIP%2Fx"),
    "the same in the PAI": CallerId("+62", pai="<sip:+62%0D%0Aagi_evil%3A%201@192.0.2.1>"),
    "a journal line": CallerId("0812%0A%22USER_DEFINED%22%2C%221%22%2C%22evil%22"),
    "a journal fact": CallerId("0812%26call%3Devil-1%26by%3Dmallory"),
    "an expression": CallerId("%24%7BSHELL%28touch%20/tmp/siaga-evil%29%7D"),
    "an expression as a name": CallerId("081234567890", display="$%7BSHELL(id)%7D"),
    "300 characters": CallerId("1" * 300),
    "6000 characters": CallerId("+62" + "8" * 2990),
    "NUL": CallerId("0812%003456"),
    "emoji": CallerId("%F0%9F%9A%91", display="\N{AMBULANCE}"),
    "a Latin-1 byte": CallerId("081234567890", display="Andr\udce9"),
    "half a UTF-8 character": CallerId("%F0%9F"),
    "quotes and separators": CallerId("081'%22%3B%2C%26%7C%60"),
    "words": CallerId("mallory"),
}


def _ring(centre, who):
    person = caller(centre, PLAN, who, set_up_s=20.0)
    with person.start() as call:
        call.wait_ended(60.0)
        centre.ended(person.call_id, 20.0)
        told(centre, person.call_id, "ring", times=2)  # the conversation's and Asterisk's own
        told(centre, person.call_id, "key")
        return centre.call(person.call_id)


def _all_ring(centre, ids, at_once=8):
    """Ring with each of these ids; gives the rows. Every one of them must have talked."""
    staff = ("101", "102", "104", "105", "106", "107", "108", "109")
    with ExitStack() as city, ThreadPoolExecutor(at_once) as hands:
        for number in staff:
            city.enter_context(seated(centre, number, (Speak(CALL_TAKER_HZ, 30.0), HangUp())))
        ringing = {name: hands.submit(_ring, centre, who) for name, who in ids.items()}
        rows = {name: call.result() for name, call in ringing.items()}
    for name, row in rows.items():
        assert ending(row) == ("answered", "caller_hung_up"), (name, row)
        assert (row.first_key, row.lane) == ("0", "pressed"), (name, row)
        assert row.answered_by in staff, name
    return rows


def test_every_way_a_trunk_tells_who_rings_is_understood(centre):
    rows = _all_ring(centre, {name: who for name, (who, _, _) in USUAL.items()})
    for name, (_, kind, number) in USUAL.items():
        found = rows[name].caller
        assert isinstance(found, kind), (name, found)
        if number:
            assert found.number == number, name
        else:
            assert found.key is None or isinstance(kind, tuple), (name, found)
    assert rows["anonymous"].caller.reason == "anonymous"
    assert rows["IMEI"].caller.imei == IMEI
    # A withheld number that the network told us is kept, and known to be withheld.
    ring = centre.timeline(rows["anonymous with PAI"])[0].fact
    assert ring.data["pres"].startswith("prohib")


def test_nothing_a_caller_can_write_there_is_read_as_a_command(centre):
    environment = centre.asterisk("core show globals")
    rows = _all_ring(centre, HOSTILE)

    for name, row in rows.items():
        assert isinstance(row.caller, E164 | Unusable | Withheld | NoSim), (name, row.caller)
        whats = [entry.fact.what for entry in centre.timeline(row)]
        assert whats.count("ring") == 2, name
        assert whats.count("ended") == 1, name
        for entry in centre.timeline(row):
            texts = [text for text in entry.fact.data.values() if isinstance(text, str)]
            assert not any("\n" in text or "\r" in text for text in texts), (name, entry)
            assert not any("${" in text for text in texts), (name, entry)
    for name in ("words", "emoji", "an expression", "300 characters"):
        assert isinstance(rows[name].caller, Unusable | Withheld), (name, rows[name].caller)
    assert rows["a Latin-1 byte"].caller.number == "+6281234567890"

    assert not _calls_named(centre, "evil"), "a fact was forged"
    assert _journal_is_ours(centre)
    assert centre.asterisk("core show globals") == environment
    assert centre.asterisk("core show function SHELL").startswith("No function by that name")
    logs = (centre.house.run / "conversations.log").read_text(errors="replace")
    assert "agi_evil" not in logs


def _calls_named(centre, word):
    return [call for call in centre.calls() if word in call.call_id or word in call.answered_by]


def _journal_is_ours(centre):
    """Whether every line of the journal is one that our dialplan wrote, whole."""
    path = centre.house.plan.directories.journal
    batch, _ = read_new(path, 0, max_bytes=16_000_000)
    with path.open(encoding="utf-8", errors="replace", newline="") as lines:
        rows = list(csv.reader(lines))
    assert batch.garbage == 0
    assert {len(row) for row in rows} == {7}
    assert {row[5] for row in rows} <= WORDS
    return len(rows) == len(batch) > 0


def test_what_is_no_sip_at_all_is_dropped_without_an_answer_and_without_a_row(centre):
    before = len(centre.calls())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk:
        trunk.bind((TRUNK_IP, 0))
        trunk.settimeout(10.0)
        for n, sender in enumerate(NO_SIP):
            trunk.sendto(_request(trunk, "INVITE", sender, f"garbage-{n}"), centre.sip)
        # Taken in the order of arrival: the answer to this one comes after all the others'.
        trunk.sendto(_request(trunk, "OPTIONS", "<sip:trunk@127.0.0.2>", "last"), centre.sip)
        answer = trunk.recv(4096).decode()
    assert "Call-ID: last" in answer, answer
    assert len(centre.calls()) == before


NO_SIP = ("<sip:${SHELL(id)}@127.0.0.2>", '"x\r\n y" <sip:', "\x00\x01<<>>", "sip:a b c@d e f")


def _request(trunk, method, sender, call_id):
    host, port = trunk.getsockname()
    lines = (
        f"{method} sip:112@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call_id}",
        f"From: {sender};tag=1",
        "To: <sip:112@127.0.0.1>",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:trunk@{host}:{port}>",
        "Max-Forwards: 70",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()
