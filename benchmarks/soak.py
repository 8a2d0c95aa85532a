"""An hour of mixed good and bad requests, and of attacks that take turns: do memory and latency stay flat?

    make soak                      # an hour; SOAK_SECONDS=120 RATE=30 make soak: less
    .venv/bin/python -m benchmarks.soak --draw .cache/soak/samples.csv --plots docs/images    # only draw anew

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

import argparse
import csv
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask

from benchmarks.attacks import Turns, possible
from benchmarks.traffic import BAD, GOOD, Load, Outcome
from cds_service.web import plots
from tests.support import database
from tests.support.siege import HONEST, Siege, besieged

EVERY = 10.0
"""Seconds of one sample."""
WORKERS = 2
MOST_POINTS = 120
"""Points of a line of a plot; of more samples, several are drawn as their median."""
MARKS = 6
"""Minutes that are named below a plot, beside 0."""
FLAT = 1.10
MEBIBYTE = 1024 * 1024
JUDGED = {"workers_mib": "memory of both server processes, MiB", "p50_ms": "p50, ms", "p99_ms": "p99, ms"}
"""What has to stay flat."""

Row = dict[str, Any]


class Process(NamedTuple):
    """What a process takes."""

    resident: int
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """As the kernel tells it."""
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        told = dict(line.split(":", 1) for line in lines)
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(told["VmRSS"].split()[0]) * 1024, int(told["Threads"]), files)


def sample(siege: Siege, outcomes: list[Outcome], seconds: float) -> Row:
    """One row: what the service takes now, and how the requests fared."""
    served = siege.served
    main, workers = Process.of(served.pid), [Process.of(pid) for pid in sorted(served.workers)]
    processes = [main, *workers]
    row: Row = {"seconds": round(seconds), "main_mib": _mebibytes(main.resident)}
    row |= {f"worker_{n}_mib": _mebibytes(worker.resident) for n, worker in enumerate(workers, 1)}
    row |= {
        "workers_mib": _mebibytes(sum(worker.resident for worker in workers)),
        "threads": sum(process.threads for process in processes),
        "files": sum(process.files for process in processes),
        "database_mib": _mebibytes(sum(file.stat().st_size for file in database.beside(siege.database))),
    }
    row |= _times("", [o.seconds for o in outcomes if o.good and o.kind == "chart"])
    row |= _times("large_", [o.seconds for o in outcomes if o.good and o.kind == "large"])
    statuses = Counter(outcome.status for outcome in outcomes)
    row |= {"requests": len(outcomes), "no_answer": statuses[None]}
    row |= {f"status_{status}": statuses[status] for status in (200, 400, 404, 408, 412, 413, 415, 500, 503)}
    return row


def _mebibytes(count: float) -> float:
    return round(count / MEBIBYTE, 2)


def _times(name: str, seconds: list[float]) -> Row:
    """How many, and percentiles in milliseconds."""
    found: Row = {f"{name}calls": len(seconds), f"{name}p50_ms": "", f"{name}p99_ms": "", f"{name}max_ms": ""}
    if len(seconds) > 1:
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        for key, value in (("p50", cuts[49]), ("p99", cuts[98]), ("max", max(seconds))):
            found[f"{name}{key}_ms"] = round(value * 1000, 2)
    return found


def soak(seconds: float, rate: float) -> Iterator[Row]:
    """Ask for so long at this rate; a row every ten seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        besieged(Path(folder), workers=WORKERS) as siege,
        Turns(siege, EVERY, possible()) as attacks,
        Load(siege.served.port, {**GOOD, **BAD}, rate, partial(siege.head, HONEST)) as load,
    ):
        served = siege.served
        workers, begin = set(served.workers), time.monotonic()
        for number in range(1, int(seconds / EVERY) + 1):
            time.sleep(max(0.0, begin + number * EVERY - time.monotonic()))
            outcomes = load.taken()
            bad = [outcome for outcome in outcomes if not outcome.good]
            held = [outcome for outcome in bad if _may_come_again(outcome, attacks)]
            row = sample(siege, outcomes, number * EVERY) | {"unexpected": len(bad) - len(held), "held": len(held)}
            yield row | {"replaced": len(workers - set(served.workers)), "attacks": attacks.unexpected}
            for outcome in bad:
                if outcome not in held:
                    print(f"{outcome.kind}: {outcome.status} {outcome.told}, not {outcome.wanted}", file=sys.stderr)


def _may_come_again(outcome: Outcome, attacks: Turns) -> bool:
    """Whether it is 503 for the database's sake: feedback that is not kept, or a token that could not be noted."""
    later = outcome.status == HTTPStatus.SERVICE_UNAVAILABLE
    return later and (outcome.kind == "feedback" or attacks.held_tokens(outcome.at + outcome.seconds))


def run(seconds: float, rate: float, table: Path) -> list[Row]:
    """Ask, and write the rows into *table* as they come."""
    rows: list[Row] = []
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        for row in soak(seconds, rate):
            if not rows:
                writer = csv.DictWriter(file, list(row), extrasaction="ignore")
                writer.writeheader()
            rows.append(row)
            writer.writerow(row)
            file.flush()
            shown = " ".join(f"{name} {row[name]}" for name in ("seconds", *JUDGED, "max_ms", "requests", "unexpected"))
            print(shown, flush=True)
    return rows


def read(table: Path) -> list[Row]:
    """The rows of an earlier run."""
    with table.open(newline="", encoding="utf-8") as file:
        return [{name: float(text) if text else "" for name, text in row.items()} for row in csv.DictReader(file)]


def draw(rows: list[Row], folder: Path) -> None:
    """The two plots."""
    memory = {name: f"worker_{name[-1]}_mib" for name in ("server process 1", "server process 2")}
    _plot(rows, "MiB of memory", {**memory, "main process": "main_mib"}, folder / "soak-memory.svg")
    _plot(rows, "ms for a good request", {"p50": "p50_ms", "p99": "p99_ms"}, folder / "soak-latency.svg")


def _plot(rows: list[Row], title: str, lines: dict[str, str], file: Path) -> None:
    minutes = rows[-1]["seconds"] / 60
    across = [(minutes * mark / MARKS, f"{minutes * mark / MARKS:.3g} min") for mark in range(MARKS + 1)]
    drawing = plots.lines({name: _points(rows, column) for name, column in lines.items()}, across, title)
    file.parent.mkdir(parents=True, exist_ok=True)
    with Flask("cds_service", template_folder="web/templates").app_context():
        file.write_text(f"{plots.drawn(drawing)}\n", encoding="utf-8")


def _points(rows: list[Row], column: str) -> list[tuple[float, float]]:
    """What is drawn of a column: minutes and medians."""
    told = [row for row in rows if row.get(column) not in ("", None)]
    step = -(-len(told) // MOST_POINTS)
    groups = [told[at : at + step] for at in range(0, len(told), step or 1)]
    return [
        (round(group[-1]["seconds"] / 60, 2), round(statistics.median(row[column] for row in group), 2))
        for group in groups
    ]


def judge(rows: list[Row]) -> bool:
    """Print the first quarter beside the last, and whether all stayed flat."""
    a_round = len(possible())
    compared = rows[a_round:] or rows
    quarter = max(1, len(compared) // 4 // a_round * a_round)
    flat = True
    print(f"\n{'median of':42} {'first quarter':>14} {'last quarter':>14} {'ratio':>6}")
    for name, told in JUDGED.items():
        first, last = (
            statistics.median(row[name] for row in part) for part in (compared[:quarter], compared[-quarter:])
        )
        flat &= last <= first * FLAT
        print(f"{told:42} {first:14.2f} {last:14.2f} {last / first:6.2f}")
    requests, unexpected = (int(sum(row[name] for row in rows)) for name in ("requests", "unexpected"))
    replaced = int(rows[-1]["replaced"])
    attacks = int(rows[-1]["attacks"])
    held = int(sum(row["held"] for row in rows))
    print(f"{requests} requests, {unexpected} answered otherwise than they should be; {replaced} processes replaced.")
    print(f"503 as feedback could not be kept, or no token noted, while somebody held the lock: {held}.")
    print(f"Attacks that were answered otherwise than they should be: {attacks}.")
    print("flat: nothing grew by more than a tenth" if flat else "NOT FLAT")
    return flat and unexpected == replaced == attacks == 0


def main() -> int:
    """Run, or only draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--rate", type=float, default=30, help="requests a second")
    parser.add_argument("--table", type=Path, default=Path(".cache/soak/samples.csv"), help="where the samples go")
    parser.add_argument("--plots", type=Path, default=Path(".cache/soak"), help="the folder of the plots")
    parser.add_argument("--draw", type=Path, metavar="TABLE", help="draw the samples of an earlier run, and no more")
    options = parser.parse_args()
    rows = read(options.draw) if options.draw else run(options.seconds, options.rate, options.table)
    if not rows:
        parser.error(f"no samples: --seconds must be more than {EVERY:.0f}")
    draw(rows, options.plots)
    return 0 if judge(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
