"""All FHIR that leaves the service: drafts of orders, OperationOutcomes and the shipped value sets.

What is collected here is parsed with fhir.resources in the ordinary suite and validated with HAPI in
`make test-fhir`. The rest says by hand what section 16 of the decision table says of each order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.valueset import ValueSet

from cds_service.app import create_app
from cds_service.fhir import terminology
from cds_service.fhir.orders import VALIDATED, Ordered, Orders, digest, plain
from cds_service.guidance import loading
from cds_service.settings import Settings
from tests.support import fhir_validator
from tests.support.fixtures import SERVICE, answer, engine, order_situations, situations, token, tokens
from tests.support.order_vectors import order_vectors, request
from tests.support.vectors import engine_of
from tests.web.calls import TODAY
from tests.web.refused import REFUSED

Resource = dict[str, Any]
Named = list[tuple[str, Resource]]

PROFILES = ("magnesium-aware", "endocrine-2011", "nam-2011", "endocrine-2024")
OVERLAYS = ("kdoqi-2003", "nkf-2018")
IN_FORCE = list(product(PROFILES, OVERLAYS))

MODELS: dict[str, Any] = {
    model.__name__: model for model in (MedicationRequest, ServiceRequest, OperationOutcome, ValueSet)
}
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"

NAMES_OF_THE_TABLE = {
    "62292-8": "25-Hydroxyvitamin D3+25-Hydroxyvitamin D2 [Mass/volume] in Serum or Plasma",
    "19123-9": "Magnesium [Mass/volume] in Serum or Plasma",
    "11524-6": "EKG study",
}
"""The names that sections 3.1, 3.4 and 3.5 of the decision table give to codes of orders."""

ORDERED = {"62292-8", "19123-9", "17861-6", "2160-0", "2777-1", "2731-8", "2823-3", "62290-2", "11524-6"}
"""The codes of section 14.2."""

ADDED = (
    "Take doxycycline 2 hours before or 4-6 hours after magnesium.",
    "Reduced kidney function: do not exceed 200 mg elemental a day.",
)
"""Sentences as R17 and section 6.2 add them to an order of magnesium."""


@dataclass(frozen=True)
class Emitted:
    """One draft in one response: what names it, its suggestion's action, the patient of the request."""

    name: str
    situation: str
    card: str
    action: dict[str, Any]
    patient: str

    @property
    def resource(self) -> Resource:
        """The draft itself."""
        resource: Resource = self.action["resource"]
        return resource


# What is collected.


@cache
def responses(profile: str, overlay: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Patient and response of every golden folder, by *profile* and *overlay* instead of its own."""
    found = {}
    for situation in situations():
        patient = json.loads(situation.body)["context"]["patientId"]
        response = engine(situation.as_of, profile, overlay).answer(SERVICE, situation.body).response
        found[situation.name] = (patient, response)
    return found


@cache
def drafts(profile: str, overlay: str) -> list[Emitted]:
    """Every draft of those responses."""
    return [
        Emitted(
            f"{profile} {overlay} {situation} {action['resource']['id']}",
            situation,
            card["source"]["topic"]["code"],
            action,
            patient,
        )
        for situation, (patient, response) in responses(profile, overlay).items()
        for card in response["cards"]
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
    ]


@cache
def order_responses() -> Named:
    """The response to every order: of the golden folders, and of the worked vectors where they are at hand."""
    found = [
        (f"order {one.name}", engine(one.as_of, one.expected["profile"], one.expected["ckdOverlay"]), one.body)
        for one in order_situations()
    ]
    found += [(f"vector {one['id']}", engine(*engine_of(one["facts"])), request(one)) for one in order_vectors()]
    return [(name, service.answer_by_hook(body).response) for name, service, body in found]


def order_drafts() -> Named:
    """Every draft of those responses: changed, or new."""
    return [
        (
            f"{name} {card['source']['topic']['code']} {place} {action['type']} {action['resource']['id']}",
            action["resource"],
        )
        for name, response in order_responses()
        for card in response["cards"]
        for place, suggestion in enumerate(card.get("suggestions", ()))
        for action in suggestion["actions"]
        if "resource" in action
    ]


@cache
def templates() -> Named:
    """Every order in every variant: a drug with and without added sentences, a test plain, dated, urgent, both."""
    loaded = loading.load()
    orders, ordered = Orders(loaded), Ordered.by("p1", TODAY)
    found: Named = []
    for name in loaded.drugs:
        for added in ((), ADDED):
            resource = orders.medication_request(name, ordered, "draft-1", "25(OH)D 14 ng/mL (2026-02-20)", added)
            found.append((f"drug {name}{' added' if added else ''}", plain(resource)))
    for code in loaded.labs:
        for on, urgent in product((None, date(2026, 6, 2)), (False, True)):
            resource = orders.service_request(code, ordered, "draft-1", "Reason to ask", on=on, urgent=urgent)
            found.append((f"lab {code}{' dated' if on else ''}{' urgent' if urgent else ''}", plain(resource)))
    return found


@cache
def outcomes() -> Named:
    """The body of every refusal."""
    client = create_app(Settings(as_of=TODAY)).test_client()
    return [(refused.name, refused.call(client).get_json()) for refused in REFUSED]


def value_sets() -> Named:
    """The value sets that ship."""
    folder = Path(terminology.__file__).parent / "valuesets"
    return [(file.name, json.loads(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("*.json"))]


def everything() -> Named:
    """All of it, each resource once: the same draft for another patient or in another place is the same."""
    found: dict[str, tuple[str, Resource]] = {}
    emitted = [(draft.name, draft.resource) for chosen in IN_FORCE for draft in drafts(*chosen)]
    for name, resource in [*templates(), *outcomes(), *value_sets(), *emitted, *order_drafts()]:
        same = resource if resource["resourceType"] == "ValueSet" else _anonymous(resource)
        found.setdefault(json.dumps(same, sort_keys=True), (name, resource))
    return list(found.values())


def _anonymous(resource: Resource) -> Resource:
    return {key: value for key, value in resource.items() if key not in {"id", "subject"}}


def _parse(resource: Resource) -> None:
    """Parse *resource* as FHIR R4B; what comes out is what went in."""
    parsed = MODELS[resource["resourceType"]].model_validate(resource)

    assert json.loads(parsed.model_dump_json()) == resource


# Parsed with fhir.resources.


def test_shipped_guidance_was_validated():
    """The service does not validate the orders of the guidance these tests validate.

    Where it was changed, and the tests beside this one pass, its digest belongs in `fhir/orders.py`.
    """
    assert digest(loading.load()) == VALIDATED


def test_templates_parse():
    """Every order that can be drafted is FHIR R4B in each of its variants."""
    for _, resource in templates():
        _parse(resource)


# Validated with HAPI.


@pytest.mark.fhir
@pytest.mark.skipif(fhir_validator.missing() is not None, reason=str(fhir_validator.missing()))
def test_all_of_it_is_valid_fhir():
    """HAPI's validator finds no error in anything that leaves the service."""
    found = fhir_validator.validate(everything())

    assert {name: errors for name, errors in found.items() if errors} == {}


@pytest.mark.fhir
@pytest.mark.skipif(fhir_validator.missing() is not None, reason=str(fhir_validator.missing()))
def test_every_response_is_read_by_another_model():
    """HAPI's classes of CDS Hooks read every response, of an open chart and of orders: no member is unknown to them."""
    charts = [(name, response) for name, (_, response) in responses(*IN_FORCE[0]).items()]
    found = fhir_validator.validate((), [*charts, *order_responses()])

    assert len(found) == len(charts) + len(order_responses())
    assert {name: errors for name, errors in found.items() if errors} == {}


# Medication orders (section 16).

D2_50000 = "ergocalciferol (vitamin D2) 50,000 IU (1.25 mg) oral capsule"
D3_50000 = "cholecalciferol (vitamin D3) 50,000 IU (1.25 mg) oral capsule"
MAGNESIUM = "magnesium 200 mg elemental (for example citrate or oxide; read the label), oral"


def _weeks(value: int) -> Resource:
    return {"value": value, "unit": "wk", "system": UCUM, "code": "wk"}


def _days(value: int) -> Resource:
    return {"value": value, "unit": "d", "system": UCUM, "code": "d"}


@dataclass(frozen=True)
class Order:
    """One row of section 16. `text` must be all of the text, or in it where the table asks for the strength alone."""

    codes: tuple[tuple[str, str], ...]
    text: str
    dose: Resource
    repeat: Resource
    dispense: int | None = None
    supply: int | None = None


def _daily_d3(dose: int) -> Order:
    return Order(
        ((RXNORM, "2418"), (ATC, "A11CC05")),
        f"{dose:,} IU",
        {"value": dose, "unit": "IU", "system": UCUM, "code": "[iU]"},
        {"frequency": 1, "period": 1, "periodUnit": "d"},
        supply=90,
    )


WEEKLY = Order(
    ((RXNORM, "2418"), (ATC, "A11CC05")),
    D3_50000,
    {"value": 50000, "unit": "IU", "system": UCUM, "code": "[iU]"},
    {"frequency": 1, "period": 1, "periodUnit": "wk", "boundsDuration": _weeks(8)},
    dispense=8,
)
SECTION_16 = {
    "MR:ergocalciferol-50000-weekly-8": replace(
        WEEKLY, codes=((RXNORM, "4018"), (RXNORM, "1367410"), (ATC, "A11CC01")), text=D2_50000
    ),
    "MR:cholecalciferol-50000-weekly-8": WEEKLY,
    "MR:cholecalciferol-4000-daily": _daily_d3(4000),
    "MR:cholecalciferol-2000-daily": _daily_d3(2000),
    "MR:cholecalciferol-1000-daily": _daily_d3(1000),
    "MR:cholecalciferol-800-daily": _daily_d3(800),
    "MR:magnesium-200-daily": Order(
        ((RXNORM, "6574"), (ATC, "A12CC")),
        MAGNESIUM,
        {"value": 200, "unit": "mg", "system": UCUM, "code": "mg"},
        {"frequency": 1, "period": 1, "periodUnit": "d"},
        supply=56,
    ),
}


def _medication_requests() -> Iterator[tuple[str, Resource]]:
    """Every medication order: of the templates and of every response."""
    yield from ((name, resource) for name, resource in templates() if resource["resourceType"] == "MedicationRequest")
    for chosen in IN_FORCE:
        for draft in drafts(*chosen):
            if draft.resource["resourceType"] == "MedicationRequest":
                yield draft.name, draft.resource


def _of(order: str) -> list[tuple[str, Resource]]:
    return [(name, resource) for name, resource in _medication_requests() if token({"resource": resource}) == order]


each_order = pytest.mark.parametrize("order", SECTION_16)


def test_drafts_no_other_drug():
    """The medication orders that can be drafted are those of section 16, and every one of them is drafted somewhere."""
    found = {token({"resource": resource}) for _, resource in _medication_requests()}
    emitted = {
        token(draft.action)
        for chosen in IN_FORCE
        for draft in drafts(*chosen)
        if draft.resource["resourceType"] == "MedicationRequest"
    }

    assert SECTION_16.keys() == found
    assert SECTION_16.keys() == emitted


@each_order
def test_medication(order: str):
    """The drug is coded as section 16 says, and its text names the strength."""
    expected = SECTION_16[order]

    for name, resource in _of(order):
        medication = resource["medicationCodeableConcept"]
        assert expected.codes == tuple((c["system"], c["code"]) for c in medication["coding"]), name
        if expected.supply == 90:
            assert expected.text in medication["text"], name
        else:
            assert expected.text == medication["text"], name


@each_order
def test_dose_route_and_timing(order: str):
    """One dose of the stated size, by mouth, once a day or once a week for the stated time."""
    expected = SECTION_16[order]

    for name, resource in _of(order):
        (dosage,) = resource["dosageInstruction"]
        (rate,) = dosage["doseAndRate"]
        assert expected.dose == rate["doseQuantity"], name
        assert expected.repeat == dosage["timing"]["repeat"], name
        assert dosage["route"]["text"] == "oral", name


@each_order
def test_dispense_and_supply(order: str):
    """The supply has an end: 8 capsules, 90 or 56 days, and no repeats."""
    expected = SECTION_16[order]

    for name, resource in _of(order):
        dispense = resource["dispenseRequest"]
        assert dispense["numberOfRepeatsAllowed"] == 0, name
        assert expected.dispense == dispense.get("quantity", {}).get("value"), name
        assert (None if expected.supply is None else _days(expected.supply)) == dispense.get(
            "expectedSupplyDuration"
        ), name


def test_orders_ask_about_what_is_bought_without_a_prescription():
    """Every medication order asks about vitamin D and magnesium that nobody prescribed."""
    for name, resource in _medication_requests():
        instruction = resource["dosageInstruction"][0]["patientInstruction"]
        for words in ("vitamin D", "magnesium", "without a prescription"):
            assert words in instruction, name


def test_text_of_the_dosage_tells_the_dose():
    """What is written for people is the dose and the rhythm that is coded."""
    rhythm = {"d": "once a day", "wk": "once a week"}

    for name, resource in _medication_requests():
        (dosage,) = resource["dosageInstruction"]
        dose = dosage["doseAndRate"][0]["doseQuantity"]
        assert f"{dose['value']:,} {dose['unit']}" in dosage["text"], name
        assert rhythm[dosage["timing"]["repeat"]["periodUnit"]] in dosage["text"], name


def test_magnesium_is_taken_with_food():
    """The magnesium order says with food, and that the label tells the elemental amount."""
    for name, resource in _of("MR:magnesium-200-daily"):
        (dosage,) = resource["dosageInstruction"]
        assert "with food" in dosage["text"], name
        assert "read the label" in dosage["patientInstruction"], name


def test_added_sentences_reach_the_patient():
    """Sentences that are added join the patient's instruction, and nothing of it is lost."""
    plain = dict(templates())

    for name, resource in templates():
        if name.startswith("drug") and name.endswith("added"):
            (before,) = plain[name.removesuffix(" added")]["dosageInstruction"]
            (after,) = resource["dosageInstruction"]
            assert after["patientInstruction"] == " ".join((before["patientInstruction"], *ADDED))
            assert {**after, "patientInstruction": ""} == {**before, "patientInstruction": ""}


def _golden(name: str) -> dict[str, Any]:
    """The response to one golden folder, by its own profile and overlay."""
    (situation,) = (s for s in situations() if s.name == name)
    return answer(situation).response


def _instruction(name: str) -> str:
    """The patient's instruction of the magnesium order in the response to one golden folder."""
    (instruction,) = (
        action["resource"]["dosageInstruction"][0]["patientInstruction"]
        for card in _golden(name)["cards"]
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
        if token(action) == "MR:magnesium-200-daily"
    )
    return instruction


def test_magnesium_in_ckd_names_the_limit():
    """In CKD G3 the magnesium order says not to exceed 200 mg elemental a day; with normal function it does not."""
    limit = "do not exceed 200 mg elemental a day"

    assert limit in _instruction("ckd-g3-low-magnesium")
    assert limit not in _instruction("vector-v02-deficient-nmol-low-magnesium")


def test_magnesium_beside_a_chelating_drug_tells_the_spacing():
    """Beside a drug that magnesium binds, the order tells the patient how far apart to take them (R17)."""
    instruction = _instruction("chelating-drug-spacing-with-magnesium-order")

    assert re.search(r"\d hours", instruction)


def test_label_of_weekly_d3_says_why():
    """The D3 course says on its button that D3 keeps levels up longer between doses (section 14.2)."""
    cards = _golden("vector-v02-deficient-nmol-low-magnesium")["cards"]
    labels = [s["label"] for card in cards for s in card["suggestions"] if "50,000 IU" in s["label"]]

    assert ["lasts longer" in label for label in labels] == [False, True]


# Laboratory orders (sections 14.2 and 16).


def _service_requests() -> Iterator[tuple[str, Resource]]:
    """Every laboratory order: of the templates and of every response."""
    yield from ((name, resource) for name, resource in templates() if resource["resourceType"] == "ServiceRequest")
    for chosen in IN_FORCE:
        for draft in drafts(*chosen):
            if draft.resource["resourceType"] == "ServiceRequest":
                yield draft.name, draft.resource


def _code(resource: Resource) -> dict[str, str]:
    (coding,) = resource["code"]["coding"]
    found: dict[str, str] = coding
    return found


def test_drafts_no_other_test():
    """The tests that can be ordered are those of section 14.2, and every one of them is ordered somewhere."""
    emitted = {
        _code(draft.resource)["code"]
        for chosen in IN_FORCE
        for draft in drafts(*chosen)
        if draft.resource["resourceType"] == "ServiceRequest"
    }

    assert {_code(resource)["code"] for _, resource in _service_requests()} == ORDERED
    assert emitted == ORDERED


def test_loinc_displays_are_the_names_of_the_table():
    """A LOINC code is displayed by the name that the decision table gives it."""
    for name, resource in _service_requests():
        coding = _code(resource)
        assert coding["system"] == LOINC, name
        assert NAMES_OF_THE_TABLE.get(coding["code"], coding["display"]) == coding["display"], name


def test_loinc_displays_are_those_of_the_value_sets():
    """An order and the value set that holds its code call it by one name."""
    displays = {
        concept["code"]: concept["display"]
        for _, value_set in value_sets()
        for part in value_set["compose"]["include"]
        if part.get("system") == LOINC
        for concept in part["concept"]
        if "display" in concept
    }
    assert "62292-8" in displays

    for name, resource in _service_requests():
        coding = _code(resource)
        assert displays.get(coding["code"], coding["display"]) == coding["display"], name


def test_magnesium_is_never_in_one_suggestion_with_vitamin_d():
    """Magnesium is its own suggestion on its own card (section 20)."""
    for chosen in IN_FORCE:
        for situation, (_, response) in responses(*chosen).items():
            for card in response["cards"]:
                drugs = {t for suggestion in tokens(card) for t in suggestion if t.startswith("MR:")}
                assert len({"magnesium" in drug for drug in drugs}) <= 1, situation
