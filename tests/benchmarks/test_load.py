"""What wrk prints, and how long it is let run."""

from __future__ import annotations

import pytest

from benchmarks.load import LoadFailed, Sample, long_enough, read

PRINTED = """Running 2s test @ http://127.0.0.1:8000/cds-services/vitamin-d-magnesium
  1 threads and 8 connections
  400 requests in 2.00s, 3.00MB read
RESULT requests=400 seconds=2.000000 p50=4000 p99=10000 failed=3
"""


def test_printed_result_is_read():
    """400 requests in 2 s are 200 a second; microseconds become milliseconds; 1 s of CPU is 2.5 ms for each of 400."""
    assert read(PRINTED, cpu_seconds=1.0) == Sample(rate=200.0, p50=4.0, p99=10.0, cpu=2.5, failed=3)


def test_tail_is_how_many_times_the_median_the_long_wait_is():
    """10 ms are 2.5 times 4 ms."""
    assert read(PRINTED, cpu_seconds=1.0).tail == 2.5


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("unable to connect to 127.0.0.1:8000 Connection refused\n", "Connection refused"),
        ("RESULT requests=0 seconds=2.000000 p50=0 p99=0 failed=0\n", "nothing was answered"),
    ],
)
def test_no_result_is_told(printed: str, why: str):
    """Without a result, or where nothing was answered, there is no sample, and the error says why."""
    with pytest.raises(LoadFailed, match=why):
        read(printed, cpu_seconds=1.0)


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [
        (1000.0, 2),  # 40 answers, 5 for each of 8 connections, take 0.04 s
        (20.0, 2),  # they take just 2 s
        (12.0, 4),  # they take 3.3 s
        (0.5, 20),  # they would take 80 s: ten times the usual is the end
    ],
)
def test_slow_server_is_measured_longer(rate: float, seconds: int):
    """A server is measured until 40 answers may be expected, within bounds."""
    assert long_enough(seconds=2, connections=8, rate=rate) == seconds
