"""The service as it runs: workers that die, stop, fill up, and are told to end."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted_asterisk import Asterisk, until

SERVICE = Path(__file__).with_name("fastagi_service.py")


class Service:
    def __init__(self, workers=2, slots=50, drain_s=5.0):
        self.process = subprocess.Popen(
            [sys.executable, str(SERVICE), str(workers), str(slots), str(drain_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))
        until(lambda: len(self.workers) == workers, "the workers are there")

    @property
    def workers(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def dial(self, script) -> Asterisk:
        return Asterisk(self.address).dials(script)

    def who_answers(self) -> int:
        with self.dial("whoami") as asterisk:
            pid = asterisk.expects_like(r'SET VARIABLE "PID" "(\d+)"')[1]
            asterisk.says("200 result=1").sees_the_end()
        return int(pid)

    def end(self):
        for pid in self.workers if self.process.poll() is None else []:
            os.kill(pid, signal.SIGCONT)
        self.process.kill()
        # Orphaned workers notice by themselves; a test that leaves one would be found here.
        self.process.communicate()


@pytest.fixture
def service():
    started = []

    def start(**how):
        started.append(Service(**how))
        return started[-1]

    yield start
    for one in started:
        one.end()


def is_alive(pid):
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_both_workers_answer_and_each_keeps_to_one_core(service):
    running = service()
    seen = set()
    until(lambda: seen.add(running.who_answers()) or len(seen) == 2, "both workers answer")
    cores = [os.sched_getaffinity(pid) for pid in running.workers]
    assert all(len(core) == 1 for core in cores)
    if len(os.sched_getaffinity(0)) > 1:
        assert cores[0] != cores[1]


def test_a_crashing_conversation_says_failure_and_touches_nobody(service):
    running = service(workers=1)
    with running.dial("wait") as neighbour:
        neighbour.expects('SET VARIABLE "TIMEOUT(absolute)" "63"').says("200 result=1")
        neighbour.expects("WAIT FOR DIGIT 60000")
        for script in ("crash", "leave", "no-such-script"):
            with running.dial(script) as asterisk:
                asterisk.sees_failure()
        neighbour.says("200 result=48")
        neighbour.expects('SET VARIABLE "WAITED" "1"').says("200 result=1").sees_the_end()


def test_frozen_conversations_hold_up_nobody(service):
    running = service(workers=1)
    frozen = [running.dial("freeze") for _ in range(40)]
    for _ in range(20):
        running.who_answers()
    for asterisk in frozen:
        asterisk.closes()


def test_a_caller_too_many_is_refused_at_once_and_served_when_there_is_room(service):
    running = service(workers=1, slots=3)
    frozen = [running.dial("wait") for _ in range(3)]
    for asterisk in frozen:
        asterisk.expects('SET VARIABLE "TIMEOUT(absolute)" "63"')
    for _ in range(5):
        began = time.monotonic()
        with running.dial("echo") as refused:
            refused.sees_failure()
        assert time.monotonic() - began < 0.4
    frozen.pop().closes()

    def served():
        with running.dial("whoami") as asterisk:
            return "PID" in asterisk._line()

    until(served, "the free slot serves again")
    for asterisk in frozen:
        asterisk.closes()


def test_a_killed_worker_is_replaced_while_the_other_serves(service):
    running = service()
    victim, other = running.workers
    os.kill(victim, signal.SIGKILL)
    for _ in range(20):
        assert running.who_answers() != victim
    until(lambda: len(set(running.workers) - {victim}) == 2, "there are two again")
    assert other in running.workers


def test_a_worker_that_dies_again_and_again_comes_back_later_and_later(service):
    running = service(workers=1)
    for _ in range(3):
        (victim,) = running.workers
        os.kill(victim, signal.SIGKILL)
        until(lambda gone=victim: running.workers not in ([], [gone]), "another is there")
    running.who_answers()


def test_a_stopped_worker_stalls_no_caller(service):
    running = service()
    stopped = running.workers[0]
    os.kill(stopped, signal.SIGSTOP)
    until(lambda: re.search(r"\) T ", Path(f"/proc/{stopped}/stat").read_text()), "it stopped")
    for _ in range(60):
        assert running.who_answers() != stopped


def test_sigterm_lets_a_conversation_end_and_takes_no_new_one(service):
    running = service()
    with running.dial("wait") as asterisk:
        asterisk.expects('SET VARIABLE "TIMEOUT(absolute)" "63"').says("200 result=1")
        asterisk.expects("WAIT FOR DIGIT 60000")
        workers = running.workers
        running.process.send_signal(signal.SIGTERM)
        until(lambda: not_served(running), "nobody new is served")
        asterisk.says("200 result=48")
        asterisk.expects('SET VARIABLE "WAITED" "1"').says("200 result=1").sees_the_end()
    assert running.process.wait(10) == 0
    until(lambda: not any(map(is_alive, workers)), "no worker is left")


def not_served(running):
    """Refused with the line, or no longer listening at all."""
    try:
        with running.dial("whoami") as asterisk:
            came = asterisk._read.readline()
            if came.startswith(b"SET"):
                asterisk.says("200 result=1")
                return False
            return True
    except ConnectionError:
        return True


def test_a_conversation_longer_than_the_drain_is_told_failure(service):
    running = service(drain_s=0.5)
    with running.dial("wait") as asterisk:
        asterisk.expects('SET VARIABLE "TIMEOUT(absolute)" "63"').says("200 result=1")
        asterisk.expects("WAIT FOR DIGIT 60000")
        running.process.send_signal(signal.SIGTERM)
        asterisk.sees_failure()
    assert running.process.wait(10) == 0


def test_an_operators_sighup_ends_nothing(service):
    running = service()
    before = running.workers
    for pid in [running.process.pid, *before]:
        os.kill(pid, signal.SIGHUP)
    running.who_answers()
    assert running.workers == before


def test_workers_do_not_outlive_a_killed_master(service):
    running = service()
    workers = running.workers
    running.process.kill()
    until(lambda: not any(map(is_alive, workers)), "the orphans are gone")


def test_port_zero_is_refused_because_nobody_could_find_it():
    from agi.workers import serve  # noqa: PLC0415 # only this test needs it

    with pytest.raises(ValueError, match="port 0"):
        serve([("127.0.0.1", 0)], {})
