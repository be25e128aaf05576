"""RTP written beforehand: the pcap files that SIPp plays into a call.

SIPp sends each packet of a pcap at its own time and rewrites only addresses and ports, so the
sequence numbers, time stamps and SSRC written here are those on the wire. A `Stream` hands out
consecutive files of ONE stream: what a person says first, then a key, then silence, continues
with the next sequence number and time stamp, as a telephone does.
"""

from __future__ import annotations

import struct
import wave
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

RATE_HZ: Final = 8000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = RATE_HZ * FRAME_MS // 1000
PT_ALAW: Final = 8
PT_EVENT: Final = 101
EVENTS: Final = "0123456789*#ABCD"
DTMF_ROWS_HZ: Final = (697, 770, 852, 941)
DTMF_COLUMNS_HZ: Final = (1209, 1336, 1477, 1633)
_KEYPAD: Final = "123A456B789C*0#D"
_ALAW_BOUNDS: Final = (0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF)
_EVENT_VOLUME: Final = 10
_FRAME_HEAD: Final = 42
_HERE: Final = bytes([127, 0, 0, 1])
_EVENT_END: Final = 0x80


def tone(hz: float, seconds: float, *, level: float = 0.3) -> Samples:
    """A sine of `hz` Hz for `seconds` at `level` of full scale, 8 kHz mono."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.asarray(32767 * level * np.sin(2 * np.pi * hz * t), np.int16)


def silence(seconds: float) -> Samples:
    """Digital silence, 8 kHz mono."""
    return np.zeros(round(seconds * RATE_HZ), np.int16)


def dual_tone(key: str, seconds: float = 0.12, *, level: float = 0.25) -> Samples:
    """The two tones of a key (ITU-T Q.23) for `seconds`; raises ValueError for no such key."""
    place = _place(_KEYPAD, key)
    row, column = DTMF_ROWS_HZ[place // 4], DTMF_COLUMNS_HZ[place % 4]
    both = tone(row, seconds, level=level).astype(np.int32) + tone(column, seconds, level=level)
    return both.astype(np.int16)


def _place(keys: str, key: str) -> int:
    if len(key) != 1 or key not in keys:
        raise ValueError(f"no telephone has the key {key!r}")
    return keys.index(key)


def read_wav(path: Path) -> Samples:
    """The samples of an 8 kHz mono s16 WAV; raises ValueError for any other kind of file."""
    with wave.open(str(path)) as sound:
        kind = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
        if kind != (RATE_HZ, 1, 2):
            raise ValueError(f"{path} is {kind}; convert it to 8 kHz, mono, 16 bit first")
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.int16)


def to_alaw(samples: Samples) -> bytes:
    """G.711 A-law, one byte a sample (the field's table, by segment)."""
    wide = samples.astype(np.int32)
    mask = np.where(wide >= 0, 0xD5, 0x55)
    size = np.where(wide >= 0, wide, -wide - 1) >> 3
    segment = np.searchsorted(np.asarray(_ALAW_BOUNDS), size, side="left")
    shift = np.where(segment < 2, 1, segment)
    code = (np.minimum(segment, 7) << 4) | ((size >> shift) & 0x0F)
    code = np.where(segment >= 8, 0x7F, code)
    return (code ^ mask).astype(np.uint8).tobytes()


def from_alaw(payload: bytes) -> Samples:
    """The samples of G.711 A-law bytes."""
    code = np.frombuffer(payload, np.uint8).astype(np.int32) ^ 0x55
    segment, size = (code >> 4) & 7, (code & 0x0F) << 4
    linear = np.where(segment == 0, size + 8, (size + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, linear, -linear).astype(np.int16)


@dataclass(slots=True)
class Stream:
    """One RTP stream cut into files, each continuing where the last one ended.

    `sequence` and `timestamp` are those of the next packet; both wrap as RTP's do.
    """

    folder: Path
    ssrc: int
    sequence: int = 1
    timestamp: int = 0
    files: list[Path] = field(default_factory=list)

    def say(self, samples: Samples) -> Path:
        """Write `samples` as A-law, 20 ms a packet; a last part of a frame is filled up."""
        spare = -len(samples) % FRAME_SAMPLES
        payload = to_alaw(np.concatenate([samples, silence(spare / RATE_HZ)]))
        frames = [payload[at : at + FRAME_SAMPLES] for at in range(0, len(payload), FRAME_SAMPLES)]
        packets = [self._packet(PT_ALAW, frame, marker=not n) for n, frame in enumerate(frames)]
        return self._write(packets)

    def press(self, key: str, *, hold_ms: int = 100) -> Path:
        """Write one key as RFC 4733 events: one time stamp, the end sent three times.

        Raises ValueError for a key no telephone has.
        """
        event, began = _place(EVENTS, key), self.timestamp
        steps = max(hold_ms // FRAME_MS, 1)
        packets: list[bytes] = []
        for n in (*range(1, steps + 1), steps, steps):
            flags = _EVENT_VOLUME | (_EVENT_END if n == steps else 0)
            body = struct.pack("!BBH", event, flags, n * FRAME_SAMPLES)
            packets.append(self._packet(PT_EVENT, body, marker=not packets, at=began))
        self.timestamp = (began + len(packets) * FRAME_SAMPLES) & 0xFFFFFFFF
        return self._write(packets)

    def _packet(self, kind: int, body: bytes, *, marker: bool, at: int | None = None) -> bytes:
        head = struct.pack(
            "!BBHII",
            0x80,
            kind | (0x80 if marker else 0),
            self.sequence,
            self.timestamp if at is None else at,
            self.ssrc,
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        if at is None:
            self.timestamp = (self.timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        return head + body

    def _write(self, packets: list[bytes]) -> Path:
        path = self.folder / f"{self.ssrc:08x}-{len(self.files):03}.pcap"
        write(path, packets)
        self.files.append(path)
        return path


def write(path: Path, packets: list[bytes], *, every_ms: int = FRAME_MS) -> None:
    """Write `packets` (RTP) as Ethernet/IPv4/UDP, one each `every_ms`."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for n, packet in enumerate(packets):
        seconds, milliseconds = divmod(n * every_ms, 1000)
        size = _FRAME_HEAD + len(packet)
        parts.append(struct.pack("<IIII", seconds, milliseconds * 1000, size, size))
        parts.append(_frame_head(len(packet)))
        parts.append(packet)
    path.write_bytes(b"".join(parts))


@cache
def _frame_head(rtp_bytes: int) -> bytes:
    """Ethernet, IPv4 and UDP heads; SIPp puts the real addresses and ports in their place."""
    udp = struct.pack("!HHHH", 4000, 4002, 8 + rtp_bytes, 0)
    ip = struct.pack("!BBHIBBH4s4s", 0x45, 0, 28 + rtp_bytes, 0, 64, 17, 0, _HERE, _HERE)
    return b"\0" * 12 + b"\x08\0" + ip + udp


def read(path: Path) -> list[tuple[float, bytes]]:
    """The RTP packets of a pcap written by `write`, each with its time in seconds."""
    data, found, at = path.read_bytes(), [], 24
    while at < len(data):
        seconds, micro, size, _ = struct.unpack_from("<IIII", data, at)
        found.append((seconds + micro / 1e6, data[at + 16 + _FRAME_HEAD : at + 16 + size]))
        at += 16 + size
    return found
