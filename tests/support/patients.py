"""One patient as a request: the common facts of the worked vectors, of which a test replaces what it is about.

As-of is 2026-03-02. The common patient is male, born 1980-06-15, without conditions, drugs or lab orders, and has of
2026-02-10 an eGFR of 90, calcium 9.4 mg/dL, albumin 4.2 g/dL, potassium 4.2 mmol/L, phosphate 3.4 mg/dL and BMI 24.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any, cast

from cds_service.app import build_engine
from cds_service.clinical.states import derive as states
from cds_service.clinical.words.sentences import InWords
from cds_service.fhir import reader
from cds_service.hooks.messages import read_request
from cds_service.hooks.prefetch import gather, read_record
from cds_service.hooks.service import Engine
from cds_service.settings import Settings
from tests.support.fixtures import SERVICE, outline, tokens

AS_OF = date(2026, 3, 2)
RECENT, COMMON = "2026-02-20", "2026-02-10"
PATIENT_ID = "p1"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"
EGFR_UNIT = "mL/min/{1.73_m2}"

SOURCES = {
    "vitamin_d": "vitaminD", "magnesium": "magnesium", "chemistry": "chemistry", "kidney": "kidney",
    "vitals": "vitals", "conditions": "conditions", "medications": "medications", "lab_orders": "labOrders",
}  # fmt: skip
KEYS = tuple(SOURCES.values())
CHEMISTRY = ("calcium", "albumin", "potassium", "phosphate", "pth")
NUMBER = re.compile(r'"=([^"]*)"')


def ago(days: int) -> str:
    """The date *days* before as-of."""
    return (AS_OF - timedelta(days=days)).isoformat()


def exact(number: str) -> str:
    """A number that is written into the JSON with just these digits."""
    return f"={number}"


def quantity(value: str, unit: str | None = None, **elements: Any) -> dict[str, Any]:
    """A Quantity; `<4` has a comparator. With *unit* alone it is both the text and the UCUM code."""
    comparator = re.match(r"[<>]=?|ad", value)
    found: dict[str, Any] = {"value": exact(value[comparator.end() :] if comparator else value)}
    if comparator:
        found["comparator"] = comparator[0]
    if unit is not None:
        found |= {"unit": unit, "system": UCUM, "code": unit}
    return found | elements


def span(low: str | None, high: str | None, unit: str) -> dict[str, Any]:
    """A Range."""
    return {end: quantity(value, unit) for end, value in (("low", low), ("high", high)) if value is not None}


def codings(*codes: str, system: str = LOINC, display: str | None = None) -> dict[str, Any]:
    """A CodeableConcept with these codes."""
    told = {} if display is None else {"display": display}
    return {"coding": [{"system": system, "code": code, **told} for code in codes]}


def lab(code: str, /, value: str | None, unit: str | None = None, day: str | None = RECENT, **elements: Any) -> Any:
    """An Observation, final. `low` and `high` are its own reference range; *elements* with None are left out."""
    low, high = elements.pop("low", None), elements.pop("high", None)
    found: dict[str, Any] = {
        "resourceType": "Observation", "status": "final", "code": codings(code), "effectiveDateTime": day,
        "valueQuantity": None if value is None else quantity(value, unit),
    }  # fmt: skip
    if low or high:
        found["referenceRange"] = [span(low, high, unit or "")]
    return {name: element for name, element in (found | elements).items() if element is not None}


def vitd(value: str, unit: str = "ng/mL", day: str | None = RECENT, **elements: Any) -> Any:
    """A total 25(OH)D."""
    return lab("68438-1" if unit == "nmol/L" else "62292-8", value, unit, day, **elements)


def mg(value: str, unit: str = "mmol/L", day: str | None = RECENT, **elements: Any) -> Any:
    """A serum magnesium."""
    return lab("19123-9" if unit == "mg/dL" else "2601-3", value, unit, day, **elements)


def calcium(value: str, unit: str = "mg/dL", day: str = COMMON, **elements: Any) -> Any:
    """A total serum calcium."""
    return lab("17861-6" if unit == "mg/dL" else "2000-8", value, unit, day, **elements)


def albumin(value: str, unit: str = "g/dL", day: str = COMMON) -> Any:
    """A serum albumin."""
    return lab("1751-7", value, unit, day)


def phosphate(value: str, unit: str = "mg/dL", day: str = COMMON) -> Any:
    """A serum phosphate."""
    return lab("2777-1" if unit == "mg/dL" else "14879-1", value, unit, day)


def pth(value: str, unit: str = "pg/mL", day: str = COMMON, **elements: Any) -> Any:
    """An intact PTH."""
    return lab("2731-8" if unit == "pg/mL" else "14866-8", value, unit, day, **elements)


def egfr(value: str, day: str = COMMON, code: str = "98979-8", unit: str = EGFR_UNIT) -> Any:
    """A reported eGFR."""
    return lab(code, value, unit, day)


def creatinine(value: str, unit: str = "mg/dL", day: str = RECENT) -> Any:
    """A serum creatinine."""
    return lab("2160-0" if unit == "mg/dL" else "14682-9", value, unit, day)


def problem(code: str | None, /, day: str | None = "2024-01-10", **elements: Any) -> Any:
    """A Condition, active and confirmed, by its ICD-10-CM code; *elements* with None are left out."""
    found = {
        "resourceType": "Condition",
        "code": None if code is None else codings(code, system=ICD),
        "clinicalStatus": codings("active", system="http://terminology.hl7.org/CodeSystem/condition-clinical"),
        "verificationStatus": codings("confirmed", system="http://terminology.hl7.org/CodeSystem/condition-ver-status"),
        "onsetDateTime": day,
    }
    return {name: element for name, element in (found | elements).items() if element is not None}


def weekly(**elements: Any) -> dict[str, Any]:
    """Once a week."""
    return every(1, 1, "wk", **elements)


def every(frequency: int, period: int, unit: str, **elements: Any) -> dict[str, Any]:
    """Timing.repeat: *frequency* times in *period* of *unit*."""
    return {"frequency": frequency, "period": period, "periodUnit": unit} | elements


def order(text: str, start: str | None = None, end: str | None = None, **elements: Any) -> Any:
    """An active MedicationRequest by its text, without a dose; `rxnorm` and `atc` add codes."""
    codes = {RXNORM: elements.pop("rxnorm", None), ATC: elements.pop("atc", None)}
    coded = [{"system": system, "code": code} for system, code in codes.items() if code]
    concept = {"coding": coded or None, "text": text or None}
    found: dict[str, Any] = {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": start,
        "medicationCodeableConcept": {name: value for name, value in concept.items() if value is not None},
    }  # fmt: skip
    if end is not None:
        found["dosageInstruction"] = [{"timing": {"repeat": {"boundsPeriod": {"end": end}}}}]
    return {name: element for name, element in (found | elements).items() if element is not None}


def dosed(value: str, unit: str, repeat: Any = None, **elements: Any) -> list[dict[str, Any]]:
    """One dosage instruction: *value* *unit* once a day, or as *repeat* says."""
    timing = {"repeat": every(1, 1, "d") if repeat is None else repeat}
    return [{"timing": timing, "doseAndRate": [{"doseQuantity": quantity(value, unit)}]} | elements]


def d3(iu: str, start: str | None = None, end: str | None = None, **elements: Any) -> Any:
    """An order of cholecalciferol, *iu* daily."""
    repeat = every(1, 1, "d") | ({} if end is None else {"boundsPeriod": {"end": end}})
    return order("cholecalciferol", start, dosageInstruction=dosed(iu, "[iU]", repeat), rxnorm="2418", **elements)


def d2(start: str | None = None, end: str | None = None, iu: str = "50000", **elements: Any) -> Any:
    """An order of ergocalciferol, 50,000 IU weekly."""
    repeat = weekly() | ({} if end is None else {"boundsPeriod": {"end": end}})
    return order("ergocalciferol", start, dosageInstruction=dosed(iu, "[iU]", repeat), rxnorm="4018", **elements)


def lab_order(code: str, **elements: Any) -> Any:
    """An active ServiceRequest."""
    return {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": codings(code)} | elements


def bundle(resources: list[Any], **elements: Any) -> dict[str, Any]:
    """A searchset."""
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | elements


FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
NEXT = {"link": [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]}


def request(**parts: Any) -> bytes:
    """The request of the common patient with *parts* replaced.

    `patient` are elements of the Patient; `calcium`, `albumin`, `potassium`, `phosphate` and `pth` replace that
    analyte, the keys of SOURCES a whole source; `missing`, `failed` and `partial` name prefetch keys.
    """
    chemistry: dict[str, list[Any]] = {
        "calcium": [calcium("9.4")],
        "albumin": [albumin("4.2")],
        "potassium": [lab("2823-3", "4.2", "mmol/L", COMMON)],
        "phosphate": [phosphate("3.4")],
        "pth": [],
    } | {name: parts.pop(name) for name in CHEMISTRY if name in parts}
    found = {"kidney": [egfr("90")], "vitals": [lab("39156-5", "24", "kg/m2", COMMON)]} | parts
    found.setdefault("chemistry", [resource for listed in chemistry.values() for resource in listed])
    person: dict[str, Any] = {"resourceType": "Patient", "id": PATIENT_ID, "gender": "male", "birthDate": "1980-06-15"}
    person |= found.pop("patient", {})
    prefetch: dict[str, Any] = {"patient": {name: value for name, value in person.items() if value is not None}}
    partial = found.get("partial", ())
    for name, key in SOURCES.items():
        prefetch[key] = bundle(found.get(name, []), **(NEXT if key in partial else {}))
    prefetch |= dict.fromkeys(found.get("failed", ()), FAILED)
    prefetch = {key: value for key, value in prefetch.items() if key not in found.get("missing", ())}
    body = {
        "hook": "patient-view",
        "hookInstance": "0a2b9f5e-5f0c-4f5a-9f0e-3b1f5f3f7a10",
        "context": {"userId": "Practitioner/example", "patientId": PATIENT_ID},
        "prefetch": prefetch,
    }
    return NUMBER.sub(r"\1", json.dumps(body)).encode()


@cache
def engine(obesity_trigger: bool = False, **settings: Any) -> Engine:  # noqa: FBT001, FBT002 - a switch of the guidance
    """The engine of *settings*, as of 2026-03-02."""
    built = build_engine(Settings(as_of=AS_OF, **settings))
    limits = built.guidance.limits.changed(trigger=built.guidance.limits.trigger.changed(obesity=obesity_trigger))
    return replace(built, guidance=built.guidance.changed(limits=limits))


class Seen:
    """What the service answered."""

    def __init__(self, body: bytes, chosen: Engine) -> None:
        """Ask *chosen*."""
        answer = chosen.answer(SERVICE, body)
        self.cards: list[dict[str, Any]] = answer.response["cards"]
        self.outline = outline(answer.response)
        self.topics = [line[0] for line in self.outline]
        self.d, self.m = str(answer.evaluation.vitamin_d), str(answer.evaluation.magnesium)
        self.states = (self.d, self.m)
        self.steps = {step.id for step in answer.evaluation.trace if step.fired}
        closed = [step for step in answer.evaluation.trace if step.id.startswith("G-") and step.fired]
        self.gates = {step.id for step in closed} - {"G-ADV"}  # it closes words, not orders
        self.closed = {(step.id, cast(InWords, step.values[0]).text.key) for step in closed}

    def card(self, topic: str) -> dict[str, Any]:
        """The card of *topic*."""
        return next(card for card in self.cards if card["source"]["topic"]["code"] == topic)

    def summary(self, topic: str) -> str:
        """Its summary."""
        return str(self.card(topic)["summary"])

    def detail(self, topic: str) -> str:
        """Its detail."""
        return str(self.card(topic)["detail"])

    def indicator(self, topic: str) -> str:
        """Its indicator."""
        return str(self.card(topic)["indicator"])

    def suggestions(self, topic: str) -> list[list[str]]:
        """Its suggestions as tokens of the worked vectors."""
        return tokens(self.card(topic))

    def labs(self, topic: str) -> list[str]:
        """The lab tokens of its first suggestion."""
        found = self.suggestions(topic)
        return [token for token in found[0] if token.startswith("SR:")] if found else []

    @property
    def drugs(self) -> list[str]:
        """Every drug token of the response."""
        return [t for _, _, listed in self.outline for suggestion in listed for t in suggestion if t.startswith("MR:")]

    @property
    def text(self) -> str:
        """Everything the cards say."""
        return json.dumps(self.cards)


def ask(settings: Any = None, /, **parts: Any) -> Seen:
    """What the service answers to the common patient with *parts* replaced."""
    return Seen(request(**parts), engine(**(settings or {})))


def read(settings: Any = None, /, **parts: Any) -> Any:
    """The PatientFacts of that patient."""
    chosen = engine(**(settings or {}))
    asked = read_request(request(**parts))
    gathered = gather(chosen.registry.services[0], asked, chosen.completer, chosen.sizes)
    record = read_record(chosen.registry.services[0], gathered.keys, asked.patient_id)
    return reader.read(record, chosen.terms, d3_is_total=chosen.d3_is_total)


def derive(settings: Any = None, /, **parts: Any) -> Any:
    """The States of that patient."""
    return states.derive(read(settings, **parts), engine(**(settings or {})).guidance, AS_OF)


D2X8 = ["MR:ergocalciferol-50000-weekly-8", "SR:62292-8@2026-06-02"]
D3X8 = ["MR:cholecalciferol-50000-weekly-8", "SR:62292-8@2026-06-02"]
D3_2000 = ["MR:cholecalciferol-2000-daily", "SR:62292-8@2026-06-02"]
D3_4000 = ["MR:cholecalciferol-4000-daily", "SR:62292-8@2026-06-02"]
MG_ORDER = "MR:magnesium-200-daily"
MG_LOW = [MG_ORDER, "SR:19123-9@2026-03-30"]
