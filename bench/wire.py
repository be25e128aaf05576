"""What a caller waits for, read off the wire with the kernel's own clock.

A raw socket sees every packet of the centre's SIP and RTP ports as it is delivered. From them:
INVITE to the first audible RTP packet at the caller, and from the last packet of key 0 (the key
is let go; before that nobody can act on it) to the INVITE at a call-taker's phone.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from centre.actors import pcap

if TYPE_CHECKING:
    from collections.abc import Iterable

_SO_ATTACH_FILTER: Final = 26
_SO_TIMESTAMPNS: Final = 35
_RECEIVE_BYTES: Final = 32 * 1024 * 1024
_END_OF_EVENT: Final = 0x80
AUDIBLE: Final = 300
"""A sample of this size or more (of 32,768; -40 dB) is no silence; A-law's idle noise is 8."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A UDP packet: `at` in s since 1970 by the kernel, addresses as (ip, port)."""

    at: float
    sender: tuple[str, int]
    to: tuple[str, int]
    body: bytes


@dataclass(slots=True)
class Delays:
    """Of each call, in ms."""

    prompt_ms: list[float] = field(default_factory=list)
    ring_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Call:
    invited: float
    heard: float | None = None
    pressed: float | None = None
    rung: float | None = None

    def hears(self, packet: Packet) -> None:
        if self.heard is None and is_audible(packet.body):
            self.heard = packet.at

    def says(self, packet: Packet) -> None:
        if self.pressed is None and is_end_of_key(packet.body):
            self.pressed = packet.at


class Tap(threading.Thread):
    """Keeps every packet from or to the SIP port and the media ports of one centre."""

    def __init__(self, sip_port: int, media_ports: tuple[int, int]) -> None:
        super().__init__(name="tap", daemon=True)
        self.packets: list[Packet] = []
        self._stopped = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _narrow(self._socket, sip_port, media_ports)
        self._socket.settimeout(0.2)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self.join(5)
        self._socket.close()

    def run(self) -> None:
        """Collect until the `with` block ends."""
        room = socket.CMSG_SPACE(16)
        while not self._stopped:
            with contextlib.suppress(TimeoutError):
                data, told, _, _ = self._socket.recvmsg(2048, room)
                seconds, nanos = struct.unpack("qq", told[0][2])
                self.packets.append(read(data, seconds + nanos / 1e9))


def read(data: bytes, at: float) -> Packet:
    """Take an IPv4 packet with UDP inside apart."""
    head = (data[0] & 15) * 4
    sender_port, to_port = struct.unpack_from("!HH", data, head)
    sender, to = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
    return Packet(at, (sender, sender_port), (to, to_port), data[head + 8 :])


def delays(
    packets: Iterable[Packet], centre: tuple[str, int], callers_ip: str, phones_ip: str
) -> Delays:
    """What each call waited for. `centre` is its SIP address; a call is known by its number."""
    calls: dict[str, _Call] = {}
    at_port: dict[int, _Call] = {}  # the caller's media port, taken anew by a later call
    for packet in sorted(packets, key=lambda one: one.at):
        if packet.body.startswith(b"INVITE "):
            number = _number(packet.body)
            if packet.to == centre and number not in calls:
                calls[number] = at_port[_media_port(packet.body)] = _Call(packet.at)
            elif packet.to[0] == phones_ip and number in calls:
                calls[number].rung = calls[number].rung or packet.at
        elif packet.to[0] == callers_ip and packet.to[1] in at_port:
            at_port[packet.to[1]].hears(packet)
        elif packet.sender[0] == callers_ip and packet.sender[1] in at_port:
            at_port[packet.sender[1]].says(packet)
    return _of(calls.values())


def _of(calls: Iterable[_Call]) -> Delays:
    found = Delays()
    for call in calls:
        if call.heard is not None:
            found.prompt_ms.append((call.heard - call.invited) * 1000)
        if call.pressed is not None and call.rung is not None:
            found.ring_ms.append((call.rung - call.pressed) * 1000)
    return found


def is_audible(rtp: bytes) -> bool:
    """Whether an RTP packet carries A-law that can be heard."""
    if len(rtp) <= 12 or rtp[1] & 0x7F != pcap.PT_ALAW:
        return False
    samples = pcap.from_alaw(rtp[12:]).astype(np.int32)
    return bool(np.abs(samples).max() >= AUDIBLE)


def is_end_of_key(rtp: bytes) -> bool:
    """Whether an RTP packet says that key 0 was let go (RFC 4733)."""
    return (
        len(rtp) >= 16
        and rtp[1] & 0x7F == pcap.PT_EVENT
        and rtp[12] == 0
        and bool(rtp[13] & _END_OF_EVENT)
    )


def _number(invite: bytes) -> str:
    found = re.search(
        rb"^(?:From|f):[^\r\n]*?sip:([^@>\r\n]*)@", invite, re.MULTILINE | re.IGNORECASE
    )
    return found[1].decode("ascii", "replace").removeprefix("+") if found else ""


def _media_port(invite: bytes) -> int:
    found = re.search(rb"^m=audio (\d+)", invite, re.MULTILINE)
    return int(found[1]) if found else 0


def _narrow(raw: socket.socket, sip_port: int, media: tuple[int, int]) -> None:
    """Let the kernel (classic BPF) pass the packets of one centre only; X holds the IP header."""
    first, last = media
    steps = (
        (0xB1, 0, 0, 0),  # X = length of the IP header
        (0x48, 0, 0, 0),  # A = the sender's port
        (0x15, 6, 0, sip_port),
        (0x35, 0, 1, first),
        (0x25, 0, 4, last),
        (0x48, 0, 0, 2),  # A = the receiver's port
        (0x15, 2, 0, sip_port),
        (0x35, 0, 2, first),
        (0x25, 1, 0, last),
        (0x06, 0, 0, 0xFFFF),
        (0x06, 0, 0, 0),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    filtering = struct.pack("HL", len(steps), ctypes.addressof(program))
    raw.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filtering)
