"""A phone signs on with its password, from the port on which it will ring."""

import re
import socket
import threading

import pytest

from centre.actors import ActorError, Phone


class Registrar(threading.Thread):
    """Asks once for a password and lets everybody in who then has one, unless `strict`."""

    def __init__(self, *, strict=False):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.strict = strict
        self.requests = []
        self.start()

    def run(self):
        while True:
            data, sender = self.socket.recvfrom(4096)
            if data == b"end":
                self.socket.close()
                return
            request = data.decode()
            self.requests.append((request, sender))
            wanted = self.strict or "Authorization:" not in request
            self.socket.sendto(self.answer(request, wanted=wanted).encode(), sender)

    @staticmethod
    def answer(request, *, wanted):
        kept = re.findall(r"(?m)^(?:Via|From|To|Call-ID|CSeq): .*$", request.replace("\r", ""))
        status = "401 Unauthorized" if wanted else "200 OK"
        ask = ['WWW-Authenticate: Digest realm="siaga",nonce="n1",algorithm=md5,qop="auth"']
        lines = [f"SIP/2.0 {status}", *kept, *(ask if wanted else []), "Content-Length: 0"]
        return "\r\n".join([*lines, "", ""])

    def end(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"end", self.socket.getsockname())
        self.join(5)


@pytest.fixture
def registrar():
    opened = []

    def opening(**how):
        opened.append(Registrar(**how))
        return opened[-1]

    yield opening
    for one in opened:
        one.end()


def test_a_phone_signs_on_from_the_port_it_will_ring_on(registrar, tmp_path, budis_ip):
    centre = registrar()
    phone = Phone("Budi", "budi", "rahasia", centre.socket.getsockname(), local_ip=budis_ip)
    with phone.start(tmp_path) as line:
        assert line.alive
    assert len(centre.requests) == 2
    signed, sender = centre.requests[1]
    assert sender == (budis_ip, line.sip_port)
    assert f"Contact: <sip:budi@{budis_ip}:{line.sip_port}>" in signed
    assert "Expires: 3600" in signed
    assert 'username="budi"' in signed
    assert "rahasia" not in signed


def test_a_wrong_password_is_told_with_the_answer_of_the_centre(registrar, tmp_path, budis_ip):
    centre = registrar(strict=True)
    phone = Phone("Budi", "budi", "salah", centre.socket.getsockname(), local_ip=budis_ip)
    with pytest.raises(ActorError, match=r"(?s)Budi could not register.*401 Unauthorized"):
        phone.start(tmp_path)
