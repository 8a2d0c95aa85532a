"""Ratios, spreads, and whether a goal is met. No clock, no process: numbers in, numbers and words out."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.load import Sample

OURS, BARE, HEALTHCHAIN, HAPI = "cds-service", "bare Flask + msgspec", "HealthChain", "HAPI CDS Hooks"
IN_A_LINE = 1.25
"""How much dearer each of the last Observations may be than each before, for the cost to be called a straight line."""

Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
"""By size of the request and name of the server, one of each round."""


class Spread(NamedTuple):
    """A median with the least and the most."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        """Such as `12.6 (12.2..20)`."""
        return f"{short(self.median)} ({short(self.least)}..{short(self.most)})"


def spread(values: Sequence[float]) -> Spread:
    """The spread of *values*."""
    return Spread(statistics.median(values), min(values), max(values))


def short(value: float) -> str:
    """*value* with three digits, or all those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - where a third digit is the last


def paired(samples: Mapping[str, Sequence[Sample]], other: str, of: Callable[[Sample], float]) -> Spread | None:
    """Ours to that of *other*, each taken inside a round; `None` where one of them was not measured."""
    if not samples.get(OURS) or not samples.get(other):
        return None
    return spread([of(mine) / of(theirs) for mine, theirs in zip(samples[OURS], samples[other], strict=True)])


class Point(NamedTuple):
    """What a request with so many Observations costs: its bytes, and seconds of CPU."""

    observations: int
    size: int
    seconds: float


def added(points: Sequence[Point]) -> list[float]:
    """Seconds for each Observation that a point has more than the one before it."""
    pairs = itertools.pairwise(points)
    return [(after.seconds - before.seconds) / (after.observations - before.observations) for before, after in pairs]


@dataclass(frozen=True)
class Measured:
    """All that the goals are about; what is lacking was not measured."""

    samples: Samples
    restart: Spread | None = None
    first_start: Spread | None = None
    worker_mib: float | None = None
    line: Sequence[Point] = ()


@dataclass(frozen=True)
class Goal:
    """A bound, and the number that is held against it. The median decides."""

    what: str
    bound: float
    measured: Spread | None
    at_least: bool = False
    unit: str = "x"

    @property
    def target(self) -> str:
        """The bound in words."""
        return f"{'at least' if self.at_least else 'at most'} {short(self.bound)}{self.unit}"

    @property
    def verdict(self) -> str:
        """Whether it is met."""
        if self.measured is None:
            return "not measured"
        median = self.measured.median
        return "met" if (median >= self.bound if self.at_least else median <= self.bound) else "**not met**"


def goals(found: Measured) -> list[Goal]:
    """The goals, in the order in which they were set."""
    typical, large = found.samples.get("typical", {}), found.samples.get("large", {})
    tails = [sample.tail for sample in typical.get(OURS, ())]
    memory = None if found.worker_mib is None else spread([found.worker_mib])
    return [
        Goal("typical: throughput, to HealthChain's", 15, paired(typical, HEALTHCHAIN, _rate), at_least=True),
        Goal("typical: throughput, to HAPI's module", 4, paired(typical, HAPI, _rate), at_least=True),
        Goal("typical: CPU per request, to bare Flask + msgspec", 1.3, paired(typical, BARE, _cpu)),
        Goal("large: throughput, to HealthChain's", 60, paired(large, HEALTHCHAIN, _rate), at_least=True),
        Goal("typical: p99 to p50 under load", 4, spread(tails) if tails else None),
        Goal("start-up to first answer, database there", 0.6, found.restart, unit=" s"),
        Goal("start-up to first answer, new database", 0.6, found.first_start, unit=" s"),
        Goal("peak memory of a worker", 90, memory, unit=" MiB"),
        Goal("CPU of an Observation from 1,000 to 10,000, to one from 100 to 1,000", IN_A_LINE, _straight(found.line)),
    ]


def _rate(sample: Sample) -> float:
    return sample.rate


def _cpu(sample: Sample) -> float:
    return sample.cpu


def _straight(line: Sequence[Point]) -> Spread | None:
    if len(line) < 3:  # noqa: PLR2004 - two steps
        return None
    before, last = added(line)[-2:]
    return spread([last / before])
