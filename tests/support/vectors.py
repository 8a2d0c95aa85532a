"""The worked vectors of the folder beside the project: neutral facts turned into prefetch (`vectors.md`)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from tests.support.fixtures import ROOT
from tests.support.patients import ATC, FAILED, ICD, LOINC, NEXT, PATIENT_ID, RXNORM, bundle, codings, exact, quantity
from tests.support.patients import NUMBER as EXACT

SHARED = ROOT.parent / "shared"
VECTORS = SHARED / "clinical" / "vectors.json"
KEYS = {
    "vitaminD": ("vitaminD",), "magnesium": ("magnesium",), "kidney": ("egfr", "creatinine"),
    "chemistry": ("calcium", "albumin", "phosphate", "potassium", "pth"),
    "vitals": ("bmi", "height", "weight", "pregnancy"),
}  # fmt: skip
SYSTEMS = {
    "icd-10-cm": ICD,
    "icd-10": "http://hl7.org/fhir/sid/icd-10",
    "icd-10-gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "icd-10-pcs": "http://hl7.org/fhir/sid/icd-10-pcs",
}
LAB_ORDERED = "2026-02-25"


def vectors() -> list[dict[str, Any]]:
    """Every vector, its facts laid over the common ones; none where the folder is not there."""
    return read(VECTORS)


def read(file: Path) -> list[dict[str, Any]]:
    """The vectors of *file*, their facts laid over those that are common to all of it."""
    if not file.is_file():
        return []
    told = json.loads(file.read_text(encoding="utf-8"))
    common, found = told["common"], []
    for vector in told["vectors"]:
        facts = {**common, **vector["facts"]}
        for key in ("patient", "results"):
            facts[key] = {**common[key], **vector["facts"].get(key, {})}
        found.append({**vector, "facts": facts})
    return found


def engine_of(facts: dict[str, Any]) -> tuple[date, str, str]:
    """What `fixtures.engine` is asked for."""
    return date.fromisoformat(facts["asOf"]), facts["profile"], facts["ckdOverlay"]


def request(facts: dict[str, Any]) -> bytes:
    """The request in which the client sends *facts*."""
    prefetch: dict[str, Any] = {"patient": {"resourceType": "Patient", "id": PATIENT_ID, **facts["patient"]}}
    listed = {
        key: [_result(result) for name in names for result in facts["results"][name]] for key, names in KEYS.items()
    }
    listed["conditions"] = [_condition(condition) for condition in facts["conditions"]]
    listed["medications"] = [_order(order) for order in facts["medications"]]
    listed["labOrders"] = [_lab_order(code) for code in facts["labOrders"]]
    prefetch |= {key: bundle(resources) for key, resources in listed.items()}
    for key, availability in facts.get("availability", {}).items():
        prefetch[key] = FAILED if availability == "unavailable" else prefetch[key] | NEXT
    body = {
        "hook": "patient-view",
        "hookInstance": "5a4b9f5e-5f0c-4f5a-9f0e-3b1f5f3f7a10",
        "context": {"userId": "Practitioner/example", "patientId": PATIENT_ID},
        "prefetch": prefetch,
    }
    return EXACT.sub(r"\1", json.dumps(body)).encode()


def _there(**elements: Any) -> dict[str, Any]:
    return {name: value for name, value in elements.items() if value is not None}


def _result(told: dict[str, Any]) -> dict[str, Any]:
    unit = told.get("unit") or None
    value = None if "value" not in told else quantity(told.get("comparator", "") + told["value"], unit)
    concept = {"text": told["conceptText"]} if "conceptText" in told else None
    if "answer" in told:
        concept = codings(told["answer"])
    ranges = told.get("ranges") or ([told["referenceRange"]] if "referenceRange" in told else [])
    return _there(
        resourceType="Observation",
        status=told["status"],
        code=codings(told["loinc"]),
        effectiveDateTime=told.get("date"),
        valueQuantity=value,
        valueString=told.get("valueString"),
        valueCodeableConcept=concept,
        specimen={"reference": f"Specimen/{told['specimen']}"} if "specimen" in told else None,
        referenceRange=[_range(one, unit) for one in ranges] or None,
    )


def _range(told: dict[str, Any], unit: str | None) -> dict[str, Any]:
    ends = {end: quantity(told[end], unit) for end in ("low", "high") if end in told}
    age = {end: quantity(str(value), "a") for end, value in told.get("age", {}).items()}
    return _there(
        **ends,
        type=codings(told["type"]) if "type" in told else None,
        text=told.get("text"),
        age=age or None,
        appliesTo=[codings(told["sex"])] if "sex" in told else None,
    )


def _condition(told: dict[str, Any]) -> dict[str, Any]:
    return _there(
        resourceType="Condition",
        code=codings(told["code"], system=SYSTEMS[told["system"]]),
        clinicalStatus=codings(told["clinicalStatus"]),
        verificationStatus=codings(told["verificationStatus"]),
        onsetDateTime=told.get("onset"),
    )


def _order(told: dict[str, Any]) -> dict[str, Any]:
    codes = [
        {"system": system, "code": told[name]} for system, name in ((RXNORM, "rxnorm"), (ATC, "atc")) if told.get(name)
    ]
    doses = told.get("doseAndRate") or ([told] if "dose" in told else [])
    bounds = _there(start=told.get("start"), end=told.get("end")) if "end" in told else None
    repeat = _there(**{name: told.get(name) for name in ("frequency", "period", "periodUnit")}, boundsPeriod=bounds)
    dosage = _there(
        timing={"repeat": repeat} if repeat else None,
        route={"text": told["route"]},
        doseAndRate=[
            _there(type=codings(dose["type"]) if "type" in dose else None, doseQuantity=_dose(dose)) for dose in doses
        ]
        or None,
    )
    concept = None if told["ingredient"] == "unresolved" else _there(coding=codes or None, text=told["text"])
    return _there(
        resourceType="MedicationRequest",
        id=told.get("id"),
        status=told["status"],
        intent="order",
        medicationCodeableConcept=concept,
        medicationReference={"reference": "Medication/unknown"} if concept is None else None,
        authoredOn=told.get("start"),
        dosageInstruction=[dosage],
    )


def _dose(told: dict[str, Any]) -> dict[str, Any]:
    return quantity("0", told["doseUnit"]) | {"value": exact(told["dose"])}


def _lab_order(code: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": codings(code, system=LOINC),
        "authoredOn": LAB_ORDERED,
    }  # fmt: skip
