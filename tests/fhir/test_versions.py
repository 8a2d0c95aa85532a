"""The elements of other FHIR versions, in their order of precedence (decision table, section 9.7)."""

from __future__ import annotations

from datetime import date

from tests.support.for_each import for_each
from tests.support.patients import (
    PATIENT_ID,
    RXNORM,
    ago,
    ask,
    codings,
    dosed,
    every,
    lab_order,
    mg,
    order,
    problem,
    quantity,
    read,
    vitd,
)  # fmt: skip

OURS = {"reference": f"Patient/{PATIENT_ID}"}


def instruction(start=None):
    """2,000 IU daily, with the start of the bounds."""
    bounds = {} if start is None else {"boundsPeriod": {"start": start}}
    return dosed("2000", "[iU]", every(1, 1, "d") | bounds)


@for_each(
    ("elements", "start"),
    [
        (
            {"dosageInstruction": instruction("2026-01-03"), "authoredOn": "2026-01-02", "dateWritten": "2026-01-01"},
            "2026-01-03",
        ),
        ({"dosageInstruction": instruction(), "authoredOn": "2026-01-02", "dateWritten": "2026-01-01"}, "2026-01-02"),
        ({"dosageInstruction": instruction(), "dateWritten": "2026-01-01"}, "2026-01-01"),
        ({"authoredOn": "2026-01-02T08:00:00Z"}, "2026-01-02"),
        ({}, "None"),
    ],
)
def test_start_of_an_order(elements, start):
    """The bounds, authoredOn, dateWritten (DSTU2)."""
    (found,) = read(medications=[order("cholecalciferol", **elements)]).medications
    assert str(found.start) == start


def test_a_medication_order_of_dstu2():
    """MedicationOrder, `patient`, `dateWritten`, `doseQuantity`, `periodUnits`: intermittent D2 at a high dose."""
    resource = {
        "resourceType": "MedicationOrder",
        "status": "active",
        "patient": OURS,
        "dateWritten": "2026-01-20",
        "medicationCodeableConcept": codings("4018", system=RXNORM, display="ergocalciferol"),
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnits": "wk"}},
                "doseQuantity": quantity("50000", "[iU]"),
            }
        ],
    }
    seen = ask(vitamin_d=[vitd("40")], medications=[resource])
    assert seen.topics == ["high-dose-vitamin-d-without-magnesium", "vitamin-d-step-down"]


def test_a_medication_request_of_stu3():
    """`doseQuantity` stands directly in the instruction."""
    told = [{"timing": {"repeat": every(1, 1, "d")}, "doseQuantity": quantity("1000", "[iU]")}]
    seen = ask(
        vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[order("cholecalciferol", dosageInstruction=told)]
    )
    assert "already on 1,000 IU a day" in seen.detail("vitamin-d-deficiency")


def test_a_medication_request_of_r5():
    """`medication.concept`; intent and status as ever."""
    resource = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": OURS,
        "medication": {"concept": {"text": "calcitriol"}},
    }
    assert ask(vitamin_d=[vitd("15")], medications=[resource]).gates == {"G-AD"}


@for_each("element", ["subject", "patient"])
@for_each(
    "parts",
    [
        {"conditions": [problem("D86.9")]},
        {"medications": [order("calcitriol", "2026-01-05")]},
        {"magnesium": [mg("0.4")]},
    ],
    ids=["Condition", "MedicationRequest", "Observation"],
)
def test_subject_or_patient(element, parts):
    """`subject`, or `patient` in older versions: the resources count."""
    owned = {name: [resource | {element: OURS} for resource in listed] for name, listed in parts.items()}
    assert ask(vitamin_d=[vitd("15")], **owned).drugs == []


def test_a_condition_of_dstu2():
    """Statuses are codes, the date is `dateRecorded`: a pregnancy recorded 50 days ago."""
    resource = {
        "resourceType": "Condition",
        "patient": OURS,
        "code": codings("O09.90", system="http://hl7.org/fhir/sid/icd-10-cm"),
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "dateRecorded": ago(50),
    }
    assert "G-PREG" in ask(vitamin_d=[vitd("15")], conditions=[resource]).gates


@for_each(
    ("elements", "occurrence"),
    [
        ({"occurrenceDateTime": "2026-03-10", "occurrencePeriod": {"start": "2026-04-10"}}, "2026-03-10"),
        ({"occurrencePeriod": {"start": "2026-04-10", "end": "2026-05-01"}}, "2026-04-10"),
        ({"authoredOn": "2026-02-01"}, "None"),
    ],
)
def test_occurrence_of_a_lab_order(elements, occurrence):
    """`occurrenceDateTime`, else the start of `occurrencePeriod`."""
    (found,) = read(lab_orders=[lab_order("62292-8", **elements)]).lab_orders
    assert str(found.occurrence) == occurrence


@for_each(
    ("birth", "latest"),
    [("1980-06-15", date(1980, 6, 15)), ("1980-06", date(1980, 6, 30)), ("1980", date(1980, 12, 31)), (None, None),
     ("1980-06-15T00:00:00Z", date(1980, 6, 15)), ("15.06.1980", None), (19800615, None)],
)  # fmt: skip
def test_birth_date(birth, latest):
    """Section 9.5: a partial birth date gives the youngest possible age."""
    assert read(patient={"birthDate": birth}).birth_date == latest


@for_each(
    ("gender", "sex"),
    [("male", "male"), ("female", "female"), ("Male", "male"), ("FEMALE", "female"), ("other", None), ("unknown", None),
     ("M", None), ("", None), ({"text": "male"}, None), (None, None)],
)  # fmt: skip
def test_recorded_sex(gender, sex):
    """Section 3.5: only male and female count, in any case; a letter is not guessed."""
    assert read(patient={"gender": gender}).sex == sex


@for_each(
    ("elements", "cards"),
    [
        ({"deceasedBoolean": True}, False),
        ({"deceasedDateTime": "2026-02-25"}, False),
        ({"deceasedBoolean": "true"}, False),
        ({"deceasedBoolean": " TRUE"}, False),
        ({"deceasedDateTime": "20260225"}, False),
        ({"deceasedDateTime": 20260225}, False),
        ({"deceasedBoolean": False}, True),
        ({"deceasedBoolean": "false"}, True),
        ({"deceasedBoolean": "unknown"}, True),
        ({"deceasedBoolean": 1}, True),
        ({"deceasedDateTime": ""}, True),
        ({}, True),
    ],
)
def test_deceased(elements, cards):
    """Section 9.5: true, the word true, or dated: no cards."""
    assert bool(ask(patient=elements, vitamin_d=[vitd("15")], magnesium=[mg("0.4")]).cards) is cards
