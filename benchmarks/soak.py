"""An hour of mixed good and bad requests, and of attacks that take turns: do memory and latency stay flat?

    make soak                      # an hour; SOAK_SECONDS=120 RATE=30 make soak: less
    SOAK_SECONDS=60 ONLY="a flood of feedback" make soak    # one attack, or several with commas between them

`cds-service serve` runs with tokens, two processes and a SQLite file; requests come at a steady rate, whether or not
earlier ones are answered. About a sixth of them is bad on purpose. Beside them others attack (`attacks.py`). Every ten
seconds a row is written: what the processes take, and how the good requests of these ten seconds fared. At the end the
first quarter is compared with the last, and two plots are drawn. The status is 0 if nothing grew by more than a tenth
and every answer was as it should be.

The quarters hold whole rounds of attacks, so that like is compared with like. The first round is left out: it fills the
memory that the others use again. While somebody holds the lock of the used tokens calls are 503, and feedback is while
somebody holds that of the database; these are counted apart. The owner's page is not looked at: what it costs grows
with what is kept.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
from flask import Flask
from pydantic import Field
from pydantic_settings import BaseSettings

from benchmarks.attacks import ATTACKS, TURN, attackers, possible
from benchmarks.traffic import BAD, CHART, FEEDBACK, GOOD, LARGE, Load, Outcome
from cds_service.web import plots
from tests.support import database
from tests.support.siege import HONEST, Siege, besieged

AFTER = 3.0
"""Seconds after a lock in which a call may still be answered that waited for it."""
MARKS = 6
"""Minutes that are named below a plot, beside 0."""
FLAT = 1.10
MEBIBYTE = 1024 * 1024
JUDGED = {"workers_mib": "memory of both server processes, MiB", "p50_ms": "p50, ms", "p99_ms": "p99, ms"}
"""What has to stay flat."""
SHOWN = ("seconds", *JUDGED, "max_ms", "requests", "unexpected", "attack")
"""What is printed of a row."""
PLOTS = {
    "soak-memory.svg": (
        "MiB of memory",
        {"server process 1": "worker_1_mib", "server process 2": "worker_2_mib", "main process": "main_mib"},
    ),
    "soak-latency.svg": ("ms for a good request", {"p50": "p50_ms", "p99": "p99_ms"}),
}
"""The title of each plot, and the columns that its lines show."""
Row = dict[str, Any]


class Options(BaseSettings):
    """What the environment says: how long, requests a second, attacks with commas between them, where plots go."""

    soak_seconds: int = Field(default=3600, ge=TURN)
    rate: float = 30
    only: str = ""
    soak_plots: Path = Path(".cache/soak")


def taken(siege: Siege) -> Row:
    """What the service takes now."""
    processes = [psutil.Process(pid) for pid in (siege.served.pid, *sorted(siege.served.workers))]
    main, *workers = (_mebibytes(process.memory_info().rss) for process in processes)
    return {
        "main_mib": main,
        **{f"worker_{number}_mib": worker for number, worker in enumerate(workers, 1)},
        "workers_mib": round(sum(workers), 2),
        "threads": sum(process.num_threads() for process in processes),
        "files": sum(process.num_fds() for process in processes),
        "database_mib": _mebibytes(sum(file.stat().st_size for file in database.beside(siege.database))),
    }


def _mebibytes(count: float) -> float:
    return round(count / MEBIBYTE, 2)


def fared(outcomes: list[Outcome]) -> Row:
    """How requests fared: in milliseconds, and by status."""
    return {
        **_times("", CHART.name, outcomes),
        **_times("large_", LARGE.name, outcomes),
        "requests": len(outcomes),
        "statuses": Counter(str(outcome.status) for outcome in outcomes),
    }


def _times(name: str, kind: str, outcomes: list[Outcome]) -> Row:
    """How many good ones of a kind, and percentiles in milliseconds."""
    times = [outcome.seconds * 1000 for outcome in outcomes if outcome.good and outcome.kind == kind]
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [0.0] * 99
    told = {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(times, default=0.0)}
    return {f"{name}calls": len(times), **{f"{name}{key}": round(value, 2) for key, value in told.items()}}


def soak(seconds: int, rate: float, attacks: list[str]) -> Iterator[Row]:
    """Ask for so long at this rate, while *attacks* take turns; a row every ten seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        besieged(Path(folder), workers=2) as siege,
        attackers(siege) as orders,
        Load(siege.served.port, {**GOOD, **BAD}, rate, partial(siege.head, HONEST)) as load,
    ):
        workers, begin, held_until = set(siege.served.workers), time.monotonic(), 0.0
        for name in itertools.islice(itertools.cycle(attacks), seconds // TURN):
            attack = ATTACKS[name]
            orders.send(name)
            unexpected, outcomes = orders.recv(), load.taken()
            if attack.holds_tokens:
                held_until = time.monotonic() + AFTER
            bad = [outcome for outcome in outcomes if not outcome.good]
            wrong = [outcome for outcome in bad if not _may_come_again(outcome, held_until)]
            for told in (*wrong, *unexpected.items()):
                print(f"during {name}: {told}", file=sys.stderr)
            yield {
                "seconds": round(time.monotonic() - begin),
                **taken(siege),
                **fared(outcomes),
                "unexpected": len(wrong),
                "held": len(bad) - len(wrong),
                "replaced": len(workers - set(siege.served.workers)),
                "attack": name,
                "attacks": unexpected.total(),
            }


def _may_come_again(outcome: Outcome, held_until: float) -> bool:
    """Whether it is 503 for the database's sake: feedback that is not kept, or a token that could not be noted."""
    later = outcome.status == HTTPStatus.SERVICE_UNAVAILABLE
    return later and (outcome.kind == FEEDBACK.name or outcome.at < held_until)


def run(samples: Iterator[Row], table: Path) -> list[Row]:
    """Write the rows into *table* as they come, each as a line of JSON."""
    rows: list[Row] = []
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8", buffering=1) as file:
        for row in samples:
            rows.append(row)
            file.write(f"{json.dumps(row)}\n")
            print(*(f"{name} {row[name]}" for name in SHOWN), flush=True)
    return rows


def draw(rows: list[Row], folder: Path) -> None:
    """The two plots."""
    minutes = rows[-1]["seconds"] / 60
    across = [(minutes * mark / MARKS, f"{minutes * mark / MARKS:.3g} min") for mark in range(MARKS + 1)]
    for file, (title, columns) in PLOTS.items():
        lines = {name: [(row["seconds"] / 60, row.get(column)) for row in rows] for name, column in columns.items()}
        with Flask("cds_service", template_folder="web/templates").app_context():
            drawn = plots.drawn(plots.lines(lines, across, title))
        (folder / file).write_text(f"{drawn}\n", encoding="utf-8")


def judge(rows: list[Row], a_round: int) -> bool:
    """Print the first quarter beside the last, of rounds of so many attacks, and whether all stayed flat."""
    compared = rows[a_round:] or rows
    quarter = max(1, len(compared) // 4 // a_round * a_round)
    flat = True
    print(f"\n{'median of':42} {'first quarter':>14} {'last quarter':>14} {'ratio':>6}")
    for name, told in JUDGED.items():
        parts = compared[:quarter], compared[-quarter:]
        first, last = (statistics.median(row[name] for row in part) for part in parts)
        flat &= last <= first * FLAT
        print(f"{told:42} {first:14.2f} {last:14.2f} {last / first:6.2f}")
    total = {name: sum(row[name] for row in rows) for name in ("requests", "unexpected", "held", "attacks")}
    replaced = rows[-1]["replaced"]
    print(f"{total['requests']} requests, {total['unexpected']} answered otherwise than they should be.")
    print(f"503 as feedback could not be kept, or no token noted, while somebody held the lock: {total['held']}.")
    print(
        f"Attacks that were answered otherwise than they should be: {total['attacks']}. Processes replaced: {replaced}."
    )
    print("flat: nothing grew by more than a tenth" if flat else "NOT FLAT")
    return flat and total["unexpected"] == total["attacks"] == replaced == 0


def main() -> int:
    """Run it all."""
    options = Options()
    attacks = options.only.split(",") if options.only else possible()
    rows = run(soak(options.soak_seconds, options.rate, attacks), options.soak_plots / "samples.jsonl")
    draw(rows, options.soak_plots)
    return 0 if judge(rows, len(attacks)) else 1


if __name__ == "__main__":
    sys.exit(main())
