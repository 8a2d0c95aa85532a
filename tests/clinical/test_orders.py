"""What a drafted order contains (decision table, section 16), read from the response."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.patients import (
    ATC,
    LOINC,
    PATIENT_ID,
    RXNORM,
    UCUM,
    ago,
    albumin,
    ask,
    calcium,
    d3,
    egfr,
    lab,
    mg,
    order,
    problem,
    vitd,
)  # fmt: skip

KNOWN = {"magnesium": [mg("0.9")]}
OBESE = {"vitals": [lab("39156-5", "31", "kg/m2")]}
HIGH = [d3("5000", "2025-06-01")]


def drafted(seen, token):
    """The first drafted order of the response that is *token*."""
    found: dict[str, Any] = {}
    for card, (_, _, suggestions) in zip(seen.cards, seen.outline, strict=True):
        for suggestion, listed in zip(card.get("suggestions", ()), suggestions, strict=True):
            for action, name in zip(suggestion["actions"], listed, strict=True):
                found.setdefault(name, action)
    return found[token]


def quantity(value, unit, code):
    """A UCUM Quantity."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


WEEKLY = {"frequency": 1, "period": 1, "periodUnit": "wk", "boundsDuration": quantity(8, "wk", "wk")}
DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}

DRUGS = [
    (
        {"vitamin_d": [vitd("15")]}, {}, "MR:ergocalciferol-50000-weekly-8", ["4018", "1367410"], "A11CC01",
        "ergocalciferol (vitamin D2) 50,000 IU (1.25 mg) oral capsule", (50000, "IU", "[iU]"), WEEKLY,
    ),
    (
        {"vitamin_d": [vitd("15")]}, {}, "MR:cholecalciferol-50000-weekly-8", ["2418"], "A11CC05",
        "cholecalciferol (vitamin D3) 50,000 IU (1.25 mg) oral capsule", (50000, "IU", "[iU]"), WEEKLY,
    ),
    (
        {"vitamin_d": [vitd("25")]}, {}, "MR:cholecalciferol-2000-daily", ["2418"], "A11CC05", "2,000 IU",
        (2000, "IU", "[iU]"), DAILY,
    ),
    (
        {"vitamin_d": [vitd("25")], **OBESE}, {}, "MR:cholecalciferol-4000-daily", ["2418"], "A11CC05", "4,000 IU",
        (4000, "IU", "[iU]"), DAILY,
    ),
    (
        {"vitamin_d": [vitd("40")], "medications": HIGH}, {}, "MR:cholecalciferol-1000-daily", ["2418"], "A11CC05",
        "1,000 IU", (1000, "IU", "[iU]"), DAILY,
    ),
    (
        {"vitamin_d": [vitd("40")], "medications": HIGH}, {"profile": "nam-2011"}, "MR:cholecalciferol-800-daily",
        ["2418"], "A11CC05", "800 IU", (800, "IU", "[iU]"), DAILY,
    ),
    (
        {"magnesium": [mg("0.7")]}, {}, "MR:magnesium-200-daily", ["6574"], "A12CC",
        "magnesium 200 mg elemental (for example citrate or oxide; read the label), oral", (200, "mg", "mg"), DAILY,
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", DRUGS, ids=[case[2] for case in DRUGS])
def test_medication_request(case):
    """Status, intent, subject, id, codes, text, dose, timing and route of every drug."""
    parts, settings, token, rxnorm, atc, text, dose, repeat = case
    resource = drafted(ask(settings, **(KNOWN | parts)), token)["resource"]
    assert (resource["resourceType"], resource["status"], resource["intent"]) == (
        "MedicationRequest",
        "draft",
        "proposal",
    )
    assert resource["subject"] == {"reference": f"Patient/{PATIENT_ID}"}
    assert resource["id"]
    concept = resource["medicationCodeableConcept"]
    codes = [(coding["system"], coding["code"]) for coding in concept["coding"]]
    assert codes == [*((RXNORM, code) for code in rxnorm), (ATC, atc)]
    assert text in concept["text"]
    dosage = resource["dosageInstruction"][0]
    assert len(resource["dosageInstruction"]) == 1
    assert dosage["doseAndRate"] == [{"doseQuantity": quantity(*dose)}]
    assert dosage["timing"]["repeat"] == repeat
    assert dosage["route"] == {"text": "oral"}


@pytest.mark.parametrize("case", DRUGS, ids=[case[2] for case in DRUGS])
def test_dispense(case):
    """Weekly courses dispense 8, daily vitamin D 90 days, magnesium 56 days; no repeats."""
    parts, settings, token, *_ = case
    dispense = drafted(ask(settings, **(KNOWN | parts)), token)["resource"]["dispenseRequest"]
    assert dispense["numberOfRepeatsAllowed"] == 0
    if "weekly" in token:
        assert dispense["quantity"]["value"] == 8
    else:
        days = 56 if "magnesium" in token else 90
        assert dispense["expectedSupplyDuration"] == quantity(days, "d", "d")


@pytest.mark.parametrize("case", DRUGS, ids=[case[2] for case in DRUGS])
def test_over_the_counter_products_are_asked_for(case):
    """The label or the patientInstruction asks about over-the-counter vitamin D and magnesium."""
    parts, settings, token, *_ = case
    action = drafted(ask(settings, **(KNOWN | parts)), token)
    told = action["resource"]["dosageInstruction"][0]["patientInstruction"]
    assert "vitamin D" in told
    assert "magnesium" in told
    assert "without a prescription" in told or "over-the-counter" in told


def test_no_order_exceeds_the_limits():
    """Section 2: no daily order above 4,000 IU, no single dose above 50,000 IU."""
    for case in DRUGS[:-1]:
        value, repeat = case[6][0], case[7]
        assert value <= (50000 if repeat is WEEKLY else 4000)
    assert WEEKLY["boundsDuration"]["value"] * 50000 == 400_000


def test_magnesium_is_taken_with_food():
    """Once daily with food."""
    resource = drafted(ask(magnesium=[mg("0.7")]), "MR:magnesium-200-daily")["resource"]
    assert "with food" in resource["dosageInstruction"][0]["text"]
    assert "with food" in resource["dosageInstruction"][0]["patientInstruction"]


@pytest.mark.parametrize(
    ("kidney", "conditions", "said"),
    [("59.9", [], True), ("30", [], True), ("60", [], False), ("90", [], False), ("90", [problem("N18.31")], True),
     ("90", [problem("N18.2")], False)],
)  # fmt: skip
def test_magnesium_in_reduced_kidney_function(kidney, conditions, said):
    """In G3 or at an eGFR of 30-59: "do not exceed 200 mg elemental a day"; recheck after 2 weeks."""
    seen = ask(magnesium=[mg("0.7")], kidney=[egfr(kidney)], conditions=conditions)
    resource = drafted(seen, "MR:magnesium-200-daily")["resource"]
    instruction = resource["dosageInstruction"][0]["patientInstruction"]
    assert ("do not exceed 200 mg elemental a day" in instruction) is said
    assert seen.suggestions("magnesium-low")[0][1] == ("SR:19123-9@2026-03-16" if said else "SR:19123-9@2026-03-30")


def test_chelators_and_kidneys_together():
    """Both sentences stand in the patientInstruction, each chelating drug with its own."""
    medications = [order("levothyroxine", "2026-01-05"), order("alendronate", "2026-01-05")]
    seen = ask(magnesium=[mg("0.7")], kidney=[egfr("50")], medications=medications)
    told = drafted(seen, "MR:magnesium-200-daily")["resource"]["dosageInstruction"][0]["patientInstruction"]
    assert "levothyroxine" in told
    assert "alendronate" in told
    assert "do not exceed 200 mg elemental a day" in told


@pytest.mark.parametrize(
    ("parts", "token"),
    [
        ({"vitamin_d": [vitd("15")]}, "SR:62292-8@2026-06-02"),
        ({"magnesium": [mg("0.7")]}, "SR:19123-9@2026-03-30"),
        ({"magnesium": [mg("0.4")]}, "SR:11524-6!urgent"),
        ({"vitamin_d": [vitd("160")]}, "SR:2777-1!urgent"),
        ({"conditions": [problem("M81.0")]}, "SR:62292-8"),
        ({"vitamin_d": [vitd("15")], "conditions": [problem("D86.9")]}, "SR:62290-2"),
    ],
)
def test_service_request(parts, token):
    """Status, intent, LOINC code, subject, priority only where urgent, a date only where stated, a reason."""
    resource = drafted(ask(**(KNOWN | parts)), token)["resource"]
    code = token[3:].split("@")[0].split("!")[0]
    assert (resource["resourceType"], resource["status"], resource["intent"]) == ("ServiceRequest", "draft", "proposal")
    assert [(c["system"], c["code"]) for c in resource["code"]["coding"]] == [(LOINC, code)]
    assert resource["subject"] == {"reference": f"Patient/{PATIENT_ID}"}
    assert resource["id"]
    assert resource.get("priority") == ("urgent" if "!" in token else None)
    assert resource.get("occurrenceDateTime") == (token.split("@")[1] if "@" in token else None)
    assert resource["reasonCode"][0]["text"]


def test_the_reason_names_the_result():
    """`reasonCode.text` names the result."""
    resource = drafted(ask(**KNOWN, vitamin_d=[vitd("15")]), "SR:62292-8@2026-06-02")["resource"]
    assert "15 ng/mL" in resource["reasonCode"][0]["text"]


def test_ids_are_unique():
    """Every draft of a response has a temporary id of its own."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.7")])
    ids = [
        action["resource"]["id"]
        for card in seen.cards
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
    ]
    assert len(ids) == len(set(ids)) == 6


def test_labels():
    """14.2: S2 says that D3 keeps levels up longer; step-down (a) says to stop the high-dose order."""
    labels = [s["label"] for s in ask(**KNOWN, vitamin_d=[vitd("15")]).card("vitamin-d-deficiency")["suggestions"]]
    assert "longer" in labels[1]
    (step_down,) = ask(**KNOWN, vitamin_d=[vitd("40")], medications=HIGH).card("vitamin-d-step-down")["suggestions"]
    assert "stop the current high-dose order" in step_down["label"]


@pytest.mark.parametrize(
    "parts",
    [
        {"vitamin_d": [vitd("15")]},
        {"vitamin_d": [vitd("15")], "magnesium": [mg("0.7")]},
        {"magnesium": [mg("0.4")]},
        {"conditions": [problem("M81.0")], "magnesium": []},
        {"calcium": [calcium("14.5")], "albumin": [albumin("4.0")]},
        {"vitamin_d": [vitd("40", day=ago(400))]},
        {"vitamin_d": [vitd("120")]},
    ],
)
def test_selection_behaviour(parts):
    """14.2: `at-most-one` with suggestions, never without; several: the first is recommended."""
    for card in ask(**(KNOWN | parts)).cards:
        suggestions = card.get("suggestions")
        assert card.get("selectionBehavior") == ("at-most-one" if suggestions else None)
        flags = [suggestion.get("isRecommended") for suggestion in suggestions or ()]
        assert flags in ([], [None], [True] + [False] * (len(flags) - 1))
