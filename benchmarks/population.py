"""What the population report costs beside reading and deciding, in instructions: no other work changes them.

    .venv/bin/python -m benchmarks.population SMALL LARGE

SMALL and LARGE are exports of the same kind of patients. Of each is counted what the whole run costs, in one process,
and what it costs to read and decide the same charts, whose lines lie in memory. What LARGE costs more than SMALL is
what its further patients cost: start, guidance and the report's own pages drop out.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.instructions import between_marks
from cds_service.cli import options_of
from cds_service.clinical.evaluate import evaluate
from cds_service.clinical.facts import Source
from cds_service.population import export
from cds_service.population.chart import Charts
from cds_service.population.run import Order, plan_for, run
from cds_service.population.survey import Survey, placed
from cds_service.population_cli import order_of

DAY = "2026-11-25"
INSIDE = "--inside"


def main(arguments: Sequence[str]) -> int:
    """Count, and tell."""
    *inside, small, large = arguments
    if inside == [INSIDE]:
        for work in (work for folder in (small, large) for work in works(folder)):
            os.getppid()
            work()
            os.getppid()
        return 0
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is needed")
    spent = between_marks("benchmarks.population", INSIDE, small, large)
    run_small, judge_small, run_large, judge_large = spent[::2]  # the others are between two pieces of work
    patients = patients_of(large) - patients_of(small)
    whole, judging = (run_large - run_small) / patients, (judge_large - judge_small) / patients
    print(f"the whole run: {whole:,.0f} instructions a patient")
    print(f"reading and deciding: {judging:,.0f}")
    print(f"beside them: {whole - judging:,.0f}, {whole / judging - 1:.0%} of them")
    return 0


def works(folder: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """The whole run over the export in *folder*, and reading and deciding alone."""
    order = order_for(folder)
    seen = Survey(types=set(export.READ))
    plan, _ = plan_for(order, seen, (order.days[0], order.days_from))
    charts, (view,) = Charts.by(plan), plan.views
    kept: dict[str, dict[Source, list[bytes]]] = {}
    for part in export.parts_of(export.files_in(Path(folder))):
        for patient, source, line in placed(part, charts.lines, seen, None):
            kept.setdefault(patient, {}).setdefault(export.SOURCES[source], []).append(line)

    def judge() -> None:
        for patient, lines in kept.items():
            evaluate(charts.facts(patient, lines)[0], view.guidance, view.day, plan.max_cards)

    return lambda: run(order), judge


def order_for(folder: str) -> Order:
    """The report on the export in *folder*, with one process."""
    out = tempfile.mkdtemp()
    return order_of(options_of(["population", folder, "--as-of", DAY, "--processes", "1", "--mask", "0", "--out", out]))


def patients_of(folder: str) -> int:
    """How many patients are in the export."""
    return sum(file.read_bytes().count(b"\n") for file in Path(folder).glob("Patient*.ndjson"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
