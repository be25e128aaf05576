"""A caller rings a phone directly: real SIP, real audio, no Asterisk between them."""

import os
import select
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from centre.actors import (
    ActorError,
    AnswerAfter,
    Busy,
    Caller,
    CallerId,
    Ear,
    HangUp,
    Hold,
    NeverAnswer,
    Phone,
    Press,
    RejectWith,
    Speak,
    Vanish,
    Wait,
    WaitForHangup,
)
from recordings.tones import largest_gap_ms, tones

ANI, BUDI = 400.0, 700.0


@pytest.fixture
def people():
    """Everybody who was started; all are ended with the test."""
    started = []
    yield started
    for actor in reversed(started):
        actor.stop()
        assert not Path(f"/proc/{actor.pid}").exists()


@pytest.fixture
def phone(people, tmp_path, anis_ip, budis_ip):
    def ready(**how):
        line = Phone("Budi", "budi", "x", (anis_ip, 9), local_ip=budis_ip, **how).start(
            tmp_path / "budi", register=False
        )
        people.append(line)
        return line

    return ready


@pytest.fixture
def ring(people, tmp_path, anis_ip, budis_ip):
    def ring(line, *plan, caller_id=None, **how):
        who = caller_id or CallerId("+628111", "Ani")
        target = (budis_ip, line.sip_port)
        call = Caller("Ani", who, target, plan=plan, local_ip=anis_ip, **how).start(
            tmp_path / "ani"
        )
        people.append(call)
        return call

    return ring


def test_ani_and_budi_hear_each_other_from_first_word_to_last(phone, ring, tmp_path):
    line = phone(plan=[Speak(BUDI, 2.0), HangUp()], answer=AnswerAfter(0.2), sequence=9000)
    with Ear(line.phone.local_ip, line.media_port) as budi:
        call = ring(line, Speak(ANI, 1.0), Press("0"), Speak(ANI, 2.0), WaitForHangup(5))
        with Ear(call.caller.local_ip, call.media_port) as ani:
            assert call.wait_ended() == 0
    assert [e.name for e in call.events if e.name != "deed"] == [
        "ringing",
        "answered",
        "other_hung_up",
        "exit",
    ]
    line.wait_for("hung_up")
    heard = tones(ani.save(tmp_path / "ani.wav"), [BUDI, ANI])
    assert largest_gap_ms(heard[BUDI]) <= 20
    assert heard[ANI] == []
    assert heard[BUDI][-1][1] > 1.5  # a starved machine may cut the last words off
    assert ani.packets[0].sequence == 9000
    sent = budi.packets
    assert len({p.ssrc for p in sent}) == 1
    steps = {(later.sequence - packet.sequence) & 0xFFFF for packet, later in pairwise(sent)}
    assert 1 in steps
    assert max(steps) < 100  # never backwards, whoever was cut off
    assert {p.payload[0] for p in sent if p.kind == 101} == {0}


@pytest.mark.unsteady
def test_audio_keeps_its_pace(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    with Ear(line.phone.local_ip, line.media_port) as budi:
        call = ring(line, Speak(ANI, 3.0), HangUp())
        assert call.wait_ended() == 0
    times = [p.at for p in budi.packets]
    assert len(times) > 100  # a starved machine may cut the last words off
    assert (times[-1] - times[0]) / (len(times) - 1) == pytest.approx(0.02, rel=0.1)


def test_an_echo_proves_that_audio_reached_the_phone(phone, ring, tmp_path):
    line = phone(plan=[Wait(10, rtp=False)], echo=True)
    call = ring(line, Speak(ANI, 1.5), HangUp())
    with Ear(call.caller.local_ip, call.media_port) as ani:
        assert call.wait_ended() == 0
    assert tones(ani.save(tmp_path / "ani.wav"), [ANI])[ANI]


def test_a_phone_takes_one_call_after_another(phone, ring):
    line = phone(plan=[WaitForHangup(10)], answer=AnswerAfter(0.05))
    for times in (1, 2, 3):
        assert ring(line, Wait(0.1), HangUp()).wait_ended() == 0
        line.wait_for("other_hung_up", times=times)


def test_the_reason_of_a_hang_up_is_sent(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    ring(line, Wait(0.1), HangUp("Q.850;cause=27")).wait_ended()
    line.wait_for("other_hung_up")
    assert "Reason: Q.850;cause=27" in line.messages()


def test_ani_gives_up_before_anybody_answers(phone, ring):
    line = phone(answer=NeverAnswer())
    call = ring(line, WaitForHangup(5), cancel_after_s=0.5)
    assert call.wait_ended() == 0
    assert call.happened("cancelled")
    line.wait_for("cancelled")


def test_ani_gives_up_only_after_the_phone_was_heard_of(phone, ring):
    line = phone(answer=NeverAnswer())
    os.kill(line.pid, signal.SIGSTOP)
    call = ring(line, WaitForHangup(5), cancel_after_s=0.01)
    with pytest.raises(ActorError):
        call.wait_for("cancelling", 0.3)
    os.kill(line.pid, signal.SIGCONT)
    assert call.wait_ended() == 0
    assert [e.name for e in call.events] == ["ringing", "cancelling", "cancelled", "exit"]


@pytest.mark.parametrize(
    ("answer", "code"), [(Busy(), "486"), (RejectWith(603), "603"), (RejectWith(480), "480")]
)
def test_a_phone_refuses(phone, ring, answer, code):
    line = phone(answer=answer)
    call = ring(line)
    assert call.wait_ended() == 0
    assert call.happened("refused", code)
    line.wait_for("rejected")


def test_hold_and_back(phone, ring):
    line = phone(plan=[Speak(BUDI, 0.2), Hold(0.3), Speak(BUDI, 0.2), HangUp()])
    call = ring(line, WaitForHangup(10))
    assert call.wait_ended() == 0
    line.wait_for("hung_up")
    names = [e.name for e in line.events if e.name != "deed"]
    assert names[2:] == ["held", "unheld", "hung_up"]
    assert "a=sendonly" in call.messages()


def test_a_key_by_info_is_confirmed(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    assert ring(line, Press("5", "info"), HangUp()).wait_ended() == 0
    assert "Signal=5" in line.messages()


def test_ani_vanishes_without_a_word(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    call = ring(line, Wait(0.3), Vanish())
    assert call.wait_ended() == -signal.SIGKILL
    assert "\nBYE sip:" not in line.messages()


def test_the_other_side_vanishes_and_ani_is_told_why_nothing_happens(phone, ring):
    line = phone(plan=[Wait(0.2), Vanish()])
    call = ring(line, WaitForHangup(10))
    line.wait_for("exit")
    with pytest.raises(ActorError, match="'other_hung_up ' did not happen"):
        call.wait_for("other_hung_up", 0.3)


@pytest.mark.parametrize(
    ("who", "line_sent"),
    [
        (CallerId("+628111", "Ani"), 'From: "Ani" <sip:+628111@HERE>;tag='),
        (CallerId(None), "From: <sip:HERE>;tag="),
        (CallerId.anonymous(), 'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag='),
        (CallerId("%0D%0AEvent%3A%20x"), "From: <sip:%0D%0AEvent%3A%20x@HERE>;tag="),
        (CallerId("1", whole="<tel:+628111>"), "From: <tel:+628111>;tag="),
        (CallerId("1", display="${SHELL(id)}"), 'From: "${SHELL(id)}" <sip:1@HERE>;tag='),
        (CallerId("1", pai="<sip:+62@x>"), "P-Asserted-Identity: <sip:+62@x>"),
        (CallerId.anonymous("<tel:+62811>"), "Privacy: id"),
    ],
)
def test_the_caller_is_presented_as_told(phone, ring, who, line_sent):
    line = phone(plan=[WaitForHangup(10)])
    call = ring(line, Wait(0.1), HangUp(), caller_id=who)
    assert call.wait_ended() == 0
    line.wait_for("other_hung_up")
    assert line_sent.replace("HERE", call.caller.local_ip) in line.messages()


def test_a_raw_byte_reaches_the_wire(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    call = ring(line, Wait(0.1), HangUp(), caller_id=CallerId("1", display="Jos\udce9"))
    assert call.wait_ended() == 0
    line.wait_for("other_hung_up")
    assert b"Jos\xe9" in (line.folder / "messages.log").read_bytes()


def test_the_sip_call_id_is_known_before_the_call(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    call = ring(line, Wait(0.1), HangUp())
    call.wait_ended()
    assert f"Call-ID: {call.caller.call_id}" in call.messages()


def test_who_offers_no_events_must_use_tones(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    call = ring(line, Press("0", "inband"), HangUp(), events=False)
    assert call.wait_ended() == 0
    assert "telephone-event" not in call.messages().split("SIP/2.0 180")[0]


def test_a_call_ends_by_itself_at_its_longest(phone, ring):
    line = phone(answer=NeverAnswer())
    call = ring(line, longest_s=1)
    assert call.wait_ended(10) != 0


def test_nothing_survives_a_stop(phone, ring):
    line = phone(plan=[WaitForHangup(10)])
    call = ring(line, WaitForHangup(10))
    call.wait_for("answered")
    call.stop()
    line.stop()
    for actor in (call, line):
        with pytest.raises(ProcessLookupError):
            os.kill(actor.pid, 0)


def test_no_actor_outlives_a_killed_demo(budis_ip):
    program = (
        "from centre.actors import Phone\n"
        f"line = Phone('B', 'b', 'x', ('127.0.0.1', 9), local_ip='{budis_ip}')"
        ".start(register=False)\n"
        "print(line.pid, line.folder, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        pid, folder = demo.stdout.readline().split()
        actor = os.pidfd_open(int(pid))
        demo.kill()
    ended, _, _ = select.select([actor], [], [], 5)
    os.close(actor)
    shutil.rmtree(folder)
    assert ended


def test_temporary_files_go_with_the_call(phone, people, budis_ip):
    line = phone(plan=[WaitForHangup(10)])
    call = Caller("Ani", CallerId("1"), (budis_ip, line.sip_port), plan=[Wait(0.1)]).start()
    people.append(call)
    call.wait_ended()
    assert call.folder.exists()
    call.stop()
    assert not call.folder.exists()
