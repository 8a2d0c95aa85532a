"""Charts, and orders that are being written, of one shape with many of it: what grows faster shows in CPU seconds.

    .venv/bin/python -m benchmarks.shapes [WORD ...]

prints the CPU seconds of 1,000, 4,000 and 10,000 of each shape, or of those whose name holds a WORD. A test counts the
calls of the same shapes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from benchmarks import payloads
from benchmarks.payloads import AS_OF, SERVICE, Json
from cds_service.app import build_engine
from cds_service.hooks.order_hooks import SELECT
from cds_service.settings import Settings

SIZES = (1_000, 4_000, 10_000)
MOMENT = "2026-02-20T09:30:00+01:00"
LOINC, RXNORM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
RESULTS: dict[str, tuple[str, tuple[tuple[str, str, float], ...]]] = {
    "25(OH)D": ("vitaminD", (("62292-8", "ng/mL", 18.2),)),
    "magnesium": ("magnesium", (("19123-9", "mg/dL", 1.7),)),
    "D2 beside D3": ("vitaminD", (("49054-0", "ng/mL", 8), ("1989-3", "ng/mL", 9))),
    "calcium with albumin": ("chemistry", (("17861-6", "mg/dL", 9.4), ("1751-7", "g/dL", 4.1))),
    "phosphate": ("chemistry", (("2777-1", "mg/dL", 3.4),)),
    "eGFR with creatinine": ("kidney", (("98979-8", "mL/min/{1.73_m2}", 71), ("2160-0", "mg/dL", 1.1))),
    "potassium": ("chemistry", (("2823-3", "mmol/L", 4.2),)),
    "PTH": ("chemistry", (("2731-8", "pg/mL", 40),)),
    "BMI with weight": ("vitals", (("39156-5", "kg/m2", 27.4), ("29463-7", "kg", 82))),
}
"""Each analyte, or two of them in turn: the prefetch key, and code, unit and value."""
WAYS: dict[str, Callable[[int], Json]] = {
    "of one instant": lambda _: {},
    "of one instant, differing": lambda n: {"more": n / 1_000},
    "each of its own day": lambda n: {"more": n / 1_000, "when": (AS_OF - timedelta(days=n + 1)).isoformat()},
    "that cannot be used": lambda n: {"more": n / 1_000} | ({"unit": "furlong"}, {"unit": None}, {"when": None})[n % 3],
}
"""How the results of a chart may be spread; one of each makes a shape."""


def coded(system: str, code: str) -> Json:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code}]}


def result(code: str, unit: str | None, value: float, when: str | None = MOMENT, **elements: Any) -> Json:
    """A final Observation."""
    quantity = {"value": value} | ({} if unit is None else {"unit": unit})
    dated = {} if when is None else {"effectiveDateTime": when}
    found = {"resourceType": "Observation", "status": "final", "code": coded(LOINC, code), "valueQuantity": quantity}
    return found | dated | elements


def order(**elements: Any) -> Json:
    """An active order."""
    found = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": "2026-01-20"}
    return found | elements


def problem(code: str) -> Json:
    """A Condition by its ICD-10-CM code."""
    return {"resourceType": "Condition", "code": coded(ICD, code), "onsetDateTime": "2024-01-10"}


def bundle(resources: list[Json]) -> Json:
    """A searchset."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource} for resource in resources]}


def spread(name: str, way: str) -> Callable[[int], Json]:
    """So many results of *name*, spread by *way*."""
    key, kinds = RESULTS[name]

    def prefetch(number: int) -> Json:
        found = []
        for n in range(number):
            code, unit, value = kinds[n % len(kinds)]
            told: Json = {"unit": unit, "more": 0.0, "when": MOMENT} | WAYS[way](n // len(kinds))
            found.append(result(code, told["unit"], round(value + told["more"], 3), told["when"]))
        return {key: bundle(found)}

    return prefetch


def one(key: str, resource: Callable[[int], Json]) -> Callable[[int], Json]:
    """One resource that holds so many of something."""
    return lambda number: {key: bundle([resource(number)])}


def many(key: str, resource: Callable[[int], Json]) -> Callable[[int], Json]:
    """So many resources."""
    return lambda number: {key: bundle([resource(n) for n in range(number)])}


def magnesium(**elements: Any) -> Json:
    """A magnesium with so many of one element."""
    return result("19123-9", "mg/dL", 1.7, **elements)


def several(number: int) -> list[Json]:
    """Magnesium results of one instant that differ."""
    return [result("19123-9", "mg/dL", 1.7 + n / 1_000) for n in range(number)]


def own_range(high: float) -> Json:
    """A reference range of a magnesium."""
    return {"low": {"value": 1.6, "unit": "mg/dL"}, "high": {"value": high, "unit": "mg/dL"}}


def daily(doses: int, **elements: Any) -> Json:
    """An order of vitamin D3 with so many entries of `doseAndRate`."""
    dosage = once_a_day(*(400 + n for n in range(doses)))
    return order(medicationCodeableConcept=coded(RXNORM, "2418"), dosageInstruction=[dosage], **elements)


def once_a_day(*iu: int) -> Json:
    """How an order is taken once a day, of which each of *iu* is told as the dose."""
    listed = [{"doseQuantity": {"value": one, "unit": "IU"}} for one in iu]
    return {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}, "doseAndRate": listed}


def medication(name: str, ingredients: int = 1) -> Json:
    """A Medication with so many ingredients."""
    listed = [{"itemCodeableConcept": {"text": f"substance {n}"}} for n in range(ingredients)]
    return {"resourceType": "Medication", "id": name, "ingredient": listed}


def codings(system: str, *codes: str) -> Json:
    """A CodeableConcept of many codes."""
    return {"coding": [{"system": system, "code": code} for code in codes]}


SHAPES: Mapping[str, Callable[[int], Json]] = {
    **{f"{name}, {way}": spread(name, way) for name in RESULTS for way in WAYS},
    "codings of an Observation, the same": one(
        "magnesium", lambda n: magnesium() | {"code": codings(LOINC, *["19123-9"] * n)}
    ),
    "codings of an Observation, each different": one(
        "magnesium", lambda n: magnesium() | {"code": codings(LOINC, *(f"{c}-0" for c in range(n)))}
    ),
    "components": one("magnesium", lambda n: result("24323-8", None, 0, component=several(n))),
    "contained Observations": one("magnesium", lambda n: result("24323-8", None, 0, contained=several(n))),
    "reference ranges, the same": one("magnesium", lambda n: magnesium(referenceRange=[own_range(2.6)] * n)),
    "reference ranges, each different": one(
        "magnesium", lambda n: magnesium(referenceRange=[own_range(2.6 + r) for r in range(n)])
    ),
    "notes": one("magnesium", lambda n: magnesium(note=[{"text": "not haemolysed"}] * n)),
    "conditions, the same": many("conditions", lambda _: problem("N18.31")),
    "conditions, each different": many("conditions", lambda n: problem(f"A{n:04d}")),
    "codings of a condition": one(
        "conditions", lambda n: problem("") | {"code": codings(ICD, *(f"A{c:04d}" for c in range(n)))}
    ),
    "medications, the same": many("medications", lambda _: daily(1)),
    "medications, each with its text": many(
        "medications", lambda n: order(medicationCodeableConcept={"text": f"substance {n} tablet"})
    ),
    "medications, each with its strength": many(
        "medications", lambda n: order(medicationCodeableConcept={"text": f"vitamin D3 {n} IU capsule"})
    ),
    "medications, each with its dose and start": many(
        "medications", lambda n: daily(1 + n % 7, authoredOn=(AS_OF - timedelta(days=n)).isoformat())
    ),
    "codings of a medication": one(
        "medications", lambda n: order(medicationCodeableConcept=codings(RXNORM, *map(str, range(n))))
    ),
    "doseAndRate": one("medications", daily),
    "dosage instructions": one(
        "medications", lambda n: daily(1) | {"dosageInstruction": daily(1)["dosageInstruction"] * n}
    ),
    "ingredients": one(
        "medications", lambda n: order(medicationReference={"reference": "#m"}, contained=[medication("m", n)])
    ),
    "contained Medications": one(
        "medications",
        lambda n: order(
            medicationReference={"reference": f"#m{n - 1}"}, contained=[medication(f"m{m}") for m in range(n)]
        ),
    ),
    "orders, each with its Medication": lambda n: {
        "medications": bundle([
            *(order(medicationReference={"reference": f"Medication/m{m}"}) for m in range(n)),
            *(medication(f"m{m}") for m in range(n)),
        ])
    },
    "laboratory orders": many(
        "labOrders", lambda _: {"resourceType": "ServiceRequest", "status": "active", "code": coded(LOINC, "62292-8")}
    ),
    "outcomes": many("chemistry", lambda _: {"resourceType": "OperationOutcome", "issue": [{"code": "processing"}]}),
    "entries that are no resources": many("chemistry", lambda n: {"resourceType": n}),
}  # fmt: skip
"""What a chart may hold many of: prefetch keys with so many of it."""


OTHERS = (
    "furosemide", "hydrochlorothiazide", "omeprazole", "digoxin", "phenytoin", "carbamazepine", "prednisone",
    "cisplatin", "orlistat", "tacrolimus", "amphotericin b", "gentamicin", "rifampicin",
)  # fmt: skip
"""Drugs of sets that no row of the order hooks reads."""
DRAFTS: Mapping[str, Callable[[int], Json]] = {
    "drafts of vitamin D, the same": lambda _: vitamin_d(2_000),
    "drafts of vitamin D, each with its dose": lambda n: vitamin_d(2_000 + n),
    "drafts of active vitamin D, each with its dose": lambda n: vitamin_d(n, "calcitriol"),
    "drafts of active vitamin D, each beside other drugs in its name": lambda n: order(
        medicationCodeableConcept={
            "text": " ".join(["calcitriol", *(drug for bit, drug in enumerate(OTHERS) if n >> bit & 1)])
        }
    ),
    "drafts of magnesium beside drugs that bind it": lambda n: order(
        medicationCodeableConcept={"text": f"magnesium oxide {n} mg" if n % 2 else f"levothyroxine {n} mcg"}
    ),
    "drafts of tests, each for its day": lambda n: {
        "resourceType": "ServiceRequest",
        "code": coded(LOINC, "62292-8"),
        "occurrenceDateTime": str(AS_OF + timedelta(days=n)),
    },
}
"""What there may be many drafts of; the chart has as many orders of vitamin D."""


def vitamin_d(iu: int, name: str = "cholecalciferol") -> Json:
    """An order of so many IU of vitamin D a day."""
    return order(medicationCodeableConcept={"text": name}, dosageInstruction=[once_a_day(iu)])


def request(shape: str, number: int) -> bytes:
    """The request that opens a chart with so many of *shape*, or selects so many drafts; all else is known and none."""
    if shape in SHAPES:
        return payloads.request(chart(SHAPES[shape](number)))
    drafts = [DRAFTS[shape](n) | {"id": f"draft-{n}", "status": "draft"} for n in range(number)]
    asked = msgspec.json.decode(payloads.request(chart(SHAPES["medications, each with its dose and start"](number))))
    asked["hook"] = "order-select"
    asked["context"] |= {"draftOrders": bundle(drafts), "selections": []}
    return msgspec.json.encode(asked)


def chart(prefetch: Json) -> Json:
    """The prefetch of a chart that has *prefetch* and nothing else."""
    keys = ("vitaminD", "magnesium", "chemistry", "kidney", "vitals", "conditions", "medications", "labOrders")
    return {"patient": payloads.filled("Patient"), **dict.fromkeys(keys), **prefetch}


def service(shape: str) -> str:
    """The service that is asked about *shape*."""
    return SERVICE if shape in SHAPES else SELECT


def main(words: list[str]) -> None:
    """Print the CPU seconds of each shape and size."""
    engine = build_engine(Settings(as_of=AS_OF, max_entries=50_000))
    print(f"{'CPU seconds of':50}" + "".join(f"{size:>10,}" for size in SIZES))
    for shape in (*SHAPES, *DRAFTS):
        if words and not any(word in shape for word in words):
            continue
        print(f"{shape:50}", end="", flush=True)
        for size in SIZES:
            body = request(shape, size)
            began = time.process_time()
            engine.answer(service(shape), body)
            print(f"{time.process_time() - began:10.2f}", end="", flush=True)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
