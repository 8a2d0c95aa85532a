"""The engine for a cluster, on one machine: the same report as by processes, whatever a worker finds around itself."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from cds_service import settings as settings_module
from cds_service.cli import options_of
from cds_service.population.run import run
from cds_service.population_cli import order_of
from tests.population.exports import AS_OF, by_hand, magnesium, patient, report, write

pytestmark = [
    pytest.mark.daft,
    pytest.mark.skipif(importlib.util.find_spec("daft") is None, reason="Daft is not installed (make test-population)"),
    pytest.mark.filterwarnings("default::DeprecationWarning"),  # Daft's own
]
VIEWS = ("--as-of", AS_OF, "--as-of", "2027-03-02", "--profile", "magnesium-aware", "--profile", "nam-2011")
ELSEWHERE = {
    "AS_OF": "2031-01-01",
    "PROFILE": "endocrine-2011",
    "MAX_CARDS": "1",
    "D3_IS_TOTAL": "true",
    "TIMEZONE": "Pacific/Auckland",
    "MAX_ENTRIES": "1",
}
"""Settings of a machine on which a worker runs: none of them may count."""


def by_daft(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Any:
    """The report by Daft, made where other settings are in force than where it was asked for."""
    command = ["population", str(folder), "--engine", "daft", "--out", "by-daft", "--mask", "0", *options]
    order = order_of(options_of(command))

    def refuse() -> None:
        raise AssertionError

    with monkeypatch.context() as elsewhere:
        for name, value in ELSEWHERE.items():
            elsewhere.setenv(f"CDS_{name}", value)
        elsewhere.setattr(settings_module, "load", refuse)
        run(order)
    return json.loads(Path("by-daft", "report.json").read_bytes())


@pytest.mark.parametrize("options", [VIEWS, ()], ids=["days and profiles", "day of the newest result"])
def test_daft_counts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    """Of packed and damaged files, every kind of reference and of unreadable line, both engines write one report."""
    by_hand(tmp_path / "export")
    here = report(tmp_path / "export", "--mask", "0", *options)
    there = by_daft(tmp_path / "export", monkeypatch, *options)

    assert (there["patients"], there["with_card"], sum(there["unreadable"].values())) == (4, 2, 9)
    assert there == here


def test_daft_divides_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is read in many pieces has each line once, and all lines of a patient come together."""
    monkeypatch.setattr("cds_service.population.export.PART", 1000)
    names = [f"p{number}" for number in range(40)]
    lines = [magnesium(f"Patient/{name}", 1.4, day=day) for day in ("2026-02-20", "2026-01-20") for name in names]
    write(tmp_path / "export", "all.ndjson", [*map(patient, names), *lines])
    found = by_daft(tmp_path / "export", monkeypatch, "--as-of", AS_OF)

    assert found["patients"] == found["patients_by_topic"]["magnesium-low"] == 40
    assert found["cards_per_chart"] == 2
    assert found == report(tmp_path / "export", "--mask", "0", "--as-of", AS_OF)
    assert [row["results"] for row in found["results"]] == [80]
