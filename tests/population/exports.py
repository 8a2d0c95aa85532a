"""Bulk exports made by hand: resources of a few patients, as lines in files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cds_service.cli import main

AS_OF = "2026-03-02"
LOINC = "http://loinc.org"
Resource = dict[str, Any]


def patient(name: str, born: str = "1980-06-15", gender: str = "male") -> Resource:
    """A Patient."""
    return {"resourceType": "Patient", "id": name, "birthDate": born, "gender": gender}


def result(reference: str, code: str, value: float, unit: str, day: str = "2026-02-20") -> Resource:
    """A final result of one test."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": reference},
        "effectiveDateTime": day,
        "valueQuantity": {"value": value, "unit": unit},
    }


def vitamin_d(reference: str, value: float, **given: Any) -> Resource:
    """A 25(OH)D in ng/mL."""
    return result(reference, "62292-8", value, "ng/mL", **given)


def magnesium(reference: str, value: float, **given: Any) -> Resource:
    """A magnesium in mg/dL."""
    return result(reference, "19123-9", value, "mg/dL", **given)


def write(folder: Path, name: str, resources: Iterable[Resource | bytes]) -> None:
    """A file of *resources*; bytes stand for a line as it is."""
    lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in resources]
    folder.mkdir(exist_ok=True)
    text = b"\n".join(lines) + b"\n"
    (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def by_hand(folder: Path) -> None:
    """Four patients and every kind of reference, one of them in files of two kinds, and lines that cannot be read.

    Of 2026-02-20: anna has 25(OH)D 8 ng/mL and magnesium 2.2 mg/dL, bert 40 and 1.4, carl 40 and 2.2 and dora nothing.
    """
    write(folder, "Patient.ndjson", [patient("anna", gender="female"), patient("bert"), patient("carl")])
    dora = patient("dora", born="1944-01-01", gender="female")
    write(folder, "Patient.2.ndjson.gz", [dora, {"resourceType": "Patient"}])
    write(folder, "Condition.ndjson", [])
    write(folder, "MedicationRequest.ndjson", [b"", b"  "])
    write(
        folder,
        "Observation.000.ndjson",
        [
            vitamin_d("Patient/anna", 8),
            magnesium("https://fhir.example/r4/Patient/anna/_history/3", 2.2),
            vitamin_d("urn:uuid:bert", 40),
            magnesium("Patient/bert", 1.4),
            vitamin_d("Patient/carl", 40),
            b"{not json",
            b"[]",
            {"status": "final"},
            vitamin_d("Patient/nobody", 8),
            vitamin_d("Device/7", 8),
            {**vitamin_d("", 8), "subject": {"display": "anna"}},
            {**vitamin_d("Patient/anna", 8), "code": 7},
        ],
    )
    cut = gzip.compress(
        json.dumps(magnesium("Patient/carl", 2.2)).encode() + b"\n" + b'{"a":' + bytes(range(32, 127)) * 99
    )
    (folder / "Observation.001.ndjson.gz").write_bytes(cut[:-12])


def report(folder: Path, *options: str, out: str = "out") -> Any:
    """The report on the export in *folder* as JSON."""
    assert main(["population", str(folder), "--processes", "1", "--out", out, *options]) == 0
    return json.loads(Path(out, "report.json").read_bytes())
