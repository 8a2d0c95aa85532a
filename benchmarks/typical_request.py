"""CPU of a typical request, as a ratio to a small Flask and msgspec service that answers two rules on the same request.

Both run in this process, in turn, through their WSGI interface; servers and kernel are left out, so the ratio is
harsher than one measured over HTTP. Run it with the development environment:

    .venv/bin/python benchmarks/typical_request.py

A typical request holds a Patient, 12 Observations, 8 MedicationRequests and 10 Conditions.
"""

from __future__ import annotations

import gc
import io
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from flask import Flask, Response, request

from cds_service import create_app
from cds_service.settings import Settings

AS_OF = date(2026, 3, 2)
NEWEST, EARLIER = date(2026, 2, 20), date(2026, 1, 20)
"""The day of the newest result of a kind, and the day from which the others go back."""
ROUNDS, CALLS = 7, 400
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


class Quantity(msgspec.Struct, gc=False):
    """What the small service reads of a Quantity."""

    value: float | None = None


class Result(msgspec.Struct, gc=False):
    """What the small service reads of an Observation."""

    status: str | None = None
    effectiveDateTime: str | None = None
    valueQuantity: Quantity | None = None


class Entry(msgspec.Struct, gc=False):
    """An entry."""

    resource: Result | None = None


class Bundle(msgspec.Struct, gc=False):
    """A Bundle."""

    entry: list[Entry] = []


class Prefetch(msgspec.Struct):
    """The two keys the small service reads."""

    vitaminD: Bundle
    magnesium: Bundle


class Call(msgspec.Struct):
    """A request to the small service."""

    hook: str
    context: dict[str, str]
    prefetch: Prefetch


def small_service() -> Flask:
    """Two rules, two cards, two thresholds: what one writes in an afternoon."""
    app = Flask("small")
    decode = msgspec.json.Decoder(Call).decode
    encode = msgspec.json.Encoder().encode

    def newest(found: Bundle) -> float:
        results = [e.resource for e in found.entry if e.resource is not None and e.resource.status == "final"]
        last = max(results, key=lambda r: datetime.fromisoformat(r.effectiveDateTime or "1900-01-01"))
        return last.valueQuantity.value or 0.0 if last.valueQuantity is not None else 0.0

    @app.post("/cds-services/vitamin-d-magnesium")
    def answer() -> Response:
        call = decode(request.get_data(cache=False))
        cards = []
        for name, value, cut in (
            ("25(OH)D", newest(call.prefetch.vitaminD), 20),
            ("Magnesium", newest(call.prefetch.magnesium), 1.82),
        ):
            if value < cut:
                summary = f"{name} {value} is low"
                cards.append({"summary": summary, "indicator": "warning", "source": {"label": "Two rules"}})
        return Response(encode({"cards": cards}), mimetype="application/json")

    return app


def caller(app: Flask, body: bytes) -> Callable[[], None]:
    """One POST through the WSGI interface."""
    fixed = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/cds-services/vitamin-d-magnesium",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
    }

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        del headers, exc_info
        if not status.startswith("200"):
            raise RuntimeError(status)

    def call() -> None:
        answer: Any = app({**fixed, "wsgi.input": io.BytesIO(body)}, start_response)  # type: ignore[arg-type]
        b"".join(answer)

    return call


def cpu(call: Callable[[], None]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - started) / CALLS


def main() -> None:
    """Print the ratio, median and range over the rounds."""
    body = typical()
    ours, small = caller(create_app(Settings(as_of=AS_OF)), body), caller(small_service(), body)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    cpu(ours), cpu(small)
    ratios = [cpu(ours) / cpu(small) for _ in range(ROUNDS)]
    print(f"typical request, {len(body)} bytes: CPU {statistics.median(ratios):.1f} times that of the small service "
          f"({min(ratios):.1f} to {max(ratios):.1f} in {ROUNDS} rounds)")  # fmt: skip


if __name__ == "__main__":
    main()
