"""An hour of mixed good and bad requests, and of attacks that take turns: do memory and latency stay flat?

    make soak                      # an hour; SOAK_SECONDS=130 RATE=30 make soak: each attack once

`cds-service serve` runs with tokens, two processes and a SQLite file; requests come at a steady rate, whether or not
earlier ones are answered. About a sixth of them is bad on purpose. Beside them others attack (`attacks.py`). Every ten
seconds a row is printed: the memory of both processes, and how the charts of these ten seconds fared. At the end the
first quarter is compared with the last, and two plots are drawn. The status is 0 if nothing grew by more than a tenth
and every answer was as it should be.

The quarters hold whole rounds of attacks, so that like is compared with like. The first round is left out: it fills the
memory that the others use again. While somebody holds the lock of the used tokens calls are 503, and feedback is while
somebody holds that of the database; these are counted apart. The owner's page is not looked at: what it costs grows
with what is kept.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.attacks import ATTACKS, TURN, attackers, possible
from benchmarks.plot import draw
from benchmarks.traffic import BAD, CHART, FEEDBACK, GOOD, Load, Outcome
from tests.support.siege import HONEST, besieged

SECONDS, RATE = int(os.environ.get("SOAK_SECONDS", "3600")), float(os.environ.get("RATE", "30"))
FOLDER = Path(".cache/soak")
AFTER = 3.0
"""Seconds after a lock in which a call may still be answered that waited for it."""
FLAT = 1.10
"""How many times what it was at first something may be at last."""
PLOTS = {"soak-memory.svg": ["memory MiB"], "soak-latency.svg": ["p50 ms", "p99 ms"]}
"""What each plot shows of the rows; all of it has to stay flat."""
COUNTED = ("requests", "503 while a lock was held")
WRONG = ("wrong answers", "wrong answers to attacks", "processes gone")
"""What must not come."""
Row = dict[str, Any]


def soak(attacks: Sequence[str]) -> Iterator[Row]:
    """Ask at the steady rate, while *attacks* take turns; a row for each turn."""
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        besieged(Path(folder), workers=2) as siege,
        attackers(siege) as orders,
        Load(siege.served.port, GOOD | BAD, RATE, partial(siege.head, HONEST)) as load,
    ):
        workers, begin, held_until = set(siege.served.workers), time.monotonic(), 0.0
        for name in itertools.islice(itertools.cycle(attacks), SECONDS // TURN):
            orders.send(name)
            unexpected, outcomes = orders.recv(), load.taken()
            if ATTACKS[name].holds_tokens:
                held_until = time.monotonic() + AFTER
            bad = [outcome for outcome in outcomes if not outcome.good]
            wrong = [outcome for outcome in bad if not _may_come_again(outcome, held_until)]
            for told in (*wrong, *unexpected.items()):
                print(f"during {name}: {told}", file=sys.stderr)
            yield {
                "attack": name,
                "minutes": round((time.monotonic() - begin) / 60, 2),
                "memory MiB": round(sum(siege.served.resident.values()) / 1024**2, 1),
                **percentiles(outcomes),
                "requests": len(outcomes),
                "503 while a lock was held": len(bad) - len(wrong),
                "wrong answers": len(wrong),
                "wrong answers to attacks": unexpected.total(),
                "processes gone": len(workers - set(siege.served.workers)),
            }


def _may_come_again(outcome: Outcome, held_until: float) -> bool:
    """Whether it is 503 for the database's sake: feedback that is not kept, or a token that could not be noted."""
    later = outcome.status == HTTPStatus.SERVICE_UNAVAILABLE
    return later and (outcome.kind == FEEDBACK.name or outcome.at < held_until)


def percentiles(outcomes: Sequence[Outcome]) -> Row:
    """Of the charts that were answered as they should be."""
    times = [outcome.seconds * 1000 for outcome in outcomes if outcome.good and outcome.kind == CHART.name]
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [0.0] * 99
    return {"p50 ms": round(cuts[49], 2), "p99 ms": round(cuts[98], 2)}


def plot(rows: Sequence[Row]) -> None:
    """The plots, with six marks along the time."""
    marks = [rows[-1]["minutes"] * mark / 6 for mark in range(7)]
    across = [(minutes, f"{minutes:.3g} min") for minutes in marks]
    for file, names in PLOTS.items():
        draw(FOLDER / file, {name: [(row["minutes"], row[name]) for row in rows] for name in names}, across)


def is_flat(rows: Sequence[Row], a_round: int) -> bool:
    """Print the first quarter beside the last, of rounds of so many attacks, and whether all stayed flat."""
    compared = rows[a_round:] or rows
    quarter = max(1, len(compared) // 4 // a_round * a_round)
    flat = True
    for name in itertools.chain(*PLOTS.values()):
        first = statistics.median(row[name] for row in compared[:quarter])
        last = statistics.median(row[name] for row in compared[-quarter:])
        flat &= last <= first * FLAT
        print(f"median of {name}: {first:.2f} in the first quarter, {last:.2f} in the last: {last / first:.2f}x")
    return flat


def main() -> int:
    """Run it all."""
    attacks, rows = possible(), list[Row]()
    for row in soak(attacks):
        rows.append(row)
        print(row, flush=True)
    plot(rows)
    flat = is_flat(rows, len(attacks))
    totals = {name: sum(row[name] for row in rows) for name in (*COUNTED, *WRONG)}
    print("flat" if flat else "NOT FLAT", totals)
    return 0 if flat and not any(totals[name] for name in WRONG) else 1


if __name__ == "__main__":
    sys.exit(main())
