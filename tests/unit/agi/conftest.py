"""A peer for a session: it answers each command with the next thing it was told to say."""

import contextlib
import socket
import threading

import pytest

from agi.session import Session

HEADER = (
    b"agi_network: yes\nagi_channel: PJSIP/a-1\nagi_uniqueid: siaga-1.1\nagi_version: 22.10.1\n\n"
)


class Talk:
    """A session and what its peer heard. A reply of None closes; the last reply stays silent."""

    def __init__(self, replies, header, limits):
        ours, self.peer = socket.socketpair()
        self.heard: list[bytes] = []
        self.peer.sendall(header)
        self._thread = threading.Thread(target=self._answer, args=(replies,), daemon=True)
        self._thread.start()
        try:
            self.session = Session(ours, limits)
        except Exception:
            ours.close()
            raise

    def _answer(self, replies):
        with self.peer.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            for reply in (*replies, b""):
                line = lines.readline()
                if not line:
                    return
                self.heard.append(line)
                if reply is None:
                    self.peer.shutdown(socket.SHUT_RDWR)
                    return
                self.peer.sendall(reply)

    @property
    def words(self) -> list[str]:
        """What was heard, as text without newlines."""
        return [line.decode("utf-8", "surrogateescape").rstrip("\n") for line in self.heard]

    def close(self):
        self.session.close()
        self._thread.join(5)
        self.peer.close()


@pytest.fixture
def talk():
    """Start a talk: `talk(reply, reply, …)`; each reply is the bytes after one command."""
    talks: list[Talk] = []

    def start(*replies, header=HEADER, limits=None):
        talks.append(Talk(replies, header, limits))
        return talks[-1]

    yield start
    for one in talks:
        one.close()
