"""Triggers for ordering 25(OH)D (decision table, section 11) and the card that asks for it."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, ask, codings, creatinine, d2, d3, egfr, lab, mg, order, problem, vitd

KNOWN = {"magnesium": [mg("0.9")]}
OBESE = {"vitals": [lab("39156-5", "31", "kg/m2")]}
SWITCH = {"obesity_trigger": True}

TRIGGERS = [
    ("1", {"conditions": [problem("E55.9")]}, "vitamin D deficiency on the problem list"),
    ("1", {"conditions": [problem("E55.0")]}, "vitamin D deficiency on the problem list"),
    ("1", {"conditions": [problem("M83.9")]}, "vitamin D deficiency on the problem list"),
    ("2", {"conditions": [problem("N18.31")]}, "chronic kidney disease"),
    ("2", {"conditions": [problem("Z99.2")]}, "chronic kidney disease"),
    ("2", {"kidney": [egfr("55", ago(20)), egfr("55", ago(110))]}, "chronic kidney disease"),
    ("4", {"conditions": [problem("K90.0")]}, "malabsorption or bariatric surgery"),
    ("4", {"conditions": [problem("K50.90")]}, "malabsorption or bariatric surgery"),
    ("4", {"conditions": [problem("Z98.84")]}, "malabsorption or bariatric surgery"),
    ("4", {"conditions": [problem("Z98.84", clinicalStatus="inactive")]}, "malabsorption or bariatric surgery"),
    ("5", {"conditions": [problem("M81.0")]}, "osteoporosis"),
    ("5", {"conditions": [problem("M80.00XA")]}, "osteoporosis"),
    ("6", {"magnesium": [mg("0.7")]}, "low magnesium"),
    ("6", {"magnesium": [mg("0.4")]}, "low magnesium"),
    ("7", {"medications": [order("phenytoin", "2026-01-05")]}, "phenytoin can lower vitamin D"),
    ("7", {"medications": [order("orlistat", "2026-01-05")]}, "orlistat can lower vitamin D"),
    ("7", {"medications": [order("prednisone", "2025-12-02")]}, "prednisone can lower vitamin D"),
]


@for_each(("number", "parts", "reason"), TRIGGERS)
def test_trigger(number, parts, reason):
    """Each trigger with 25(OH)D unknown: K-DORDER with its reason, the trace with its number."""
    seen = ask(**(KNOWN | parts))
    assert seen.d == "UNK"
    assert seen.summary("vitamin-d-order") == (
        f"No usable 25(OH)D result is available ({reason}). Consider ordering total 25(OH)D."
    )
    assert seen.suggestions("vitamin-d-order") == [["SR:62292-8"]]
    assert f"T-D {number}" in seen.steps


@for_each(
    ("settings", "offered"),
    [
        (SWITCH, True),
        ({}, False),
        (SWITCH | {"profile": "endocrine-2011"}, True),
        (SWITCH | {"profile": "nam-2011"}, True),
        (SWITCH | {"profile": "endocrine-2024"}, False),
        ({"profile": "endocrine-2024"}, False),
    ],
)
@for_each("parts", [OBESE, {"conditions": [problem("E66.9")]}], ids=["BMI", "code"])
def test_obesity_needs_its_switch(settings, offered, parts):
    """Trigger 3: only with the guidance switch, never in `endocrine-2024`."""
    seen = ask(settings, **KNOWN, **parts)
    assert ("vitamin-d-order" in seen.topics, "T-D 3" in seen.steps) == (offered, offered)


@for_each(
    "parts",
    [
        {},
        {"patient": {"gender": "female", "birthDate": "1930-01-01"}},
        {"patient": {"birthDate": "2000-01-01"}},
        OBESE,
        {"kidney": [egfr("50")]},
        {"conditions": [problem("N18.2")]},
        {"conditions": [problem("K90.0", clinicalStatus="resolved")]},
        {"conditions": [problem("E55.9", verificationStatus="refuted")]},
        {"conditions": [problem("D86.9")]},
        {"magnesium": [mg("0.8")]},
        {"magnesium": [mg("0.72", low="0.65")]},
        {"magnesium": [mg("0.7", day=ago(91))]},
        {"medications": [order("prednisone", "2025-12-03")]},
        {"medications": [order("phenytoin", "2024-01-05", status="stopped")]},
        {"medications": [order("omeprazole", "2024-01-05")]},
        {"medications": [order("ketoconazole", "2024-01-05")]},
    ],
)
def test_what_triggers_nothing(parts):
    """Never on age or sex; one eGFR, resolved or refuted problems, a stale or in-range magnesium, other drugs."""
    assert "vitamin-d-order" not in ask(**(KNOWN | parts)).topics


def test_the_first_trigger_gives_the_reason():
    """Section 11: the first that holds, in the order of the table."""
    conditions = [problem(code) for code in ("E55.9", "N18.31", "E66.9", "K90.0", "M81.0")]
    medications = [order("phenytoin", "2026-01-05")]
    reasons = []
    for skipped in range(6):
        seen = ask(SWITCH, magnesium=[mg("0.7")], conditions=conditions[skipped:], medications=medications)
        reasons.append(seen.summary("vitamin-d-order").split("(", 2)[2].split(")")[0])
    assert reasons == [
        "vitamin D deficiency on the problem list", "chronic kidney disease", "obesity",
        "malabsorption or bariatric surgery", "osteoporosis", "low magnesium",
    ]  # fmt: skip


@for_each(
    ("result", "topics"),
    [
        (vitd("40"), []),
        (vitd("40", day=ago(366)), []),
        (vitd("15", day=ago(366)), ["vitamin-d-stale"]),
        (vitd("15", "furlong"), ["unusable-result"]),
        (vitd("15", status="entered-in-error"), ["vitamin-d-order"]),
    ],
)
def test_only_an_unknown_25ohd_is_ordered(result, topics):
    """Section 11: only when D = UNK; a stale or undetermined one is another matter."""
    assert ask(**KNOWN, vitamin_d=[result], conditions=[problem("M81.0")]).topics == topics


@for_each(
    ("parts", "suggestions"),
    [
        ({"magnesium": []}, [["SR:62292-8", "SR:19123-9"], ["SR:62292-8"]]),
        ({"magnesium": [mg("0.9", day=ago(366))]}, [["SR:62292-8", "SR:19123-9"], ["SR:62292-8"]]),
        ({"magnesium": [mg("0.9")]}, [["SR:62292-8"]]),
        ({"magnesium": [], "conditions": [problem("Z99.2")]}, [["SR:62292-8"]]),
        ({"magnesium": [], "medications": [order("tacrolimus", "2026-01-05")]}, [["SR:62292-8"]]),
    ],
    ids=["unknown", "stale", "known", "dialysis", "wasting drug"],
)
def test_both_tests_are_offered(parts, suggestions):
    """R5 (e): with magnesium unknown and nobody else asking, "check both" first; never on dialysis."""
    seen = ask(**({"conditions": [problem("M81.0")]} | parts))
    assert seen.suggestions("vitamin-d-order") == suggestions


def test_an_order_dated_by_a_running_course():
    """R2: with D = UNK and a course before month 3 the order is dated S + 3 months."""
    seen = ask(**KNOWN, conditions=[problem("M81.0")], medications=[d3("2000", "2026-01-15")])
    assert seen.suggestions("vitamin-d-order") == [["SR:62292-8@2026-04-15"]]


def test_a_course_past_month_3_is_r1s_business():
    """Section 11: then K-RECHECK, not K-DORDER."""
    seen = ask(**KNOWN, conditions=[problem("M81.0")], medications=[d3("2000", "2025-06-01")])
    assert seen.topics == ["vitamin-d-recheck"]


def test_a_pending_total_is_not_unknown_news():
    """Section 17: a preliminary 25(OH)D takes the card away."""
    pending = vitd("15", status="preliminary", day=ago(5))
    assert ask(**KNOWN, vitamin_d=[pending], conditions=[problem("M81.0")]).topics == []


def test_only_1_25_dihydroxyvitamin_d_without_a_trigger():
    """Section 3.3: 1,25(OH)2D alone asks for nothing."""
    assert ask(**KNOWN, vitamin_d=[lab("62290-2", "48", "pg/mL")]).topics == []


def test_computed_kidney_function_makes_ckd_known():
    """Section 9.4: two computed eGFR below 60, 90 days apart, are CKD known: trigger 2."""
    results = [creatinine("3.0", day=ago(20)), creatinine("3.0", day=ago(110))]
    assert "T-D 2" in ask(**KNOWN, kidney=results).steps


def test_snomed_alone_triggers():
    """Section 8: a SNOMED CT code is a code like another."""
    deficiency = problem(None, code=codings("34713006", system="http://snomed.info/sct"))
    assert "T-D 1" in ask(**KNOWN, conditions=[deficiency]).steps


def test_an_ended_course_and_no_result():
    """R1 needs an indication, a high dose or a low result: a course alone leaves K-DORDER to its triggers."""
    medications = [d2("2025-11-03", "2025-12-29", status="completed")]
    assert ask(**KNOWN, medications=medications).topics == []
