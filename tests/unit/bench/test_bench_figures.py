import math
import struct

import numpy as np
import pytest

from bench import calls, load, memory, proc
from bench.bare import PHONES, Seats
from bench.proc import Cost
from bench.rates import Search, grid, middle, percentile, ratio
from bench.wire import Packet, delays, is_audible, is_end_of_key, read
from centre.actors import pcap

CENTRE = ("127.0.0.1", 5060)
CALLER, PHONE = "127.0.0.2", "127.0.0.3"


def search(capacity, **how):
    """Run a search on a machine that holds `capacity` calls/s; give the answer and the tries."""
    one, tried = Search(grid(1.06), **how), []
    while (rate := one.next) is not None:
        tried.append(rate)
        one.told(rate, passed=rate <= capacity)
    return one.best, tried


@pytest.mark.parametrize("capacity", [15, 40, 72.5, 100, 259])
def test_a_search_finds_the_highest_rate_that_passes(capacity):
    best, tried = search(capacity)
    assert best == max(rate for rate in grid(1.06) if rate <= capacity)
    assert len(tried) <= 6


def test_a_machine_that_holds_nothing_is_told_as_zero():
    assert search(3)[0] == 0.0


def test_a_second_pass_tries_the_neighbourhood_only():
    best, tried = search(75, around=70.0)
    assert best == max(rate for rate in grid(1.06) if rate <= 75)
    assert len(tried) <= 3


def test_a_grid_rises_to_its_end_without_repeats():
    rates = grid(1.06)
    assert rates == sorted(set(rates))
    assert rates[0] == 15


def test_medians_and_ratios_of_nothing_are_zero():
    assert (middle([]), middle([3.0, 1.0, 2.0])) == (0.0, 2.0)
    assert (ratio(1.0, 0.0), ratio(85.0, 100.0)) == (0.0, 0.85)


def test_percentiles():
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([float(n) for n in range(101)], 99) == 99.0
    assert math.isnan(percentile([], 50))


@pytest.mark.parametrize(
    ("successful", "retransmissions", "queued", "passed", "close"),
    [
        (1000, 0, 1000, True, False),
        (1000, 1, 1000, True, False),  # 99.9 % exactly
        (1000, 2, 1000, False, True),
        (1000, 0, 998, False, True),  # two never reached the queue
        (900, 0, 900, False, False),
        (0, 5000, 0, False, False),
    ],
)
def test_a_call_succeeds_when_sipp_and_the_queue_say_so_and_nothing_was_said_twice(
    successful, retransmissions, queued, passed, close
):
    poured = load.Poured(50, 1000, successful, retransmissions, queued)
    assert (poured.passed, poured.close) == (passed, close)


def test_the_queues_own_words_are_read():
    shown = "112 has 37 calls (max unlimited) in 'leastrecent' strategy, W:0, C:4, A:120, SL:0.0%"
    assert (load.left_the_queue(shown), load.waiting(shown)) == (120, 37)
    assert (load.left_the_queue("No such queue"), load.waiting("")) == (0, 0)


def test_processor_time_is_read_whatever_the_program_is_called():
    fields = " ".join(["S", *["0"] * 10, "150", "50", *["0"] * 30])
    assert proc.cpu_s_of(f"42 (evil) name) {fields}") == pytest.approx(200 / 100)


def test_memory_is_the_share_of_pages():
    assert proc.pss_kib_of("Rss:  900 kB\nPss:  640 kB\nPss_Anon:  1 kB\n") == 640.0
    assert proc.pss_kib_of("") == 0.0


def test_costs_are_subtracted_and_divided():
    spent = (Cost(3.0, 2.0, 1.0) - Cost(1.0, 1.0, 1.0)).times(0.5)
    assert (spent, spent.whole) == (Cost(1.0, 0.5, 0.0), 1.5)


def test_growth_is_counted_after_the_beginning():
    growth = memory.Growth([0, 1000, 2000, 3000], [50.0, 90.0, 91.0, 92.0], [1.0] * 4)
    assert growth.asterisk_per_1000(1000) == pytest.approx(1.0)
    assert memory.Growth([5], [1.0], [1.0]).asterisk_per_1000(0) == 0.0


def test_seats_are_phones_that_answer_or_one_who_is_busy():
    assert Seats(5070).members().count("member =>") == PHONES
    assert Seats(5070).endpoints().count("type = endpoint") == PHONES
    assert "Custom:bench" in Seats().members()
    assert Seats().endpoints() == ""


# --- the wire ---


def rtp(kind, payload):
    return struct.pack("!BBHII", 0x80, kind, 1, 160, 7) + payload


def invite(number, media):
    return (
        f'INVITE sip:112@127.0.0.1 SIP/2.0\r\nFrom: "Budi" <sip:+{number}@127.0.0.2>;tag=1\r\n'
        f"\r\nv=0\r\nm=audio {media} RTP/AVP 8 101\r\n"
    ).encode()


QUIET = rtp(pcap.PT_ALAW, b"\xd5" * 160)
LOUD = rtp(pcap.PT_ALAW, pcap.to_alaw(pcap.tone(440, 0.02)))
HELD = rtp(pcap.PT_EVENT, struct.pack("!BBH", 0, 10, 160))
RELEASED = rtp(pcap.PT_EVENT, struct.pack("!BBH", 0, 0x8A, 960))


def test_silence_is_not_heard_and_a_voice_is():
    assert not is_audible(QUIET)
    assert is_audible(LOUD)
    assert not is_audible(RELEASED)
    assert not is_audible(rtp(pcap.PT_ALAW, b""))
    assert not is_audible(rtp(pcap.PT_ALAW, pcap.to_alaw(np.full(160, 40, np.int16))))


def test_only_the_end_of_key_0_counts():
    assert is_end_of_key(RELEASED)
    assert not is_end_of_key(HELD)
    assert not is_end_of_key(LOUD)
    assert not is_end_of_key(rtp(pcap.PT_EVENT, struct.pack("!BBH", 5, 0x8A, 960)))


def test_a_call_is_timed_from_its_invite_and_from_its_key():
    def says(at, body):
        return Packet(at, (CALLER, 4000), ("127.0.0.1", 30000), body)

    def hears(at, body):
        return Packet(at, ("127.0.0.1", 30000), (CALLER, 4000), body)

    story = [
        Packet(1.000, (CALLER, 5070), CENTRE, invite("62811", 4000)),
        hears(1.020, QUIET),
        hears(1.050, LOUD),
        hears(1.070, LOUD),
        says(1.500, HELD),
        says(1.620, RELEASED),
        says(1.640, RELEASED),
        Packet(1.630, CENTRE, (PHONE, 5080), invite("62811", 31000)),
        Packet(1.900, (CALLER, 5070), CENTRE, invite("62811", 4000)),  # said again
        Packet(2.000, CENTRE, (PHONE, 5080), invite("62899", 31000)),  # nobody's we know
        Packet(2.100, (CALLER, 5070), CENTRE, invite("62812", 4004)),  # hears and says nothing
    ]
    found = delays(story, CENTRE, CALLER, PHONE)
    assert found.prompt_ms == pytest.approx([50.0])
    assert found.ring_ms == pytest.approx([10.0])


def test_a_raw_packet_is_taken_apart():
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x46, 0, 34, 0, 0, 64, 17, 0, b"\x7f\0\0\x02", b"\x7f\0\0\x01"
    )
    data = head + b"\0\0\0\0" + struct.pack("!HHHH", 4000, 5060, 10, 0) + b"hi"
    assert read(data, 5.0) == Packet(5.0, (CALLER, 4000), CENTRE, b"hi")


# --- the table ---


def test_the_goal_is_the_ratio_to_the_same_call_without_agi():
    figures = calls.of_rates({"ours": [80.0, 90.0], "bare": [100.0], "unrecorded": [170.0]})
    assert figures["calls_per_s_ours"] == 85.0
    assert figures["calls_per_s_ratio_to_unrecorded"] == 0.5
    assert calls.goals_of(figures)["calls_per_s_ratio"]["ok"]
    assert not calls.goals_of({"calls_per_s_ratio": 0.84})["calls_per_s_ratio"]["ok"]


def test_a_bench_without_the_unrecorded_call_leaves_its_ratio_out():
    assert "calls_per_s_ratio_to_unrecorded" not in calls.of_rates({"ours": [1], "bare": [1]})


def test_figures_at_twenty_name_who_spent_what():
    one = calls.AtTwenty([Cost(9.0, 3.0, 2.0), Cost(7.0, 1.0, 2.0), Cost(8.0, 2.0, 2.0)])
    one.waits.prompt_ms += [40.0, 50.0, 60.0]
    figures = calls.of_twenty({"ours": one, "bare": one})
    assert figures["cpu_ms_per_call_asterisk_ours"] == 8.0
    assert figures["cpu_ms_per_call_workers"] == 2.0
    assert figures["invite_to_prompt_ms_p50_bare"] == 50.0
    assert "cpu_ms_per_call_workers_bare" not in figures


def test_a_waiting_call_that_was_not_measured_is_not_told():
    waiting = memory.Waiting(Cost(100.4, 30.0, 0.0), None)
    assert calls.of_waiting("ours", waiting) == {
        "kib_per_call_in_menu_asterisk_ours": 100,
        "kib_per_call_in_menu_workers": 30,
    }


def test_growth_is_told_as_a_road():
    growth = memory.Growth([0, 500, 1000, 2000], [60.0, 80.0, 81.0, 81.5], [200.0] * 4)
    figures = calls.of_growth(growth, 60.0)
    assert figures["growth_asterisk_mib"] == "60 → 80 → 81 → 82"
    assert figures["growth_asterisk_mib_per_1000_calls_late"] == 0.5
