"""Load on a server by wrk, and what came of it."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.servers import Server

ENOUGH, LONGEST = 5, 10
"""Answers for each connection that a measurement is to have, and how many times longer it may last for that."""
SCRIPT = Path(__file__).with_name("post.lua")
RESULT = re.compile(r"^RESULT requests=(\d+) seconds=([\d.]+) p50=(\d+) p99=(\d+) failed=(\d+)$", re.MULTILINE)


class LoadFailed(Exception):
    """No load could be put on a server, or it answered nothing."""


class Sample(NamedTuple):
    """One measurement: requests a second, milliseconds of waiting, milliseconds of CPU a request, failed requests."""

    rate: float
    p50: float
    p99: float
    cpu: float
    failed: int

    @property
    def tail(self) -> float:
        """How many times the usual waiting the long one is."""
        return self.p99 / self.p50


def measure(server: Server, body: Path, connections: int, seconds: int) -> Sample:
    """Put load on *server* and read what it cost.

    Raises:
        LoadFailed: nothing was answered.
    """
    before = server.cpu_seconds()
    told = wrk(server.url, body, connections, seconds)
    return read(told, server.cpu_seconds() - before)


def long_enough(seconds: int, connections: int, rate: float) -> int:
    """How long to measure a server that answers so many requests a second: *seconds*, or longer where it is slow."""
    return max(seconds, min(LONGEST * seconds, math.ceil(ENOUGH * connections / rate)))


def wrk(url: str, body: Path, connections: int, seconds: int) -> str:
    """What wrk prints. It runs on the core of this process."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(SCRIPT), url]
    return _printed([*command, "--", str(body)])


def _printed(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def read(told: str, cpu_seconds: float) -> Sample:
    """What wrk printed, with the CPU time that went into it, as a sample.

    Raises:
        LoadFailed: there is no result, or nothing was answered.
    """
    found = RESULT.search(told)
    if found is None:
        raise LoadFailed(f"wrk gave no result: {told.strip()[-200:]}")
    requests, seconds = int(found[1]), float(found[2])
    if requests == 0:
        raise LoadFailed("nothing was answered")
    return Sample(
        rate=requests / seconds,
        p50=int(found[3]) / 1e3,
        p99=int(found[4]) / 1e3,
        cpu=cpu_seconds / requests * 1e3,
        failed=int(found[5]),
    )
