import numpy as np
import pytest
from stage import caller, hang_up, pressing, ringing, seated, told

from centre.actors import Ear, HangUp, NeverAnswer, Wait, WaitForHangup
from centre.trial import until
from centre.trial_settings import TRUNK_IP
from recordings import wave_file

RATE = wave_file.RATE_HZ
LOUDER_DB = 8.0
PIECE = RATE * 3 // 10
FIRST_WORDS = RATE * 24 // 10


def _level_db(sound):
    """The level of what is not silence: 50 ms pieces above -60 dBFS, their mean power."""
    pieces = sound[: len(sound) // 400 * 400].astype(np.float64).reshape(-1, 400)
    power = np.mean(pieces**2, axis=1) / 32768.0**2
    loud = power[power > 1e-6]
    return 10 * float(np.log10(loud.mean())) if len(loud) else -np.inf


def _prompt(centre, name):
    sound = wave_file.look(centre.settings.folder("sounds") / "id" / f"{name}.wav")
    return np.concatenate(list(wave_file.blocks(sound)))


def _found(prompt, heard):
    """Where `prompt` begins in `heard` (samples), and how much of it is there, 0 to 1.

    Asked piece by piece of 0.3 s, so that one frame lost on the way costs one piece only.
    """
    pieces = [(at, prompt[at : at + PIECE]) for at in range(0, len(prompt) - PIECE, PIECE)]
    spoken = [(at, piece) for at, piece in pieces if _level_db(piece) > -40]
    found = [(place - at, alike) for at, piece in spoken for place, alike in [_at(piece, heard)]]
    there = [begins for begins, alike in found if alike > 0.8]
    return (int(np.median(there)) if there else 0), len(there) / max(len(spoken), 1)


def _at(piece, heard):
    """Where a piece fits best, and how alike it is there."""
    if len(heard) <= len(piece):
        return 0, 0.0
    size = 1 << (len(heard) + len(piece)).bit_length()
    one, two = np.fft.rfft(heard.astype(float), size), np.fft.rfft(piece.astype(float), size)
    product = np.fft.irfft(one * np.conj(two), size)[: len(heard) - len(piece)]
    energy = np.concatenate([[0.0], np.cumsum(heard.astype(float) ** 2)])
    scale = np.sqrt(energy[len(piece) :] - energy[: -len(piece)])[: len(product)]
    alike = product / np.maximum(scale * float(np.linalg.norm(piece.astype(float))), 1.0)
    best = int(np.argmax(alike))
    return best, float(alike[best])


def test_reassurance_is_heard_while_he_waits_and_the_music_stays_below_it(centre):
    said = _prompt(centre, "mohon-tunggu")
    with (
        seated(centre, "101", answer=NeverAnswer()),
        seated(centre, "102", answer=NeverAnswer()),
        seated(centre, "104", answer=NeverAnswer()),
        seated(centre, "105", answer=NeverAnswer()),
        ringing(centre, pressing("0", WaitForHangup(90.0))) as (call, sip_call_id),
        Ear(TRUNK_IP, call.media_port) as ear,
    ):
        told(centre, sip_call_id, "queued")
        began = len(ear.samples())

        def reassured():
            waited = ear.samples()[began:]
            return len(waited) > len(said) + RATE and _found(said, waited)[1] > 0.7

        until("he is told to wait", reassured, 60.0, 1.0)
        until("music follows", lambda: len(ear.samples()) > began + 3 * RATE)
        waited = ear.samples()[began:]
    at, _ = _found(said, waited)
    music = np.concatenate([waited[:at], waited[at + len(said) :]])
    assert len(music) > RATE, "no music was heard"
    assert _level_db(music) > -50, "the line is silent: he would think that it broke"
    assert _level_db(waited[at : at + len(said)]) - _level_db(music) >= LOUDER_DB


def _says(centre, prompt, *, and_not):
    """Whether the test number says `prompt`; it must not say the prompt `and_not` instead."""
    person = caller(centre, (Wait(40.0), HangUp()), dialled="1120")
    wanted, other = _prompt(centre, prompt)[:FIRST_WORDS], _prompt(centre, and_not)[:FIRST_WORDS]
    with person.start() as call, Ear(TRUNK_IP, call.media_port) as ear:
        until(f"{prompt} is heard", lambda: _found(wanted, ear.samples())[1] > 0.7, 20.0, 0.3)
        call_taker_never_came = centre.call(person.call_id).answered_at is None
        hang_up(centre, call)
    return call_taker_never_came and _found(other, ear.samples())[1] < 0.3


@pytest.mark.unsteady
def test_a_saved_flow_is_heard_by_the_next_caller_and_a_bad_one_by_nobody(centre, flows):
    file = flows / "test.toml"
    shipped = file.read_text(encoding="utf-8")
    log = centre.house.run / "conversations.log"
    try:
        assert _says(centre, "salam-uji", and_not="tekan-apa-saja")
        changed = shipped.replace('ask = ["salam-uji"]', 'ask = ["tekan-apa-saja"]')
        assert changed != shipped
        file.write_text(changed, encoding="utf-8")
        assert _says(centre, "tekan-apa-saja", and_not="salam-uji")

        file.write_text(changed.replace('goto = "selesai"', 'goto = "nowhere"'), encoding="utf-8")
        assert _says(centre, "tekan-apa-saja", and_not="salam-uji")
        until("it is refused loudly", lambda: "flow_refused" in log.read_text(), 5.0)
        assert "nowhere" in log.read_text()
    finally:
        file.write_text(shipped, encoding="utf-8")
    assert _says(centre, "salam-uji", and_not="tekan-apa-saja")
