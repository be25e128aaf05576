"""What reaches a person's ear: RTP as it arrives, whoever else is bound to the port.

SIPp binds the media port itself and throws away what comes. A raw socket sees the same packets
without taking them away, narrowed by a filter in the kernel to one port.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
import time
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from centre.actors import pcap

if TYPE_CHECKING:
    from pathlib import Path

_SO_ATTACH_FILTER = 26
_UDP_HEAD = 8
_RTP_HEAD = 12


@dataclass(frozen=True, slots=True)
class Heard:
    """One RTP packet: monotonic arrival in s, payload type, sequence, SSRC and payload."""

    at: float
    kind: int
    sequence: int
    ssrc: int
    payload: bytes


class Ear(threading.Thread):
    """Listens to one UDP port of one address until stopped; needs root or CAP_NET_RAW.

    It hears whatever is sent there, so people who must be told apart need addresses of their own.
    """

    def __init__(self, ip: str, port: int) -> None:
        super().__init__(name=f"ear-{ip}:{port}", daemon=True)
        self._lock = threading.Condition()
        self._packets: list[Heard] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        _narrow(self._socket, port)
        self._socket.bind((ip, 0))
        self._stopped = False
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self) -> None:
        """Collect packets; ends when `stop` closes the socket for reading."""
        while True:
            try:
                packet = self._socket.recv(2048)
            except OSError:
                return  # the socket was closed by stop(): nothing more is to be heard
            if self._stopped:
                return
            rtp = packet[(packet[0] & 15) * 4 + _UDP_HEAD :]
            if len(rtp) < _RTP_HEAD:
                continue
            _, kind, sequence, _, ssrc = struct.unpack_from("!BBHII", rtp)
            heard = Heard(time.monotonic(), kind & 0x7F, sequence, ssrc, rtp[_RTP_HEAD:])
            with self._lock:
                self._packets.append(heard)
                self._lock.notify_all()

    @property
    def packets(self) -> list[Heard]:
        """What was heard so far."""
        with self._lock:
            return list(self._packets)

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until `count` packets came; False when `timeout_s` passed first."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self._packets) >= count, timeout_s)

    def samples(self) -> pcap.Samples:
        """The A-law audio heard so far in order of arrival, gaps closed; 8 kHz mono s16."""
        alaw = b"".join(p.payload for p in self.packets if p.kind == pcap.PT_ALAW)
        return pcap.from_alaw(alaw)

    def save(self, path: Path) -> Path:
        """Write `samples` as a WAV and return its path."""
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(pcap.RATE_HZ)
            out.writeframes(self.samples().astype("<i2").tobytes())
        return path

    def level_dbfs(self) -> float:
        """The level (RMS) of all that was heard, in dB below full scale; -inf for silence."""
        sound = self.samples().astype(np.float64)
        power = float(np.mean(sound**2)) if len(sound) else 0.0
        return 10 * float(np.log10(power / 32768.0**2)) if power else float("-inf")

    def stop(self) -> None:
        """Stop listening; what was heard stays."""
        self._stopped = True
        with contextlib.suppress(OSError):  # an unconnected socket says so, and wakes the reader
            self._socket.shutdown(socket.SHUT_RD)
        self.join(2)
        self._socket.close()


def _narrow(listening: socket.socket, port: int) -> None:
    """Let the kernel (classic BPF) pass UDP packets to `port` only; X holds the IP header."""
    steps = (
        (0xB1, 0, 0, 0),  # X = length of the IP header
        (0x48, 0, 0, 2),  # A = the UDP destination port
        (0x15, 0, 1, port),
        (0x06, 0, 0, 0xFFFF),
        (0x06, 0, 0, 0),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    filtering = struct.pack("HL", len(steps), ctypes.addressof(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filtering)
