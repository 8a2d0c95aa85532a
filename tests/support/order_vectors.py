"""The worked vectors of the order hooks, beside those of an open chart: neutral facts and drafts turned into a call."""

from __future__ import annotations

import json
from typing import Any

from tests.support import vectors
from tests.support.patients import ATC, ICD, PATIENT_ID, RXNORM, codings, exact, quantity
from tests.support.patients import NUMBER as EXACT

VECTORS = vectors.SHARED / "clinical" / "order-vectors.json"
SERVICES = {
    "order-select": "vitamin-d-magnesium-order-select",
    "order-sign": "vitamin-d-magnesium-order-sign",
}


def order_vectors() -> list[dict[str, Any]]:
    """Every vector, its facts laid over the common ones; none where the folder is not there."""
    return vectors.read(VECTORS)


def request(vector: dict[str, Any]) -> bytes:
    """The call in which the client sends the facts and drafts of *vector*."""
    facts = {**vector["facts"], "availability": vector.get("availability", {})}
    body = json.loads(vectors.request(facts))
    drafts = [draft(told) for told in vector["drafts"]]
    deceased = vector.get("deceased", False)
    return call(vector["hook"], drafts, vector["selections"], body["prefetch"], deceased=deceased)


def call(
    hook: str, drafts: list[Any], selections: list[str], prefetch: dict[str, Any], *, deceased: bool = False
) -> bytes:
    """A call of *hook* with *drafts*."""
    if deceased:
        prefetch["patient"]["deceasedBoolean"] = True
    context: dict[str, Any] = {
        "userId": "Practitioner/example",
        "patientId": PATIENT_ID,
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in drafts]},
    }
    if hook == "order-select":
        context["selections"] = selections
    body = {
        "hook": hook,
        "hookInstance": "5a4b9f5e-5f0c-4f5a-9f0e-3b1f5f3f7a10",
        "context": context,
        "prefetch": prefetch,
    }
    return EXACT.sub(r"\1", json.dumps(body)).encode()


def draft(told: dict[str, Any]) -> dict[str, Any]:
    """The resource of one draft."""
    if "raw" in told:
        resource: dict[str, Any] = told["raw"]
        return resource
    common = {name: told[name] for name in ("resourceType", "id", "status", "intent")}
    return {**common, **(_lab(told) if told["resourceType"] == "ServiceRequest" else _drug(told))}


def _lab(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"code": codings(told["code"])}
    if "occurrence" in told:
        found["occurrenceDateTime"] = told["occurrence"]
    if told.get("repeats"):
        found["occurrenceTiming"] = {"repeat": {"frequency": 1, "period": 3, "periodUnit": "mo"}}
    return found


def _drug(told: dict[str, Any]) -> dict[str, Any]:
    codes = [
        {"system": system, "code": told[name]} for system, name in ((RXNORM, "rxnorm"), (ATC, "atc")) if name in told
    ]
    repeat = {name: told[name] for name in ("frequency", "period", "periodUnit") if name in told}
    dosage: dict[str, Any] = {"route": {"text": told["route"]}}
    if repeat:
        dosage["timing"] = {"repeat": {"count": 1} if told.get("once") else repeat}
    if "dose" in told:
        dosage["doseAndRate"] = [{"doseQuantity": quantity("0", told["doseUnit"]) | {"value": exact(told["dose"])}}]
    if "instruction" in told:
        dosage["patientInstruction"] = told["instruction"]
    found: dict[str, Any] = {
        "medicationCodeableConcept": {"coding": codes, "text": told["text"]},
        "dosageInstruction": [dosage],
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
    }
    if "reason" in told:
        found["reasonCode"] = [codings(code, system=ICD) for code in told["reason"]]
    if "replaces" in told:
        found["priorPrescription"] = {"reference": told["replaces"][0]}
    return found


def token(action: dict[str, Any], before: dict[str, dict[str, Any]]) -> str:
    """An action as the vectors write it; *before* are the drafts by their places."""
    if action["type"] == "delete":
        return f"delete:{action['resourceId']}"
    resource = action["resource"]
    if action["type"] == "create":
        code = resource["code"]["coding"][0]["code"]
        return f"SR:{code}" + ("!urgent" if resource.get("priority") == "urgent" else "")
    place = f"{resource['resourceType']}/{resource['id']}"
    return f"update:{place}={_told(resource, before[place])}"


def _told(resource: dict[str, Any], before: dict[str, Any]) -> str:
    if resource["resourceType"] == "ServiceRequest":
        if resource["code"] != before["code"]:
            return f"code-{resource['code']['coding'][0]['code']}"
        return f"occurrence-{resource['occurrenceDateTime']}"
    dosage, was = resource["dosageInstruction"][0], (before.get("dosageInstruction") or [{}])[0]
    if dosage == {**was, "patientInstruction": dosage.get("patientInstruction")}:
        return "spacing"
    repeat, dose = dosage["timing"]["repeat"], dosage["doseAndRate"][0]["doseQuantity"]["value"]
    written = json.dumps([resource.get("medicationCodeableConcept"), resource.get("contained")]).lower()
    drug = next(name for name in ("ergocalciferol", "cholecalciferol") if name in written)
    if repeat["periodUnit"] == "wk":
        return f"{drug}-{dose}-weekly-{repeat['boundsDuration']['value']}"
    return f"{drug}-{dose}-daily"


def outline(response: dict[str, Any], drafts: list[dict[str, Any]]) -> list[list[Any]]:
    """A response as topic, indicator and tokens of its suggestions."""
    before = {f"{one.get('resourceType')}/{one.get('id')}": one for one in drafts}
    return [
        [
            card["source"]["topic"]["code"],
            card["indicator"],
            [[token(action, before) for action in one["actions"]] for one in card.get("suggestions", ())],
        ]
        for card in response["cards"]
    ]
