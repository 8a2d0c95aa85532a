"""Gates (decision table, section 10): each one open and closed, its reason, and what it takes away."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    D2X8,
    D3X8,
    MG_LOW,
    MG_ORDER,
    ago,
    albumin,
    ask,
    calcium,
    d2,
    d3,
    egfr,
    mg,
    order,
    problem,
    vitd,
)  # fmt: skip

WOMAN = {"gender": "female", "birthDate": "1990-06-15"}
VERY_LOW = {"calcium": [calcium("7.4")], "albumin": [albumin("4.0")]}
LOW_BOTH = {"vitamin_d": [vitd("15")], "magnesium": [mg("0.7")]}


def unresolved():
    """An order whose drug cannot be known."""
    found = order("", "2026-01-05") | {"medicationReference": {"reference": "Medication/404"}}
    del found["medicationCodeableConcept"]
    return found


COURSE = [
    ("G-ADULT", {"patient": {"birthDate": None}}, "age under 18, or unknown"),
    ("G-PREG", {"patient": WOMAN, "conditions": [problem("O09.90", ago(50))]}, "pregnancy"),
    ("G-HOLD", {"conditions": [problem("D86.9")]}, "granulomatous disease"),
    ("G-KID", {"kidney": [egfr("14.9")]}, "kidney failure, dialysis or transplant: specialist decision"),
    ("G-KID", {"conditions": [problem("Z99.2")]}, "kidney failure, dialysis or transplant: specialist decision"),
    ("G-KID", {"conditions": [problem("Z94.0")]}, "kidney failure, dialysis or transplant: specialist decision"),
    ("G-SEV", {"magnesium": [mg("0.4")]}, "severe hypomagnesaemia first"),
    ("G-SEV", {"magnesium": [mg("0.4", day=ago(91))]}, "severe hypomagnesaemia first"),
    ("G-SEV", {"magnesium": [mg("0.9", "furlong"), mg("0.4", day=ago(30))]}, "severe hypomagnesaemia first"),
    ("G-AD", {"medications": [order("calcitriol", "2026-01-05")]}, "active vitamin D is already ordered"),
    ("G-DUP(D)", {"medications": [d3("1000")]}, "already on 1,000 IU a day: review the dose"),
    ("G-DUP(D)", {"medications": [d3("2000")]}, "such a product is already ordered"),
    ("G-DUP(D)", {"medications": [unresolved()]}, "could not be identified"),
]


@for_each(("gate", "parts", "reason"), COURSE)
def test_gates_of_a_course(gate, parts, reason):
    """Each gate closed: no vitamin D order, and K-DDEF names the gate's reason (section 15)."""
    seen = ask(**({"vitamin_d": [vitd("15")], "magnesium": [mg("0.9")]} | parts))
    assert gate in seen.gates
    assert not [drug for drug in seen.drugs if "magnesium" not in drug]
    assert reason in seen.detail("vitamin-d-deficiency")


def test_every_gate_open():
    """The common patient: no gate closed, every order offered."""
    seen = ask(**LOW_BOTH)
    assert seen.gates == set()
    assert (seen.suggestions("vitamin-d-deficiency"), seen.suggestions("magnesium-low")) == ([D2X8, D3X8], [MG_LOW])


@for_each(
    "parts",
    [
        {"patient": {"birthDate": "2008-03-02"}},
        {"patient": WOMAN},
        {"patient": WOMAN, "conditions": [problem("O09.90", ago(300))]},
        {"chemistry": []},
        {"kidney": []},
        {"kidney": [egfr("15")]},
        {"kidney": [egfr("50")]},
        {"magnesium": [mg("0.5")]},
        {"magnesium": []},
        {"calcium": [calcium("7.5")], "albumin": [albumin("4.0")]},
        {"medications": [d3("799")]},
        {"medications": [order("calcitriol", "2025-01-01", status="completed")]},
        {"conditions": [problem("N17.9")]},
        {"conditions": [problem("G70.00")]},
    ],
    ids=["18 today", "woman", "old pregnancy", "no calcium", "no eGFR", "G4", "G3", "LOW", "no magnesium",
         "calcium 7.5", "supplement", "ended calcitriol", "acute kidney failure", "myasthenia"],
)  # fmt: skip
def test_a_course_is_offered(parts):
    """Just inside every gate of the vitamin D course."""
    offered = ask(**(LOW_BOTH | parts)).suggestions("vitamin-d-deficiency")
    assert [suggestion[:2] for suggestion in offered] == [D2X8, D3X8]


def test_a_very_low_calcium_closes_every_order():
    """G-CA: with D = DEF it is the urgent row of the map, and nothing is drafted."""
    seen = ask(**LOW_BOTH, **VERY_LOW)
    assert (seen.drugs, {"G-CA", "G-MG"} <= seen.gates) == ([], True)
    assert [line[1] for line in seen.outline[:2]] == ["critical", "critical"]


def test_calcium_must_be_known_in_ckd():
    """G-HOLD: in CKD3+ calcium must be known; outside an absent one does not close it; it raises no K-HOLD (15)."""
    in_ckd = ask(**LOW_BOTH, chemistry=[], kidney=[egfr("50")])
    assert ("G-HOLD", "gate.G-HOLD.calcium-unknown") in in_ckd.closed
    assert "vitamin-d-hold" not in in_ckd.topics
    assert ask(**LOW_BOTH, chemistry=[]).gates == set()


@for_each("value", ["120", "160"])
def test_high_25ohd_closes_the_hold_gate(value):
    """G-HOLD: D is not HIGH or TOX."""
    assert ("G-HOLD", "gate.G-HOLD.vitamin-d-high") in ask(vitamin_d=[vitd(value)]).closed


MAGNESIUM = [
    ({"kidney": []}, "gate.G-MG.egfr", "renal function unknown"),
    ({"kidney": [egfr("29.9")]}, "gate.G-MG.stage", "CKD G4 or G5"),
    ({"conditions": [problem("N18.5")]}, "gate.G-MG.stage", "CKD G4 or G5"),
    ({"conditions": [problem("N17.9")]}, "gate.G-MG.aki", "acute kidney failure"),
    ({"conditions": [problem("N19")]}, "gate.G-MG.aki", "acute kidney failure"),
    ({"vitamin_d": [vitd("160")]}, "gate.G-MG.toxic", "vitamin D toxicity"),
    ({"conditions": [problem("G70.01")]}, "gate.G-MG.myasthenia", "myasthenia gravis"),
    ({"conditions": [problem("I44.2")]}, "gate.G-MG.heart-block", "heart block without a pacemaker"),
    ({"magnesium": [mg("<0.75")]}, "gate.G-MG.open", "may be severe"),
    ({"medications": [order("raltegravir 400 MG", "2026-01-05")]}, "gate.G-MG.raltegravir", "raltegravir"),
]


@for_each(("parts", "key", "reason"), MAGNESIUM)
def test_gate_of_magnesium(parts, key, reason):
    """G-MG: every reason; K-MGLOW without an order names it."""
    seen = ask(**({"magnesium": [mg("0.7")]} | parts))
    assert (("G-MG", key) in seen.closed, seen.drugs) == (True, [])
    assert reason in seen.detail("magnesium-low")


@for_each("code", ["Z99.2", "N18.6"])
def test_dialysis_closes_the_magnesium_gate(code):
    """G-MG on dialysis: the stage already says G5; dialysis stands beside it."""
    seen = ask(magnesium=[mg("0.7")], conditions=[problem(code)])
    assert (("G-MG", "gate.G-MG.dialysis") in seen.closed, seen.drugs) == (True, [])


@for_each(
    "parts",
    [
        {"kidney": [egfr("30")]},
        {"conditions": [problem("I44.2"), problem("Z95.0")]},
        {"conditions": [problem("I44.2"), problem("Z95.810")]},
        {"conditions": [problem("I44.0")]},
        {"conditions": [problem("N17.9", clinicalStatus="resolved")]},
        {"vitamin_d": [vitd("120")]},
        {"medications": [order("dolutegravir", "2026-01-05")]},
        {"medications": [order("raltegravir", "2024-01-05", status="completed")]},
        {"chemistry": []},
    ],
    ids=["G3", "pacemaker", "defibrillator", "first degree", "resolved", "HIGH", "dolutegravir", "ended", "no calcium"],
)
def test_magnesium_is_offered(parts):
    """Just inside G-MG."""
    assert MG_ORDER in ask(**({"magnesium": [mg("0.7")]} | parts)).drugs


@for_each(
    ("text", "elements", "closed"),
    [
        ("magnesium oxide 400 MG", {}, True),
        ("Milk of Magnesia", {}, True),
        ("magnesium citrate", {"status": "draft"}, True),
        ("magnesium oxide", {"status": "completed"}, False),
        ("esomeprazole magnesium", {}, False),
        ("choline magnesium trisalicylate", {}, False),
    ],
)
def test_duplicate_magnesium(text, elements, closed):
    """G-DUP(Mg): a current or draft magnesium product."""
    seen = ask(magnesium=[mg("0.7")], medications=[order(text, "2026-01-05", **elements)])
    assert (("G-DUP(Mg)" in seen.gates), (MG_ORDER in seen.drugs)) == (closed, not closed)


@for_each(
    ("parts", "gate"),
    [
        ({"patient": {"birthDate": None}}, "G-ADULT"),
        ({"patient": WOMAN, "conditions": [problem("Z33.1", ago(9))]}, "G-PREG"),
        ({"medications": [unresolved()]}, "G-DUP(Mg)"),
    ],
)
def test_other_gates_of_magnesium(parts, gate):
    """K-MGLOW: also age, pregnancy, and a drug that cannot be identified."""
    seen = ask(magnesium=[mg("0.7")], **parts)
    assert (gate in seen.gates, seen.drugs) == (True, [])
    assert seen.summary("magnesium-low").endswith("no magnesium order is suggested, see detail.")


def test_holds_do_not_close_the_magnesium_gate():
    """K-MGLOW reads neither G-HOLD nor G-KID: sarcoidosis and a transplant leave its order."""
    conditions = [problem("D86.9"), problem("Z94.0")]
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.7")], conditions=conditions)
    assert seen.drugs == [MG_ORDER]


@for_each(
    ("kidney", "conditions", "offered"),
    [("60", [], True), ("59.9", [], False), ("95", [problem("N18.31")], False), ("95", [problem("N18.2")], True)],
)
@for_each(("value", "elements"), [("0.9", {}), ("0.8", {}), ("0.72", {"low": "0.65"})])
def test_gate_of_the_adjunct(kidney, conditions, offered, value, elements):
    """R16: an eGFR of 60 or more and no CKD3+, for NORM, LAT and LOW inside the laboratory's range."""
    result = mg(value, **elements)
    seen = ask(vitamin_d=[vitd("15")], magnesium=[result], kidney=[egfr(kidney)], conditions=conditions)
    assert (MG_ORDER in seen.drugs) is offered
    assert "MR:ergocalciferol-50000-weekly-8" in seen.drugs


@for_each(
    ("days", "offered"),
    [(365, True), (366, False)],
)
def test_an_adjunct_needs_a_fresh_egfr(days, offered):
    """R16: "none on file" is not enough: the eGFR must be known and fresh."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], kidney=[egfr("90", ago(days))])
    assert (MG_ORDER in seen.drugs) is offered


def test_step_down_needs_no_duplicate_gate():
    """K-DMAINT (a): a running high-dose order does not close its own step-down."""
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg("0.9")], medications=[d3("5000", "2025-11-01")])
    assert seen.suggestions("vitamin-d-step-down") == [["MR:cholecalciferol-1000-daily", "SR:62292-8@2026-06-02"]]


@for_each(("gate", "parts", "reason"), COURSE[:2] + COURSE[3:10])
def test_gates_of_a_step_down(gate, parts, reason):
    """K-DMAINT (a): every other gate of the course closes it."""
    medications = [d3("5000", "2025-11-01"), *parts.get("medications", [])]
    base = {"vitamin_d": [vitd("40")], "magnesium": [mg("0.9")]}
    seen = ask(**(base | parts | {"medications": medications}))
    assert gate in seen.gates
    assert seen.drugs == []
    assert reason in seen.detail("vitamin-d-step-down")
    assert "Maintain with" not in seen.detail("vitamin-d-step-down")


def test_every_closed_gate_is_listed():
    """Section 15: K-DDEF lists each closed gate; K-MGLOW the first reason of G-MG and the other gates."""
    conditions = [problem("D86.9"), problem("Z94.0"), problem("G70.00"), problem("N17.9")]
    medications = [d2("2026-02-25"), order("magnesium oxide", "2026-01-05"), order("calcitriol", "2026-01-05")]
    seen = ask(
        vitamin_d=[vitd("15", day="2026-02-20")], magnesium=[mg("0.7")], conditions=conditions, medications=medications
    )
    assert "vitamin-d-too-soon" in seen.topics
    detail = seen.detail("magnesium-low")
    assert "acute kidney failure" in detail
    assert "myasthenia" not in detail
    assert "a magnesium product is already ordered" in detail
