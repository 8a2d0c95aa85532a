"""Hard and soft holds (decision table, section 10) and the card that tells them (R11, 14.2)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    D2X8,
    D3X8,
    ago,
    albumin,
    ask,
    calcium,
    d2,
    d3,
    egfr,
    lab,
    mg,
    order,
    phosphate,
    problem,
    pth,
    vitd,
)  # fmt: skip

FOUR = [albumin("4.0")]
LOW = {"vitamin_d": [vitd("15")], "magnesium": [mg("0.9")]}
OLD_CALCIUM = {"calcium": [calcium("9.4", day=ago(91))]}

HARD = [
    ({"calcium": [calcium("10.6")], "albumin": FOUR}, "high calcium (10.6 mg/dL)"),
    ({"calcium": [calcium("10.6", day=ago(31))], "albumin": []}, f"high calcium (10.6 mg/dL on {ago(31)})"),
    ({"calcium": [lab("1995-0", "1.4", "mmol/L", "2026-02-10")]}, "high calcium (1.4 mmol/L)"),
    ({"calcium": [calcium("10.3")], "albumin": FOUR, "kidney": [egfr("50")]}, "high calcium (10.3 mg/dL)"),
    ({"conditions": [problem("E83.52")]}, "hypercalcaemia on the problem list"),
    ({"phosphate": [phosphate("4.7")], "kidney": [egfr("50")]}, "high phosphate in kidney disease"),
    ({"phosphate": [phosphate("4.7")], "kidney": [egfr("20")]}, "high phosphate in kidney disease"),
    ({"conditions": [problem("D86.9")]}, "granulomatous disease"),
    ({"conditions": [problem("B39.4")]}, "granulomatous disease"),
    ({"conditions": [problem("J63.2")]}, "granulomatous disease"),
    ({"conditions": [problem("A15.0")]}, "tuberculosis"),
    ({"conditions": [problem("Q93.82")]}, "Williams syndrome"),
    ({"conditions": [problem("E67.3")]}, "hypervitaminosis D on the problem list"),
    ({"conditions": [problem("E21.0")], "chemistry": []}, "primary hyperparathyroidism"),
    ({"conditions": [problem("E21.0")], **OLD_CALCIUM}, "primary hyperparathyroidism"),
    ({"conditions": [problem("C83.30")], "chemistry": []}, "lymphoma"),
    ({"conditions": [problem("C83.30")], **OLD_CALCIUM}, "lymphoma"),
]


@for_each(("parts", "reason"), HARD)
def test_hard_holds(parts, reason):
    """Each hard hold: no vitamin D order, K-HOLD with its reason, and the status card stays."""
    seen = ask(**LOW, **parts)
    assert ("G-HOLD" in seen.gates, seen.drugs) == (True, [])
    assert seen.indicator("vitamin-d-hold") == "warning"
    assert seen.summary("vitamin-d-hold") == (
        f"No vitamin D order is suggested because of {reason}: individual decision, see detail."
    )
    assert "vitamin-d-deficiency" in seen.topics


@for_each(
    "parts",
    [
        {"calcium": [calcium("10.5")], "albumin": FOUR},
        {"calcium": [calcium("10.3")], "albumin": FOUR, "kidney": [egfr("60")]},
        {"phosphate": [phosphate("4.7")]},
        {"phosphate": [phosphate("4.6")], "kidney": [egfr("50")]},
        {"conditions": [problem("D86.9", clinicalStatus="resolved")]},
        {"conditions": [problem("E21.1")]},
        {"conditions": [problem("N25.81")]},
        {"conditions": [problem("Z87.442")]},
        {"conditions": [problem("B90.9")]},
    ],
)
def test_what_is_no_hold(parts):
    """Limits not passed, resolved problems, secondary hyperparathyroidism, a stone history: orders stay."""
    seen = ask(**LOW, **parts)
    assert ("G-HOLD" in seen.gates, seen.suggestions("vitamin-d-deficiency")) == (False, [D2X8, D3X8])


ORDERED = [
    problem("C83.30"), problem("E21.0"), problem("E67.3"), problem("Q93.82"), problem("A15.0"), problem("D86.9"),
    problem("E83.52"),
]  # fmt: skip
REASONS = [
    "lymphoma", "primary hyperparathyroidism", "hypervitaminosis D on the problem list", "Williams syndrome",
    "tuberculosis", "granulomatous disease", "hypercalcaemia on the problem list",
]  # fmt: skip


@for_each("count", range(1, 8))
def test_the_first_hold_is_the_reason(count):
    """Several holds: the first of the table is the `{reason}`, the detail lists all (section 15)."""
    seen = ask(**LOW, conditions=ORDERED[:count], chemistry=[])
    assert f"because of {REASONS[count - 1]}:" in seen.summary("vitamin-d-hold")
    for reason in REASONS[:count]:
        assert reason in seen.detail("vitamin-d-hold")


def test_values_come_before_conditions():
    """High calcium first; high phosphate between hypercalcaemia by code and granulomatous disease."""
    high = {"calcium": [calcium("12")], "albumin": FOUR}
    assert "because of high calcium" in ask(**LOW, conditions=ORDERED, **high).summary("vitamin-d-hold")
    phosphates = {"phosphate": [phosphate("5")], "kidney": [egfr("50")]}
    assert "because of hypercalcaemia" in ask(**LOW, conditions=ORDERED, **phosphates).summary("vitamin-d-hold")
    assert "because of high phosphate" in ask(**LOW, conditions=ORDERED[:6], **phosphates).summary("vitamin-d-hold")


SOFT = [
    ("N20.0", "stones"),
    ("R82.994", "stones"),
    ("E21.2", "Unclear hyperparathyroidism: check calcium"),
    ("E21.3", "Unclear hyperparathyroidism: check calcium"),
    ("E21.0", "Primary hyperparathyroidism: check calcium"),
    ("C83.30", "Lymphoma: check calcium"),
]


@for_each(("code", "sentence"), SOFT)
@for_each(("value", "topic"), [("15", "vitamin-d-deficiency"), ("25", "vitamin-d-insufficiency")])
def test_soft_holds(code, sentence, value, topic):
    """The suggestion stays and a sentence is added; with calcium known normal also E21.0 and lymphoma."""
    seen = ask(vitamin_d=[vitd(value)], magnesium=[mg("0.9")], conditions=[problem(code)])
    assert (seen.gates, bool(seen.suggestions(topic))) == (set(), True)
    assert sentence in seen.detail(topic)
    assert "vitamin-d-hold" not in seen.topics


@for_each("code", ["E21.0", "C83.30"])
@for_each(("days", "hard"), [(90, False), (91, True)])
def test_calcium_known_normal_softens(code, days, hard):
    """Section 9.5: at most 90 days old."""
    parts = {"calcium": [calcium("9.4", day=ago(days))], "albumin": [], "conditions": [problem(code)]}
    assert ("G-HOLD" in ask(**LOW, **parts).gates) is hard


@for_each(
    ("parts", "labs"),
    [
        # hypercalcaemia by value or code: PTH if none in 90 days, calcium if none in 30
        ({"calcium": [calcium("12", day=ago(30))], "albumin": FOUR}, ["SR:2731-8"]),
        ({"calcium": [calcium("12", day=ago(31))], "albumin": FOUR}, ["SR:2731-8", "SR:17861-6"]),
        ({"calcium": [calcium("12")], "albumin": FOUR, "pth": [pth("50", day=ago(90))]}, []),
        ({"calcium": [calcium("12")], "albumin": FOUR, "pth": [pth("50", day=ago(91))]}, ["SR:2731-8"]),
        ({"conditions": [problem("E83.52")], "calcium": [calcium("9.4", day=ago(31))]}, ["SR:2731-8", "SR:17861-6"]),
        ({"conditions": [problem("D86.9")]}, ["SR:2731-8", "SR:62290-2"]),
        ({"conditions": [problem("B39.4")], "pth": [pth("50")]}, ["SR:62290-2"]),
        ({"conditions": [problem("A15.0")], "pth": [pth("50")]}, ["SR:62290-2"]),
        ({"conditions": [problem("C83.30")], "chemistry": []}, ["SR:2731-8", "SR:17861-6"]),
        ({"conditions": [problem("C83.30")], "calcium": [], "pth": [pth("50")]}, ["SR:17861-6"]),
        ({"conditions": [problem("E21.0")], "chemistry": []}, ["SR:17861-6"]),
        ({"conditions": [problem("E21.0")], **OLD_CALCIUM}, ["SR:17861-6"]),
        ({"conditions": [problem("Q93.82")], "chemistry": []}, []),
        ({"conditions": [problem("E67.3")], "chemistry": []}, []),
        ({"phosphate": [phosphate("5")], "kidney": [egfr("50")]}, []),
        ({"conditions": [problem("D86.9"), problem("E83.52")]}, ["SR:2731-8", "SR:62290-2"]),
    ],
)
def test_labs_of_k_hold(parts, labs):
    """14.2: the union over the hard holds."""
    assert sorted(ask(**LOW, **parts).labs("vitamin-d-hold")) == sorted(labs)


@for_each(
    ("value", "unit", "indicator"),
    [
        ("13.99", "mg/dL", "warning"),
        ("14", "mg/dL", "critical"),
        ("3.49", "mmol/L", "warning"),
        ("3.5", "mmol/L", "critical"),
    ],
)
def test_severe_hypercalcaemia(value, unit, indicator):
    """R11: from 14 | 3.5 critical."""
    assert ask(**LOW, calcium=[calcium(value, unit)], albumin=FOUR).indicator("vitamin-d-hold") == indicator


@for_each("value", ["15", "40", "120", None])
def test_severe_hypercalcaemia_whatever_25ohd_is(value):
    """R11 and 14.2: urgent calcium, creatinine and PTH; the summary names value and date."""
    results = [] if value is None else [vitd(value)]
    seen = ask(vitamin_d=results, magnesium=[mg("0.9")], calcium=[calcium("14.5")], albumin=FOUR, pth=[pth("50")])
    assert seen.suggestions("vitamin-d-hold") == [["SR:17861-6!urgent", "SR:2160-0!urgent", "SR:2731-8!urgent"]]
    assert seen.summary("vitamin-d-hold") == (
        "Calcium 14.5 mg/dL on 2026-02-10: severe hypercalcaemia. Assess urgently; stop vitamin D and calcium."
    )


def test_severe_hypercalcaemia_in_granulomatous_disease():
    """14.2: 62290-2 where it applies, urgent with the others."""
    seen = ask(**LOW, calcium=[calcium("14.5")], albumin=FOUR, conditions=[problem("D86.9")])
    assert [token.split("!")[0] for token in seen.labs("vitamin-d-hold")] == [
        "SR:17861-6", "SR:2160-0", "SR:2731-8", "SR:62290-2",
    ]  # fmt: skip


SARCOIDOSIS = [problem("D86.9")]


@for_each(
    ("parts", "card"),
    [
        ({}, False),
        ({"medications": [d3("1000")]}, False),
        ({"medications": [d3("400")]}, False),
        ({"medications": [d3("2000")]}, True),
        ({"medications": [order("cholecalciferol")]}, True),
        ({"medications": [order("calcitriol", "2026-01-05")]}, True),
        ({"medications": [d2("2025-01-01", "2025-06-01", status="completed")]}, False),
        ({"medications": [d3("1000")], **OLD_CALCIUM}, True),
        ({"medications": [d3("1000")], "chemistry": []}, True),
        ({"medications": [d3("400")], "calcium": [calcium("12")], "albumin": FOUR}, True),
        ({"calcium": [calcium("12")], "albumin": FOUR}, False),
        ({"vitamin_d": [vitd("25")]}, True),
        ({"vitamin_d": [vitd("15")], "medications": [d3("400")]}, True),
    ],
    ids=["no order", "maintenance", "supplement", "course", "unknown dose", "active", "ended", "calcium old",
         "calcium unknown", "supplement, high calcium", "no order, high calcium", "INS", "DEF"],
)  # fmt: skip
def test_when_the_card_is_added(parts, card):
    """R11: with D low or an order current, but not for conditions alone beside a normal calcium and small doses."""
    base = {"vitamin_d": [vitd("40")], "magnesium": [mg("0.9")], "conditions": SARCOIDOSIS}
    assert ("vitamin-d-hold" in ask(**(base | parts)).topics) is card


@for_each("medication", [d3("2000"), order("calcitriol", "2026-01-05")])
def test_a_hold_with_a_current_order(medication):
    """14.1: "Vitamin D is active despite {reason}"."""
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg("0.9")], conditions=SARCOIDOSIS, medications=[medication])
    assert seen.summary("vitamin-d-hold") == (
        "Vitamin D is active despite granulomatous disease: review stopping it and calcium supplements until assessed."
    )


@for_each(("value", "topic"), [("120", "vitamin-d-high"), ("160", "vitamin-d-toxicity")])
def test_high_25ohd_needs_no_hold_card(value, topic):
    """Section 15: K-HOLD joins K-DHIGH and K-DTOX only for a hard hold with a current order, or at 14 | 3.5."""
    alone = ask(vitamin_d=[vitd(value)], magnesium=[mg("0.9")])
    assert alone.topics == [topic]
    held = ask(vitamin_d=[vitd(value)], magnesium=[mg("0.9")], conditions=SARCOIDOSIS)
    assert "vitamin-d-hold" not in held.topics
    current = ask(vitamin_d=[vitd(value)], magnesium=[mg("0.9")], conditions=SARCOIDOSIS, medications=[d3("5000")])
    assert "vitamin-d-hold" in current.topics
