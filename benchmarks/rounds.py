"""Rounds that visit every server in turn, so that what happens to the machine happens to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from benchmarks.figures import OURS
from benchmarks.load import LoadFailed, Sample

Measure = Callable[[str, str], Sample]
"""Measures a server on a size of request, both by name."""


def visits(servers: Sequence[str], sizes: Sequence[str], rounds: int) -> Iterator[tuple[str, str]]:
    """Server and size, one after the other; every second round goes the other way, so that none is always first."""
    for number in range(rounds):
        for size in sizes:
            for server in servers if number % 2 == 0 else servers[::-1]:
                yield server, size


def interleaved(
    servers: Sequence[str], sizes: Sequence[str], rounds: int, measure: Measure, leave_out: Callable[[str, str], None]
) -> dict[str, dict[str, list[Sample]]]:
    """A sample of each round, by size and server. A peer that fails is left out of all, and *leave_out* is told why.

    Raises:
        LoadFailed: ours failed.
    """
    lost: set[str] = set()
    found: dict[str, dict[str, list[Sample]]] = {size: {server: [] for server in servers} for size in sizes}
    for server, size in visits(servers, sizes, rounds):
        if server in lost:
            continue
        try:
            found[size][server].append(measure(server, size))
        except LoadFailed as problem:
            if server == OURS:
                raise
            lost.add(server)
            leave_out(server, str(problem))
    return {
        size: {server: samples for server, samples in of_size.items() if server not in lost}
        for size, of_size in found.items()
    }
