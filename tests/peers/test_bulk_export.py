"""A bulk export of a real server, got as the guide says, gives the cards that the same resources give as files."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

import pytest

from tests.population.exports import report, write
from tests.support import fhir_peers
from tests.support.fhir_peers import Json

pytestmark = pytest.mark.peers

GUIDE = fhir_peers.ROOT / "docs" / "how-to" / "report-on-a-hospital.md"
EXAMPLE, PAUSE = "https://ehr.example.org/fhir", "sleep 120"
PATIENCE = 600
"""Seconds until an export is given up, far more than it takes."""


def commands(url: str) -> str:
    """The commands of the guide for a plain $export from *url*, which answers sooner than a hospital's server."""
    said = GUIDE.read_text(encoding="utf-8").partition("### With a plain $export")[2]
    script = said.partition("```sh\n")[2].partition("```")[0]
    assert EXAMPLE in script
    assert PAUSE in script
    return script.replace(EXAMPLE, url).replace(PAUSE, "sleep 1")


def cards(listed: str, patients: dict[str, list[Json]]) -> set[tuple[str, ...]]:
    """Who of *patients* has which card by a list: other tests put patients on the same server."""
    with Path(listed).open(encoding="utf-8", newline="") as file:
        return {tuple(row) for row in csv.reader(file) if row[0] in patients}


def test_export_as_the_guide_says(hapi: str, patients: dict[str, list[Json]], tmp_path: Path) -> None:
    """Every patient has the cards that their resources give as files, on the day that the manifest states."""
    environment = {**os.environ, "TOKEN": "not-asked-for"}
    subprocess.run(["sh", "-euc", commands(hapi)], cwd=tmp_path, env=environment, timeout=PATIENCE, check=True)
    exported = report(tmp_path / "export", "--mask", "0", "--list", "exported.csv")
    write(tmp_path / "direct", "all.ndjson", [resource for found in patients.values() for resource in found])
    direct = report(tmp_path / "direct", "--mask", "0", "--as-of", exported["as_of"], "--list", "direct.csv")

    assert exported["days_from"] == "transactionTime in manifest.json"
    assert exported["unreadable"] == direct["unreadable"] == {}
    assert exported["patients"] >= direct["patients"] == len(patients)
    assert cards("exported.csv", patients) == cards("direct.csv", patients) != set()
