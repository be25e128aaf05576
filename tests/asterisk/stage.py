"""What the stories share: people, seats, and what the centre's books say about them."""

import re
import socket
from contextlib import contextmanager

from centre import house
from centre.actors import (
    AnswerAfter,
    Caller,
    CallerId,
    HangUp,
    Press,
    Speak,
    Wait,
    WaitForHangup,
)
from centre.centre import until_listening
from centre.trial import until
from centre.trial_settings import TRUNK_IP
from db import seats
from db.store import reading
from recordings.tones import tones

CALLER_HZ = 440.0
CALL_TAKER_HZ = 700.0
SECOND_HZ = 950.0
POLICE_HZ = 1200.0
SPEAKS = (Speak(CALL_TAKER_HZ, 60.0), WaitForHangup(60.0))
SPEAKS_TOO = (Speak(SECOND_HZ, 60.0), WaitForHangup(60.0))


def pressing(key="0", *then):
    """A caller's plan: one key in the greeting, then `then`."""
    return (Wait(0.8), Press(key), Wait(0.3), *then)


def speaking(seconds=2.0):
    """A caller's plan: presses 0, speaks from then on, and hangs up after so long."""
    return pressing("0", Speak(CALLER_HZ, seconds), HangUp())


def caller(centre, plan, number="081234560001", **more):
    who = number if isinstance(number, CallerId) else CallerId(number)
    return Caller(f"caller {who.user}", who, centre.sip, plan=plan, **more)


@contextmanager
def ringing(centre, plan, number="081234560001", **more):
    """A caller who rings now; gives (the running call, its SIP Call-ID)."""
    person = caller(centre, plan, number, **more)
    with person.start() as call:
        yield call, person.call_id


@contextmanager
def seated(centre, number, plan=SPEAKS, *, answer=None, **more):
    """A phone in the queue; put there by the console, as the story of the star codes is another.

    Gives the running line.
    """
    phone = centre.phone(number, plan, answer=answer or AnswerAfter(0.3), **more)
    with phone.start() as line:
        seat(centre, number)
        try:
            yield line
        finally:
            unseat(centre, number)


def seat(centre, *numbers):
    _tell_queue(centre, *(("QueueAdd", n, f"MemberName: {n}\r\nPenalty: 0") for n in numbers))


def unseat(centre, *numbers):
    _tell_queue(centre, *(("QueueRemove", n, "ActionID: 1") for n in numbers))


def _tell_queue(centre, *deeds):
    """Tell the queue of several phones at once: a console command each would take seconds."""
    secret = house.ami_secret(centre.settings)
    words = [f"Action: Login\r\nUsername: {house.AMI_USER}\r\nSecret: {secret}\r\nEvents: off"]
    for action, number, more in deeds:
        words.append(f"Action: {action}\r\nQueue: 112\r\nInterface: PJSIP/{number}\r\n{more}")
    address = ("127.0.0.1", centre.settings.ami_port)
    with socket.create_connection(address, 10.0) as manager:
        manager.sendall("".join(f"{word}\r\n\r\n" for word in words).encode())
        said = b""
        while said.count(b"Response: ") < len(words):
            part = manager.recv(65536)
            assert part, said.decode(errors="replace")
            said += part


def member(centre, number):
    """The line of `queue show` about a phone; "" when it is no member."""
    shown = centre.asterisk("queue show 112").splitlines()
    return next((line for line in shown if f"PJSIP/{number})" in line), "")


def members(centre):
    """The phones in the queue."""
    return re.findall(r"\(PJSIP/(\d+)\)", centre.asterisk("queue show 112"))


def waiting(centre):
    """How many callers wait in the queue."""
    return int(centre.asterisk("queue show 112").split(" has ")[1].split()[0])


def channels(centre):
    """The names of all channels that Asterisk has now."""
    shown = centre.asterisk("core show channels concise").splitlines()
    return [line.split("!")[0] for line in shown if "!" in line]


def hang_up(centre, call):
    """Let a running caller hang up now: SIPp keeps to its plan, so its BYE is sent for it."""
    sent = call.messages().replace("\r", "")
    ack = sent[sent.rindex("\nACK ") + 1 :].split("\n\n")[0].splitlines()
    kept = [line for line in ack if line.startswith(("From:", "To:", "Call-ID:", "Max-Forwards:"))]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk:
        trunk.bind((TRUNK_IP, 0))
        trunk.settimeout(10.0)
        host, port = trunk.getsockname()
        lines = (
            ack[0].replace("ACK ", "BYE ", 1),
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-bye-{port}",
            *kept,
            "CSeq: 900 BYE",
            "Content-Length: 0",
        )
        trunk.sendto("\r\n".join((*lines, "", "")).encode(), centre.sip)
        assert trunk.recv(4096).startswith(b"SIP/2.0 200")


def seat_row(centre, number):
    with reading(centre.engine) as connection:
        return seats.get(connection, centre.settings.centre_id, number)


def seat_history(centre, number):
    with reading(centre.engine) as connection:
        return seats.history_of(connection, centre.settings.centre_id, number)


def told(centre, sip_call_id, what, times=1, within_s=20.0):
    """Wait until the timeline of a call tells `what` so many times; give these facts."""

    def facts():
        call = centre.call(sip_call_id)
        entries = centre.timeline(call) if call else []
        found = [entry.fact for entry in entries if entry.fact.what == what]
        return found if len(found) >= times else None

    return until(f"{what} x{times} of {sip_call_id}", facts, within_s)


def story(centre, call):
    """The timeline of a call without the notes that some ways have and others have not."""
    told_twice = {"ring"}  # by the conversation and by Asterisk's journal
    found = []
    for what in centre.told(call):
        if not (what in told_twice and what in found):
            found.append(what)
    return found


def ending(call):
    return (call.ending.result.value, call.ending.reason.value)


def conversations_are_back(centre, before):
    """Wait until FastAGI, killed when its pid was `before`, answers again."""
    until("a new pid", lambda: centre.pid("conversations") != before)
    centre._wait(until_listening(centre.settings.agi_ports[0]))


def whole(call):
    """Assert that the row tells a whole recording: three files, hashes, levels, no problem."""
    files = call.recorded["files"]
    assert set(files) == {"mixed", "caller", "other"}, call.recorded
    for name, leg in files.items():
        assert len(leg["sha256"]) == 64
        assert leg["seconds"] > 0.5, (name, leg)
    assert call.recorded["problems"] == [], call.recorded["problems"]


def voices(centre, call, leg, *hz):
    """The spans of each tone in a leg ("" mixed, "-caller", "-other") of a recording.

    People speak at 0.3 of full scale; a note in a prompt or in the music stays below half of it.
    """
    return tones(centre.recording(call, leg), hz, threshold=0.15)


def heard(centre, call, leg="", *hz):
    """Which of `hz` sound for at least 200 ms in a leg of the recording."""
    spans = voices(centre, call, leg, *hz)
    return {one for one in hz if sum(end - start for start, end in spans[one]) >= 0.2}


def unbroken(centre, call, leg, hz, cut_ms):
    """The one stretch in which a voice speaks, (start, end) s, cuts up to `cut_ms` closed.

    Asserts that there is exactly one; a note in a prompt may hit the tone for some frames.
    """
    speech = []
    for begins, ends in voices(centre, call, leg, hz)[hz]:
        if ends - begins < 0.06:
            continue
        if speech and begins - speech[-1][1] <= cut_ms / 1000:
            begins = speech.pop()[0]  # noqa: PLW2901 - joined to the one before
        speech.append((begins, ends))
    assert len(speech) == 1, (hz, leg, speech)
    return speech[0]
