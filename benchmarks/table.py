"""What was measured, as one page of markdown: ratios, spreads, and whether a goal is met."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from jinja2 import StrictUndefined, Template

from benchmarks.inside import Inside
from benchmarks.servers import BARE, DUTIES, HAPI, HEALTHCHAIN, OURS, Sample

PAGE = Path(__file__).with_name("page.md.jinja")
IN_A_LINE = 1.25
"""How much dearer each of the last Observations may be than each before, for the cost to be called a straight line."""
MOST = 10_000
"""Observations of the largest request that has a goal."""
RATE, P50, P99, TAIL, CPU = map(attrgetter, ("rate", "p50", "p99", "tail", "cpu"))
"""What is told of a sample."""
Line = Sequence[tuple[int, int, float]]
"""Observations of a request, its bytes, and seconds of CPU."""
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


class Use(NamedTuple):
    """CPU of a server from its start to its first answer, in seconds; MiB of its largest process.

    `usual` is after typical requests, `memory` after all the load.
    """

    cpu: float
    usual: float
    memory: float


class Goal(NamedTuple):
    """A bound, and the number that is held against it. The median decides."""

    what: str
    bound: float
    measured: Spread | None
    at_least: bool = False
    unit: str = "x"

    @property
    def cells(self) -> list[str]:
        """Its row: the goal, the bound, the number and the verdict."""
        bound = f"{'at least' if self.at_least else 'at most'} {short(self.bound)}{self.unit}"
        if self.measured is None:
            return [self.what, bound, "-", "not measured"]
        median = self.measured.median
        met = median >= self.bound if self.at_least else median <= self.bound
        return [self.what, bound, f"{self.measured}{self.unit}", "met" if met else "**not met**"]


@dataclass(frozen=True)
class Report:
    """Everything that is told; what was not measured is empty. `about` is the machine, `notes` what is lacking."""

    about: Mapping[str, str]
    samples: Samples = field(default_factory=dict)
    uses: Mapping[str, Use] = field(default_factory=dict)
    starts: Sequence[float] = ()
    """CPU of our server from its start to its first answer; the first start makes the database."""
    cold: Sequence[float] = ()
    """Calls with nothing prefetched, each in times of its slowest query."""
    inside: Inside = field(default_factory=Inside)
    notes: Sequence[str] = ()


def written(report: Report) -> str:
    """The page."""
    page: str = Template(PAGE.read_text(encoding="utf-8"), undefined=StrictUndefined).render(
        report=report,
        short=short,
        side_by_side=side_by_side(report.samples),
        goals=goals(report),
        over_http=spread([sample.cpu for sample in report.samples["typical"][OURS]]),
        more=[None, *added(report.inside.line)],
    )
    return page


def side_by_side(samples: Samples) -> Iterator[list[str]]:
    """Each server on each size of request. Ours is compared with the others, so ratios stand in their rows."""
    for size, servers in samples.items():
        for name, found in servers.items():
            spreads = [str(spread([of(one) for one in found])) for of in (RATE, P50, P99, TAIL, CPU)]
            ratios = ["1", "1"] if name == OURS else [f"{paired(servers, name, of)}x" for of in (RATE, CPU)]
            yield [size, name, *spreads, str(sum(one.failed for one in found)), *ratios]


def goals(found: Report) -> list[Goal]:
    """The goals, in the order in which they were set."""
    typical, large = found.samples.get("typical", {}), found.samples.get("large", {})
    ours = [found.uses[OURS]] if found.uses else []
    most = [seconds for number, _, seconds in found.inside.line if number >= MOST]
    bends = [last / before for before, last in itertools.pairwise(added(found.inside.line))]
    return [
        Goal("typical: CPU per request, to bare Flask + msgspec", 4.0, paired(typical, BARE, CPU)),
        Goal("typical: CPU per request, to the same with log, numbers, rows", 3.2, paired(typical, DUTIES, CPU)),
        Goal("typical: throughput, to HealthChain's", 9, paired(typical, HEALTHCHAIN, RATE), at_least=True),
        Goal("large: throughput, to HealthChain's", 25, paired(large, HEALTHCHAIN, RATE), at_least=True),
        Goal("typical: throughput, to HAPI's module", 2, paired(typical, HAPI, RATE), at_least=True),
        Goal(f"CPU of a request with {MOST:,} Observations", 0.4, spread(most), unit=" s"),
        Goal("typical: p99 to p50 under load", 3, spread([sample.tail for sample in typical.get(OURS, ())])),
        Goal("start-up to first answer, database there", 0.55, spread(found.starts[1:]), unit=" s"),
        Goal("start-up to first answer, new database", 0.55, spread(found.starts[:1]), unit=" s"),
        Goal("memory of a worker, after typical requests", 75, spread([use.usual for use in ours]), unit=" MiB"),
        Goal("memory of a worker, after large requests too", 90, spread([use.memory for use in ours]), unit=" MiB"),
        Goal("a call with nothing prefetched, to its slowest query", 1.25, spread(found.cold)),
        Goal("CPU of an Observation from 1,000 to 10,000, to one from 100 to 1,000", IN_A_LINE, spread(bends[-1:])),
    ]


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of *values*, if there are any."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def short(value: float) -> str:
    """*value* with three digits, or all those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - where a third digit is the last


def paired(samples: Mapping[str, Sequence[Sample]], other: str, of: Callable[[Sample], float]) -> Spread | None:
    """Ours to that of *other*, each taken inside a round; `None` where one of them was not measured."""
    both = zip(samples.get(OURS, ()), samples.get(other, ()), strict=other in samples)
    return spread([of(mine) / of(theirs) for mine, theirs in both])


def added(line: Line) -> list[float]:
    """Seconds for each Observation that a point of *line* has more than the one before it."""
    return [(after[2] - before[2]) / (after[0] - before[0]) for before, after in itertools.pairwise(line)]
