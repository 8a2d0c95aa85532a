"""Every server is visited in every round."""

from __future__ import annotations

import pytest

from benchmarks.figures import HAPI, OURS
from benchmarks.load import LoadFailed, Sample
from benchmarks.rounds import interleaved, visits


def never(name: str, why: str) -> None:
    """No peer is to be left out."""
    pytest.fail(f"{name}: {why}")


def test_every_second_round_goes_the_other_way():
    """So that none always comes first."""
    assert list(visits(["a", "b"], ["small", "large"], rounds=2)) == [
        ("a", "small"), ("b", "small"), ("a", "large"), ("b", "large"),
        ("b", "small"), ("a", "small"), ("b", "large"), ("a", "large"),
    ]  # fmt: skip


def test_samples_stand_in_the_order_of_rounds():
    """The first sample of each server is of the first round, whichever way the round went."""
    order = iter(range(4))

    def measure(server: str, size: str) -> Sample:
        del server, size
        return Sample(next(order), 1, 1, 1, 0)

    found = interleaved([OURS, HAPI], ["small"], 2, measure, never)

    assert {name: [sample.rate for sample in samples] for name, samples in found["small"].items()} == {
        OURS: [0, 3],
        HAPI: [1, 2],
    }


def test_peer_that_fails_is_left_out_of_all():
    """One that fails on the large request is not compared on the small one either, and it is said once why."""
    told = []

    def measure(server: str, size: str) -> Sample:
        if (server, size) == (HAPI, "large"):
            raise LoadFailed("nothing was answered")
        return Sample(1, 1, 1, 1, 0)

    found = interleaved([OURS, HAPI], ["small", "large"], 3, measure, lambda name, why: told.append((name, why)))

    assert {size: list(servers) for size, servers in found.items()} == {"small": [OURS], "large": [OURS]}
    assert told == [(HAPI, "nothing was answered")]


def test_without_ours_there_is_nothing_to_tell():
    """Where our own server fails, so does the run."""

    def measure(server: str, size: str) -> Sample:
        raise LoadFailed(f"{server} {size}")

    with pytest.raises(LoadFailed):
        interleaved([OURS], ["small"], 1, measure, never)
