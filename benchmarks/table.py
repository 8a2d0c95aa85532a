"""What was measured, as one page of markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import OURS, Goal, Measured, Point, Samples, added, goals, paired, short, spread
from benchmarks.inside import Inside
from benchmarks.load import Sample

STAGES = {
    "decode": "reading the request and its resources (`fhir`, `hooks`)",
    "prefetch": "completing prefetch; nothing was lacking (`hooks`)",
    "logic": "rules, gates, trace (`clinical`)",
    "cards": "cards and drafts as JSON (`hooks`, `fhir`)",
}


@dataclass(frozen=True)
class Use:
    """MiB that a server had at most: its first process, and the largest of the others; how long it took to start."""

    first: float
    worker: float
    started: float
    cpu: float


@dataclass(frozen=True)
class Report:
    """Everything that is told."""

    about: Mapping[str, str]
    """The machine, the versions, how it was measured."""
    measured: Measured
    uses: Mapping[str, Use]
    inside: Inside | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    """What is lacking, and why."""


def written(report: Report) -> str:
    """The page."""
    parts = [
        _about(report.about),
        *([_list(report.notes)] if report.notes else []),
        "## Side by side\n",
        side_by_side(report.measured.samples),
        "## Goals\n",
        goals_table(goals(report.measured)),
        "## Start-up and memory\n",
        start_and_memory(report.uses),
    ]
    if report.inside is not None:
        parts += [
            "## Where the CPU of a typical request goes\n",
            where_it_goes(report.inside, report.measured.samples.get("typical", {}).get(OURS, ())),
            "By the profiler, in the thread that answers; it makes calls of Python functions dearer than they are.\n",
            by_ring(report.inside.rings),
            "## A straight line\n",
            straight_line(report.measured.line),
        ]
    return "\n".join(parts)


def side_by_side(samples: Samples) -> str:
    """Each server on each size of request. Ours is compared with the others, so ratios stand in their rows."""
    header = ("Request", "Server", "Requests/s", "p50 ms", "p99 ms", "p99 / p50", "CPU ms a request", "Failed",
              "Our throughput to its", "Our CPU to its")  # fmt: skip
    rows = []
    for size, servers in samples.items():
        for name, found in servers.items():
            rows.append([size, name, *_measured(found), *_compared(servers, name)])
    return table(header, rows)


def _measured(found: Sequence[Sample]) -> list[str]:
    median = statistics.median
    return [
        short(median(sample.rate for sample in found)),
        short(median(sample.p50 for sample in found)),
        short(median(sample.p99 for sample in found)),
        str(spread([sample.tail for sample in found])),
        str(spread([sample.cpu for sample in found])),
        str(sum(sample.failed for sample in found)),
    ]


def _compared(servers: Mapping[str, Sequence[Sample]], name: str) -> list[str]:
    if name == OURS:
        return ["1", "1"]
    rate, cpu = (paired(servers, name, of) for of in (lambda sample: sample.rate, lambda sample: sample.cpu))
    return [f"{rate}x", f"{cpu}x"]


def goals_table(found: Iterable[Goal]) -> str:
    """Each goal with the number and the verdict."""
    return table(
        ("Goal", "Bound", "Measured", ""),
        [
            [goal.what, goal.target, "-" if goal.measured is None else f"{goal.measured}{goal.unit}", goal.verdict]
            for goal in found
        ],
    )


def start_and_memory(uses: Mapping[str, Use]) -> str:
    """Peak memory after all the load, and the start of each server before it."""
    rows = [
        [
            name,
            short(found.started),
            short(found.cpu),
            short(found.first),
            short(found.worker) if found.worker else "-",
        ]
        for name, found in uses.items()
    ]
    header = (
        "Server",
        "Start to first answer s",
        "CPU of that s",
        "Peak of the first process MiB",
        "Peak of a worker MiB",
    )
    return table(header, rows)


def where_it_goes(inside: Inside, samples: Sequence[Sample]) -> str:
    """The CPU of one request, part by part; the server is what HTTP costs beyond the same calls inside a process.

    Where that is nothing, the two runs differed by more than the server costs, and it is not told.
    """
    stages = sum(inside.stages.values())
    rows = [(STAGES.get(name, name), took) for name, took in inside.stages.items()]
    rows += [
        ("looking for earlier feedback, noting what is shown (`feedback`, SQLAlchemy)", inside.engine - stages),
        ("web framework, headers, numbers, log (`web`, Flask)", inside.application - inside.engine),
        ("writing feedback in the background", inside.background),
    ]
    total = within = inside.application + inside.background
    if samples:
        total = max(within, statistics.median(sample.cpu for sample in samples) / 1e3)
    if total > within:
        rows.append(("server and kernel: HTTP, event loop, threads (granian, `web/front.py`)", total - within))
    rows.append(("**all**" if total > within else "**all**, without the server", total))
    return table(("Part", "ms", "Share"), [[name, short(s * 1e3), f"{s / total:.0%}"] for name, s in rows])


def by_ring(rings: Mapping[str, float]) -> str:
    """The share of each ring."""
    return table(("Ring or library", "Share"), [[name, f"{share:.0%}"] for name, share in rings.items()])


def straight_line(line: Sequence[Point]) -> str:
    """What Observations cost."""
    more = ["-", *(short(seconds * 1e6) for seconds in added(line))]
    rows = [
        [f"{point.observations:,}", f"{point.size:,}", short(point.seconds * 1e3), one]
        for point, one in zip(line, more, strict=True)
    ]
    return table(("Observations", "Bytes", "CPU ms", "µs for each Observation more"), rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of markdown."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join([*lines, ""])


def _about(about: Mapping[str, str]) -> str:
    return "# Benchmark\n\n" + _list(f"{name}: {told}" for name, told in about.items())


def _list(lines: Iterable[str]) -> str:
    return "\n".join([*(f"- {line}" for line in lines), ""])
