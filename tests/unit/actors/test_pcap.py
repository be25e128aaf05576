"""RTP written beforehand is one stream, as a telephone sends it."""

import struct
import wave

import numpy as np
import pytest

from centre.actors import pcap


def rtp(path):
    found = []
    for at, packet in pcap.read(path):
        version, kind, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
        assert version == 0x80
        found.append((at, kind & 0x7F, kind >> 7, sequence, timestamp, ssrc, packet[12:]))
    return found


def test_a_voice_is_a_packet_each_20_ms_with_rising_sequence(tmp_path):
    stream = pcap.Stream(tmp_path, ssrc=0xABCD, sequence=9000, timestamp=5)

    packets = rtp(stream.say(pcap.tone(400, 1.0)))

    assert len(packets) == 50
    assert [p[3] for p in packets] == list(range(9000, 9050))
    assert [p[4] for p in packets] == [5 + 160 * n for n in range(50)]
    assert [p[0] for p in packets] == pytest.approx([0.02 * n for n in range(50)])
    assert {(p[1], p[5], len(p[6])) for p in packets} == {(8, 0xABCD, 160)}
    assert [p[2] for p in packets] == [1] + [0] * 49


def test_a_key_between_two_words_continues_the_stream(tmp_path):
    stream = pcap.Stream(tmp_path, ssrc=1, sequence=65530, timestamp=2**32 - 320)
    said, key, said_again = (
        rtp(stream.say(pcap.tone(400, 0.1))),
        rtp(stream.press("#", hold_ms=100)),
        rtp(stream.say(pcap.tone(500, 0.1))),
    )
    joined = [*said, *key, *said_again]
    assert [p[3] for p in joined] == [(65530 + n) & 0xFFFF for n in range(len(joined))]
    assert {p[1] for p in key} == {101}
    assert {p[4] for p in key} == {(2**32 - 320 + 5 * 160) & 0xFFFFFFFF}
    assert said_again[0][4] == (key[0][4] + len(key) * 160) & 0xFFFFFFFF


def test_a_key_rises_in_length_and_its_end_is_sent_three_times(tmp_path):
    packets = rtp(pcap.Stream(tmp_path, ssrc=1).press("5", hold_ms=100))
    bodies = [struct.unpack("!BBH", p[6]) for p in packets]
    assert [body[0] for body in bodies] == [5] * 7
    assert [body[1] >> 7 for body in bodies] == [0, 0, 0, 0, 1, 1, 1]
    assert [body[2] for body in bodies] == [160, 320, 480, 640, 800, 800, 800]


@pytest.mark.parametrize(("key", "event"), [("0", 0), ("9", 9), ("*", 10), ("#", 11), ("D", 15)])
def test_each_key_has_its_event_and_its_two_tones(tmp_path, key, event):
    packets = rtp(pcap.Stream(tmp_path, ssrc=1).press(key, hold_ms=20))
    assert packets[0][6][0] == event
    spectrum = np.abs(np.fft.rfft(pcap.dual_tone(key, 1.0).astype(float)))
    peaks = sorted(int(peak) for peak in np.argsort(spectrum)[-2:])
    assert peaks[0] in pcap.DTMF_ROWS_HZ
    assert peaks[1] in pcap.DTMF_COLUMNS_HZ


@pytest.mark.parametrize("key", ["x", "10", ""])
def test_a_key_no_telephone_has_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="no telephone"):
        pcap.Stream(tmp_path, ssrc=1).press(key)


def test_alaw_comes_back_as_it_went():
    every_code = bytes(range(256))
    assert pcap.to_alaw(pcap.from_alaw(every_code)) == every_code
    loud = np.asarray([-32768, 32767, 0, -1], np.int16)
    assert pcap.to_alaw(loud) == bytes([0x2A, 0xAA, 0xD5, 0x55])
    voice = pcap.tone(440, 0.5)
    error = pcap.from_alaw(pcap.to_alaw(voice)).astype(float) - voice
    assert np.sqrt(np.mean(error**2)) < 0.02 * np.sqrt(np.mean(voice.astype(float) ** 2))


def test_only_8_khz_mono_wavs_are_spoken(tmp_path):
    for rate, path in ((8000, tmp_path / "good.wav"), (16000, tmp_path / "wide.wav")):
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(pcap.tone(400, 0.1).tobytes())
    assert len(pcap.read_wav(tmp_path / "good.wav")) == 800
    with pytest.raises(ValueError, match="convert it"):
        pcap.read_wav(tmp_path / "wide.wav")
