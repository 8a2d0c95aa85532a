"""What a drafted order contains (decision table, section 16), read from the response."""

from __future__ import annotations

from typing import Any

from tests.support.for_each import for_each
from tests.support.patients import (
    LOINC,
    PATIENT_ID,
    ask,
    d3,
    egfr,
    mg,
    order,
    problem,
    vitd,
)  # fmt: skip

KNOWN = {"magnesium": [mg("0.9")]}
HIGH = [d3("5000", "2025-06-01")]


def drafted(seen, token):
    """The first drafted order of the response that is *token*."""
    found: dict[str, Any] = {}
    for card, (_, _, suggestions) in zip(seen.cards, seen.outline, strict=True):
        for suggestion, listed in zip(card.get("suggestions", ()), suggestions, strict=True):
            for action, name in zip(suggestion["actions"], listed, strict=True):
                found.setdefault(name, action)
    return found[token]


@for_each(
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


@for_each(
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


D_RECHECK = "recheck 25(OH)D 2026-06-02"


@for_each(
    ("parts", "topic", "labels"),
    [
        ({**KNOWN, "vitamin_d": [vitd("15")]}, "vitamin-d-deficiency",
         [f"D2 50,000 IU weekly x 8; {D_RECHECK}", f"D3 50,000 IU weekly x 8 (lasts longer); {D_RECHECK}"]),
        ({"vitamin_d": [vitd("25")], "magnesium": []}, "vitamin-d-insufficiency",
         [f"D3 2,000 IU daily; {D_RECHECK}; Mg test now"]),
        ({**KNOWN, "vitamin_d": [vitd("40")], "medications": HIGH}, "vitamin-d-step-down",
         [f"Stop the high dose; D3 1,000 IU daily; {D_RECHECK}"]),
        ({"magnesium": [mg("0.7")], "calcium": [], "potassium": []}, "magnesium-low",
         ["Magnesium 200 mg daily; recheck 2026-03-30; test potassium, calcium", "Test potassium, calcium"]),
        ({"magnesium": [mg("0.9")], "vitamin_d": [vitd("15")]}, "magnesium-adjunct",
         ["Magnesium 200 mg daily for 8 weeks (optional adjunct)"]),
        ({"magnesium": [mg("0.4")]}, "magnesium-severe-low",
         ["Urgent: ECG, potassium, calcium, creatinine, magnesium"]),
        ({"conditions": [problem("M81.0")], "vitamin_d": [], "magnesium": []}, "vitamin-d-order",
         ["Both: 25(OH)D and magnesium", "25(OH)D alone"]),
        ({**KNOWN, "vitamin_d": [vitd("120")], "calcium": []}, "vitamin-d-high", ["Test calcium"]),
    ],
    ids=["S1, S2", "with magnesium", "step-down", "low magnesium", "adjunct", "urgent", "both", "any other"],
)  # fmt: skip
def test_labels(parts, topic, labels):
    """14.2: each label by its row of the table, the deciding word first."""
    assert [suggestion["label"] for suggestion in ask(**parts).card(topic)["suggestions"]] == labels
