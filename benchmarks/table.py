"""What was measured, as one page of markdown: ratios, spreads, and whether a goal is met."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.inside import Inside
from benchmarks.load import Sample, Samples
from benchmarks.servers import BARE, DUTIES, HAPI, HEALTHCHAIN, OURS

IN_A_LINE = 1.25
"""How much dearer each of the last Observations may be than each before, for the cost to be called a straight line."""
MOST = 10_000
"""Observations of the largest request that has a goal."""
STAGES = {
    "decode": "reading the request and its resources (`fhir`, `hooks`)",
    "prefetch": "completing prefetch; nothing was lacking (`hooks`)",
    "logic": "rules, gates, trace (`clinical`)",
    "cards": "cards and drafts as JSON (`hooks`, `fhir`)",
}
Line = Sequence[tuple[int, int, float]]
"""Observations of a request, its bytes, and seconds of CPU."""


class Spread(NamedTuple):
    """A median with the least and the most."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        """Such as `12.6 (12.2..20)`."""
        return f"{short(self.median)} ({short(self.least)}..{short(self.most)})"


class Use(NamedTuple):
    """MiB that a server had at most: its first process, and the largest of the others; how long it took to start."""

    first: float
    worker: float
    started: float
    cpu: float


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
    first_starts: Sequence[float] = ()
    inside: Inside | None = None
    notes: Sequence[str] = ()


def written(report: Report) -> str:
    """The page."""
    parts = ["# Benchmark\n", *(f"- {name}: {told}" for name, told in report.about.items()), ""]
    parts += [*(f"- {note}" for note in report.notes), ""] if report.notes else []
    parts += ["## Side by side\n", side_by_side(report.samples)]
    parts += ["## Goals\n", table(("Goal", "Bound", "Measured", ""), [goal.cells for goal in goals(report)])]
    parts += ["## Start-up and memory\n", start_and_memory(report.uses)]
    if report.inside is not None:
        parts += [
            "## Where the CPU of a typical request goes\n",
            where_it_goes(report.inside, report.samples.get("typical", {}).get(OURS, ())),
            "By the profiler, in the thread that answers; it makes calls of Python functions dearer than they are.\n",
            table(("Ring or library", "Share"), [[n, f"{share:.0%}"] for n, share in report.inside.rings.items()]),
            "## A straight line\n",
            straight_line(report.inside.line),
        ]
    return "\n".join(parts)


def side_by_side(samples: Samples) -> str:
    """Each server on each size of request. Ours is compared with the others, so ratios stand in their rows."""
    header = ("Request", "Server", "Requests/s", "p50 ms", "p99 ms", "p99 / p50", "CPU ms a request", "Failed",
              "Our throughput to its", "Our CPU to its")  # fmt: skip
    rows = []
    for size, servers in samples.items():
        for name, found in servers.items():
            medians = [short(statistics.median(column)) for column in ([getattr(s, n) for s in found] for n in MEDIANS)]
            spreads = [str(spread([s.tail for s in found])), str(spread([s.cpu for s in found]))]
            ratios = ["1", "1"] if name == OURS else [f"{paired(servers, name, of)}x" for of in (_rate, _cpu)]
            rows.append([size, name, *medians, *spreads, str(sum(s.failed for s in found)), *ratios])
    return table(header, rows)


MEDIANS = ("rate", "p50", "p99")


def goals(found: Report) -> list[Goal]:
    """The goals, in the order in which they were set."""
    typical, large = found.samples.get("typical", {}), found.samples.get("large", {})
    memory = [use.worker for name, use in found.uses.items() if name == OURS]
    straight = added([] if found.inside is None else found.inside.line)[-2:]
    most = [seconds for number, _, seconds in ([] if found.inside is None else found.inside.line) if number >= MOST]
    return [
        Goal("typical: CPU per request, to bare Flask + msgspec", 4.0, paired(typical, BARE, _cpu)),
        Goal("typical: CPU per request, to the same with log, numbers, rows", 3.2, paired(typical, DUTIES, _cpu)),
        Goal("typical: throughput, to HealthChain's", 9, paired(typical, HEALTHCHAIN, _rate), at_least=True),
        Goal("large: throughput, to HealthChain's", 25, paired(large, HEALTHCHAIN, _rate), at_least=True),
        Goal("typical: throughput, to HAPI's module", 2, paired(typical, HAPI, _rate), at_least=True),
        Goal(f"CPU of a request with {MOST:,} Observations", 0.4, spread(most), unit=" s"),
        Goal("typical: p99 to p50 under load", 3, spread([sample.tail for sample in typical.get(OURS, ())])),
        Goal("start-up to first answer, database there", 0.55, spread(found.starts), unit=" s"),
        Goal("start-up to first answer, new database", 0.55, spread(found.first_starts), unit=" s"),
        Goal("peak memory of a worker, large requests too", 90, spread(memory), unit=" MiB"),
        Goal(
            "CPU of an Observation from 1,000 to 10,000, to one from 100 to 1,000",
            IN_A_LINE,
            spread([straight[1] / straight[0]] if len(straight) > 1 else []),
        ),
    ]


def start_and_memory(uses: Mapping[str, Use]) -> str:
    """Peak memory after all the load, and the start of each server before it."""
    header = ("Server", "Start to first answer s", "CPU of that s", "Peak of the first process MiB",
              "Peak of a worker MiB")  # fmt: skip
    return table(
        header,
        [
            [name, short(use.started), short(use.cpu), short(use.first), short(use.worker) if use.worker else "-"]
            for name, use in uses.items()
        ],
    )


def where_it_goes(inside: Inside, samples: Sequence[Sample]) -> str:
    """The CPU of one request, part by part; the server is what HTTP costs beyond the same calls inside a process.

    Where that is nothing, the two runs differed by more than the server costs, and it is not told.
    """
    rows = [(STAGES.get(name, name), took) for name, took in inside.stages.items()]
    rows += [
        (
            "looking for earlier feedback, noting what is shown (`feedback`, SQLAlchemy)",
            inside.engine - sum(inside.stages.values()),
        ),
        ("web framework, headers, numbers, log (`web`, Flask)", inside.application - inside.engine),
        ("writing feedback in the background", inside.background),
    ]
    within = inside.application + inside.background
    total = max(within, statistics.median(sample.cpu for sample in samples) / 1e3) if samples else within
    if total > within:
        rows.append(("server and kernel: HTTP, event loop, threads (granian, `serving/front.py`)", total - within))
    rows.append(("**all**" if total > within else "**all**, without the server", total))
    return table(("Part", "ms", "Share"), [[name, short(s * 1e3), f"{s / total:.0%}"] for name, s in rows])


def straight_line(line: Line) -> str:
    """What Observations cost."""
    more = ["-", *(short(seconds * 1e6) for seconds in added(line))]
    rows = [
        [f"{number:,}", f"{size:,}", short(seconds * 1e3), one]
        for (number, size, seconds), one in zip(line, more, strict=True)
    ]
    return table(("Observations", "Bytes", "CPU ms", "µs for each Observation more"), rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of markdown."""
    return "\n".join([*("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)), ""])


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


def _rate(sample: Sample) -> float:
    return sample.rate


def _cpu(sample: Sample) -> float:
    return sample.cpu
