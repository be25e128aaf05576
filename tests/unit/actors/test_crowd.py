"""Many callers at once, counted."""

import pytest

from centre.actors import (
    AnswerAfter,
    Busy,
    Caller,
    CallerId,
    Crowd,
    CrowdFigures,
    HangUp,
    Phone,
    Speak,
    Wait,
    WaitForHangup,
)


@pytest.fixture
def phone(tmp_path, anis_ip, budis_ip):
    started = []

    def ready(answer):
        line = Phone(
            "Budi",
            "budi",
            "x",
            (anis_ip, 9),
            local_ip=budis_ip,
            answer=answer,
            plan=[WaitForHangup(10)],
        ).start(tmp_path / "budi", register=False)
        started.append(line)
        return line

    yield ready
    for line in started:
        line.stop()


def crowd(line, **how):
    caller = Caller(
        "Warga",
        CallerId("", "Warga"),
        (line.phone.local_ip, line.sip_port),
        plan=[Speak(400.0, 0.2), Wait(0.1), HangUp()],
    )
    return Crowd(caller, **how)


def test_every_call_of_a_crowd_is_counted_and_has_its_own_number(phone, tmp_path):
    line = phone(AnswerAfter(0.02))
    with crowd(line, count=12, rate=20, number=62811000).start(tmp_path / "crowd") as ringing:
        assert ringing.wait_ended() == 0
        figures = ringing.figures()
    assert (figures.placed, figures.successful, figures.failed) == (12, 12, 0)
    assert len(figures.answer_ms) == 12
    assert 10 <= figures.percentile_ms(50) < 500
    line.wait_for("other_hung_up", times=12)
    assert all(f"<sip:+{62811000 + n}@" in line.messages() for n in range(1, 13))


def test_a_refused_call_of_a_crowd_is_a_failed_one(phone, tmp_path):
    line = phone(Busy())
    with crowd(line, count=3, rate=10).start(tmp_path / "crowd") as ringing:
        assert ringing.wait_ended() == 1
        figures = ringing.figures()
    assert (figures.successful, figures.failed) == (0, 3)


@pytest.mark.parametrize("how", [{"count": 0, "rate": 1}, {"count": 10**9, "rate": 1}])
def test_a_crowd_is_bounded(phone, how):
    with pytest.raises(ValueError, match="a crowd is"):
        crowd(phone(Busy()), **how).start()


def test_a_crowd_that_never_rang_has_no_times():
    assert str(CrowdFigures(0, 0, 0, 0).percentile_ms(99)) == "nan"
