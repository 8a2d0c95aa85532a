"""Which conditions count, and what a condition's text may do (decision table, section 8)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ICD, SNOMED, ago, ask, codings, d3, derive, egfr, mg, order, problem, read, vitd


def concepts(*conditions):
    """The concept and sub-group of each condition that belongs to a value set."""
    return [(found.concept, found.group) for found in read(conditions=list(conditions)).conditions]


def as_concept(code):
    """R4: a CodeableConcept."""
    return None if code is None else codings(code, system="http://terminology.hl7.org/CodeSystem/condition-clinical")


def as_code(code):
    """DSTU2 and STU3: a code."""
    return code


def as_text(code):
    """A CodeableConcept with a text alone."""
    return None if code is None else {"text": code}


CLINICAL = [("active", True), ("recurrence", True), ("relapse", True), ("inactive", False), ("remission", False),
            ("resolved", False), (None, True), ("Active", True), ("RESOLVED", False), ("unknown", True)]  # fmt: skip
VERIFICATION = [("confirmed", True), ("provisional", True), ("differential", True), ("unconfirmed", True), (None, True),
                ("refuted", False), ("entered-in-error", False), ("Entered-in-Error", False)]  # fmt: skip


@for_each("shape", [as_concept, as_code, as_text])
@for_each(("status", "counts"), CLINICAL)
def test_clinical_status(status, counts, shape):
    """Section 8: active, recurrence and relapse count; a missing one counts as active, and one that is not known."""
    conditions = [problem("D86.9", clinicalStatus=shape(status))]
    assert derive(conditions=conditions).problems.has("granulomatous") is counts


@for_each("shape", [as_concept, as_code, as_text])
@for_each(("status", "counts"), VERIFICATION)
def test_verification_status(status, counts, shape):
    """Section 8: refuted and entered-in-error never count."""
    conditions = [problem("D86.9", verificationStatus=shape(status))]
    assert derive(conditions=conditions).problems.has("granulomatous") is counts


@for_each(
    "abated",
    [{"abatementDateTime": "2024-01-01"}, {"abatementBoolean": True}, {"abatementString": "last year"},
     {"abatementPeriod": {"end": "2024-01-01"}}, {"abatementAge": {"value": 30}}],
)  # fmt: skip
def test_an_abated_condition_without_a_status_does_not_count(abated):
    """Section 8: missing and not abated counts as active; abated does not."""
    conditions = [problem("D86.9", clinicalStatus=None, **abated)]
    assert not derive(conditions=conditions).problems.has("granulomatous")


@for_each("status", ["inactive", "resolved", "remission"])
@for_each(
    ("code", "concept", "counts"),
    [("Z98.84", "malabsorption", True), ("Z94.0", "transplant", True), ("T86.11", "transplant", True),
     ("Q93.82", "williams", True), ("K90.0", "malabsorption", False), ("D86.9", "granulomatous", False),
     ("N18.4", "ckd", False), ("E83.52", "hypercalcaemia", False)],
)  # fmt: skip
def test_inactive_ones_that_count(code, concept, counts, status):
    """Section 8: bariatric surgery, transplant and Williams syndrome count even when inactive."""
    conditions = [problem(code, clinicalStatus=as_concept(status))]
    assert derive(conditions=conditions).problems.has(concept) is counts


def test_a_refuted_one_never_counts():
    """Section 8: also not one that counts when inactive."""
    conditions = [problem("Z98.84", verificationStatus=as_concept("refuted"))]
    assert not derive(conditions=conditions).problems.has("malabsorption")


@for_each(
    ("dates", "counts"),
    [
        ({"onsetDateTime": ago(90)}, True),
        ({"onsetDateTime": ago(91)}, False),
        ({"onsetDateTime": ago(900), "recordedDate": ago(90)}, True),
        ({"onsetDateTime": ago(900), "recordedDate": ago(91)}, False),
        ({"onsetDateTime": ago(900), "abatementDateTime": ago(90)}, True),
        ({"onsetDateTime": ago(900), "abatementPeriod": {"end": ago(90)}}, True),
        ({"onsetDateTime": ago(900), "abatementDateTime": ago(91)}, False),
        ({"onsetDateTime": ago(900), "assertedDate": ago(90)}, True),
        ({"onsetDateTime": ago(900), "dateRecorded": ago(90)}, True),
        ({"onsetDateTime": None}, False),
    ],
)
def test_inactive_dialysis(dates, counts):
    """Sections 8 and 9.7: inactive dialysis counts when its latest date is at most 90 days ago."""
    conditions = [problem("Z99.2", clinicalStatus=as_concept("resolved"), **dates)]
    assert derive(conditions=conditions).kidney.dialysis is counts


@for_each(
    ("dates", "day"),
    [
        ({"onsetDateTime": "2025-05-01", "recordedDate": "2025-06-01"}, "2025-05-01"),
        ({"onsetDateTime": None, "onsetPeriod": {"start": "2025-05-02"}, "recordedDate": "2025-06-01"}, "2025-05-02"),
        ({"onsetDateTime": None, "recordedDate": "2025-06-01", "assertedDate": "2025-07-01"}, "2025-06-01"),
        ({"onsetDateTime": None, "assertedDate": "2025-07-01", "dateRecorded": "2025-08-01"}, "2025-07-01"),
        ({"onsetDateTime": None, "dateRecorded": "2025-08-01"}, "2025-08-01"),
        ({"onsetDateTime": None}, "None"),
    ],
)
def test_date_of_a_condition(dates, day):
    """Section 9.7: onset, recordedDate, assertedDate (STU3), dateRecorded (DSTU2)."""
    (found,) = read(conditions=[problem("O09.90", **dates)]).conditions
    assert str(found.day) == day


def said(text, day="2024-01-10", **elements):
    """A Condition that has only a text."""
    return problem(None, day, code={"text": text} | elements)


@for_each(
    ("text", "concept"),
    [
        ("Sarcoidosis of lung", "granulomatous"),
        ("CHRONIC KIDNEY DISEASE, STAGE 4", "ckd"),
        ("On hemodialysis", "dialysis"),
        ("kidney transplant recipient", "transplant"),
        ("acute kidney injury", "aki"),
        ("Hypercalcemia", "hypercalcaemia"),
        ("Myasthenia gravis", "myasthenia"),
        ("Complete heart block", "heart-block"),
        ("Primary hyperparathyroidism", "primary-hyperparathyroidism"),
        ("follicular lymphoma", "lymphoma"),
        ("Pregnancy", "pregnancy"),
        ("tuberculosis", "tuberculosis"),
        ("Williams syndrome", "williams"),
        ("kidney stone", "vitd-soft-hold"),
    ],
)
def test_condition_text(text, concept):
    """Section 8: a whole phrase for each concept, any case."""
    assert concept in dict(concepts(said(text)))


@for_each(
    "text",
    ["History of sarcoidosis", "Family history: sarcoidosis", "past sarcoidosis", "No sarcoidosis",
     "risk of sarcoidosis", "screening for sarcoidosis", "Rule out sarcoidosis", "no evidence of sarcoidosis",
     "neurosarcoidosislike"],
)  # fmt: skip
def test_refused_text(text):
    """Section 8: history, family, past, no, risk, screening and rule out are refused; so is a part of a word."""
    assert concepts(said(text)) == []


@for_each(
    ("coded", "expected"),
    [
        (codings("R69", system=ICD)["coding"], []),
        (codings("404684003", system=SNOMED)["coding"], []),
        (codings("X1", system="http://hospital.example/codes")["coding"], [("granulomatous", "sarcoidosis")]),
        (
            codings("X1", system="http://hospital.example/codes", display="Sarcoidosis")["coding"],
            [("granulomatous", "sarcoidosis")],
        ),
    ],
    ids=["ICD-10", "SNOMED CT", "local", "local with display"],
)
def test_text_is_read_only_without_codes(coded, expected):
    """Section 8: text is read only where there is no ICD-10 and no SNOMED CT code, known or not."""
    assert list(dict.fromkeys(concepts(said("sarcoidosis", coding=coded)))) == expected


@for_each(
    "text",
    ["Vitamin D deficiency", "osteomalacia", "Chronic kidney disease stage 3", "obesity", "celiac disease",
     "gastric bypass", "osteoporosis", "hypomagnesemia"],
)  # fmt: skip
def test_text_never_triggers(text):
    """Section 8: a text match is no trigger T-D."""
    assert ask({"obesity_trigger": True}, magnesium=[mg("0.9")], conditions=[said(text)]).topics == []


@for_each(
    "text", ["osteoporosis", "vitamin D deficiency", "celiac disease", "chronic kidney disease stage 3",
             "hypoparathyroidism", "hypocalcemia"],
)  # fmt: skip
def test_text_is_no_established_indication(text):
    """Section 8: nor an established indication: 15 ng/mL stays without a band in `endocrine-2024`."""
    assert ask({"profile": "endocrine-2024"}, vitamin_d=[vitd("15")], conditions=[said(text)]).d == "NOBAND"


@for_each(
    "text",
    ["hypoparathyroidism", "DiGeorge syndrome", "kidney transplant", "dialysis", "chronic kidney disease stage 4"],
)
def test_text_is_no_indication_for_active_vitamin_d(text):
    """Section 8: nor a legitimate indication in R7."""
    seen = ask(vitamin_d=[vitd("15")], medications=[order("calcitriol", "2026-01-01")], conditions=[said(text)])
    assert "active-vitamin-d-misuse" in seen.topics


@for_each(
    ("text", "gate"),
    [("sarcoidosis", "G-HOLD"), ("on dialysis", "G-KID"), ("kidney transplant", "G-KID"), ("pregnancy", "G-PREG"),
     ("chronic kidney disease stage 4", "G-MG"), ("acute kidney injury", "G-MG"), ("myasthenia gravis", "G-MG"),
     ("complete heart block", "G-MG")],
)  # fmt: skip
def test_text_closes_gates(text, gate):
    """Section 8: a text match may close a gate."""
    assert gate in ask(vitamin_d=[vitd("15")], magnesium=[mg("0.7")], conditions=[said(text, day=None)]).gates


def test_text_never_opens_a_gate():
    """Section 8: a pacemaker known from its text alone does not open G-MG in heart block."""
    conditions = [problem("I44.2"), said("cardiac pacemaker in situ")]
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.7")], conditions=conditions)
    assert ("G-MG", "gate.G-MG.heart-block") in seen.closed


def test_text_of_ckd_is_not_ckd_known():
    """Sections 8 and 9.4: CKD known needs a code or two eGFR; the gate closes all the same."""
    found = derive(kidney=[], conditions=[said("chronic kidney disease stage 3")]).kidney
    assert (found.ckd3, found.ckd_known) == (True, False)
    assert not derive(kidney=[egfr("50")], conditions=[said("CKD stage 3")]).kidney.ckd_known


def test_a_text_may_add_a_sentence():
    """Section 8: malabsorption by its text adds its sentence (R17) and no trigger."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], conditions=[said("celiac disease")])
    assert "two to three times" in seen.detail("vitamin-d-deficiency")


def test_a_code_of_no_value_set_changes_nothing():
    """Section 8: other conditions are left out."""
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg("0.9")], conditions=[problem("I10"), problem("J45.909")])
    assert (concepts(problem("I10")), seen.topics) == ([], [])


def test_conditions_do_not_touch_current_orders():
    """A stopped course and a condition that has ended leave the answer as it is."""
    medications = [d3("2000", "2024-01-01", status="stopped")]
    conditions = [problem("D86.9", clinicalStatus=as_concept("resolved"))]
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg("0.9")], medications=medications, conditions=conditions)
    assert seen.topics == []
