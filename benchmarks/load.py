"""Load on servers by wrk, in rounds that visit each in turn, and what came of it."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.servers import OURS, Server

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


Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
"""By size of the request and name of the server, one of each round."""


def measure(server: Server, body: Path, connections: int, seconds: int) -> Sample:
    """Put load on *server*, from the core of this process, and read what it cost.

    Raises:
        LoadFailed: nothing was answered.
    """
    before = server.cpu_seconds()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(SCRIPT), server.url]
    done = subprocess.run([*command, "--", str(body)], capture_output=True, text=True, check=False)
    return read(done.stdout + done.stderr, server.cpu_seconds() - before)


def long_enough(seconds: int, connections: int, rate: float) -> int:
    """How long to measure a server that answers so many requests a second: *seconds*, or longer where it is slow."""
    return max(seconds, min(LONGEST * seconds, math.ceil(ENOUGH * connections / rate)))


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


def visits(servers: Sequence[str], sizes: Sequence[str], rounds: int) -> Iterator[tuple[str, str]]:
    """Server and size, one after the other; every second round goes the other way, so that none is always first."""
    for number in range(rounds):
        for size in sizes:
            for server in servers if number % 2 == 0 else servers[::-1]:
                yield server, size


def interleaved(
    servers: Sequence[str],
    sizes: Sequence[str],
    rounds: int,
    measured: Callable[[str, str], Sample],
    leave_out: Callable[[str, str], None],
) -> dict[str, dict[str, list[Sample]]]:
    """A sample of each round, by size and server: what happens to the machine happens to all of them.

    A peer that fails is left out of all, and *leave_out* is told why.

    Raises:
        LoadFailed: ours failed.
    """
    found: dict[str, dict[str, list[Sample]]] = {size: {server: [] for server in servers} for size in sizes}
    for server, size in visits(servers, sizes, rounds):
        if server not in found[size]:
            continue
        try:
            found[size][server].append(measured(server, size))
        except LoadFailed as problem:
            if server == OURS:
                raise
            for of_size in found.values():
                del of_size[server]
            leave_out(server, str(problem))
    return found
