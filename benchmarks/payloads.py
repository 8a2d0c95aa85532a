"""The three requests that servers are asked to answer: the comparison kit's, or our own where it is not there.

A typical request holds a Patient, 12 Observations, 8 MedicationRequests and 10 Conditions.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

AS_OF = date(2026, 3, 2)
NEWEST, EARLIER = date(2026, 2, 20), date(2026, 1, 20)
"""The day of the newest result of a kind, and the day from which the others go back."""
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
RESULTS = {
    "vitaminD": ("62292-8", "ng/mL", (18.2, 24.0, 31.5, 12.9)),
    "magnesium": ("19123-9", "mg/dL", (1.68, 2.0, 1.9)),
    "chemistry": ("17861-6", "mg/dL", (9.4, 9.1)),
    "kidney": ("98979-8", "mL/min/{1.73_m2}", (64, 71)),
    "vitals": ("39156-5", "kg/m2", (27.4,)),
}
DRUGS = (
    "lisinopril 10 MG Oral Tablet", "metformin hydrochloride 500 MG Oral Tablet", "atorvastatin 20 MG Oral Tablet",
    "hydrochlorothiazide 25 MG Oral Tablet", "pantoprazole 40 MG Delayed Release Oral Tablet",
    "amlodipine 5 MG Oral Tablet", "levothyroxine sodium 0.05 MG Oral Tablet", "furosemide 40 MG Oral Tablet",
)  # fmt: skip
PROBLEMS = ("38341003", "44054006", "55822004", "431855005", "64859006",
            "235595009", "414916001", "40930008", "49436004", "195967001")  # fmt: skip
SIZES = ("small", "typical", "large")
KIT_AS_OF = date(2025, 11, 2)
"""The day on which the newest results of the kit are fresh."""


class Payloads(NamedTuple):
    """A file for each size, the day to evaluate them for, and where they come from."""

    files: Mapping[str, Path]
    as_of: date
    origin: str


def written(kit: Path, folder: Path, sizes: Sequence[str]) -> Payloads:
    """The requests of *sizes* as files in *folder*."""
    script, made_by_kit = kit / "gen_payloads.py", folder / "payloads"
    command = [sys.executable, str(script), str(made_by_kit)]
    if script.is_file() and subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        return Payloads({size: made_by_kit / f"{size}.json" for size in sizes}, KIT_AS_OF, "the comparison kit's")
    own_folder = folder / "own-payloads"
    own_folder.mkdir(parents=True, exist_ok=True)
    files = {size: own_folder / f"{size}.json" for size in sizes}
    for size, file in files.items():
        file.write_bytes(own(size))
    return Payloads(files, AS_OF, "our own, without the comparison kit")


def own(size: str) -> bytes:
    """A request with about as much in it as the kit's of that size."""
    if size == "small":
        return made({"vitaminD": 1, "magnesium": 1}, 0, 0)
    if size == "typical":
        return typical()
    return made({"vitaminD": 60, "magnesium": 60, "chemistry": 30, "kidney": 40, "vitals": 10}, 60, 60)


def with_observations(number: int) -> bytes:
    """A request with *number* Observations, spread evenly over the keys that have them, and the usual rest."""
    share, rest = divmod(number, len(RESULTS))
    counts = {key: share + (place < rest) for place, key in enumerate(RESULTS)}
    return made(counts, len(DRUGS), len(PROBLEMS))


def observation(number: int, code: str, unit: str, value: float) -> dict[str, Any]:
    """One laboratory result, with the elements a real server sends beside those that are read; 0 is the newest."""
    day = NEWEST if number == 0 else EARLIER - timedelta(days=number)
    return {
        "resourceType": "Observation",
        "id": f"observation-{code}-{number}",
        "meta": {"versionId": "1", "lastUpdated": "2026-02-20T12:00:00.000+00:00"},
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                  "code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": code, "display": "A laboratory test"}], "text": "A test"},
        "subject": {"reference": "Patient/typical"},
        "effectiveDateTime": f"{day}T09:15:00+01:00",
        "issued": "2026-02-20T11:30:00.000+01:00",
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
        "referenceRange": [{"low": {"value": 1.6, "unit": unit}, "high": {"value": 150, "unit": unit}}],
    }  # fmt: skip


def medication(number: int, text: str) -> dict[str, Any]:
    """One order by its clinical drug, as US systems write it."""
    code = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": f"99{number}", "display": text}
    return {
        "resourceType": "MedicationRequest",
        "id": f"order-{number}",
        "status": "active" if number % 3 else "completed",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [code], "text": text},
        "subject": {"reference": "Patient/typical"},
        "authoredOn": "2025-06-01",
        "dosageInstruction": [{"text": "1 tablet daily", "timing": {"repeat": {"frequency": 1, "period": 1,
                               "periodUnit": "d"}}, "doseAndRate": [{"doseQuantity": {"value": 1}}]}],
    }  # fmt: skip


def condition(number: int, code: str) -> dict[str, Any]:
    """One problem by its SNOMED CT code."""
    return {
        "resourceType": "Condition",
        "id": f"problem-{number}",
        "clinicalStatus": {"coding": [{"code": "active" if number % 4 else "resolved"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": "A problem"}]},
        "subject": {"reference": "Patient/typical"},
        "onsetDateTime": "2015-04-01",
    }


def bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """A searchset."""
    entries = [{"fullUrl": f"urn:{r['id']}", "resource": r, "search": {"mode": "match"}} for r in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": entries}


def typical() -> bytes:
    """The request."""
    return made({key: len(values) for key, (_, _, values) in RESULTS.items()}, len(DRUGS), len(PROBLEMS))


def made(results: Mapping[str, int], drugs: int, problems: int) -> bytes:
    """A request with so many results of each key, drugs and problems; their values, names and codes recur."""
    prefetch: dict[str, Any] = {
        "patient": {"resourceType": "Patient", "id": "typical", "gender": "female", "birthDate": "1958-04-12"}
    }
    for key, (code, unit, values) in RESULTS.items():
        found = [observation(n, code, unit, values[n % len(values)]) for n in range(results.get(key, 0))]
        prefetch[key] = bundle(found)
    prefetch["medications"] = bundle([medication(n, DRUGS[n % len(DRUGS)]) for n in range(drugs)])
    prefetch["conditions"] = bundle([condition(n, PROBLEMS[n % len(PROBLEMS)]) for n in range(problems)])
    prefetch["labOrders"] = bundle([])
    context = {"userId": "Practitioner/one", "patientId": "typical"}
    return msgspec.json.encode(
        {"hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": context,
         "prefetch": prefetch}
    )  # fmt: skip
