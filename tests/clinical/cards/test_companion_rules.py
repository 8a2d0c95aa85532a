"""R7 to R10 and R12, and the labs of K-DHIGH and K-DTOX (decision table, sections 13 and 14.2)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    D2X8,
    D3_2000,
    D3_4000,
    D3X8,
    ago,
    albumin,
    ask,
    calcium,
    d2,
    d3,
    dosed,
    egfr,
    lab,
    mg,
    order,
    problem,
    vitd,
    weekly,
)  # fmt: skip

KNOWN = {"magnesium": [mg("0.9")]}
CALCITRIOL = order("calcitriol", "2026-01-05")
TWO_EGFR = [egfr("50", ago(20)), egfr("50", ago(200))]


@for_each(
    ("parts", "card"),
    [
        ({}, True),
        ({"kidney": [egfr("50")]}, False),
        ({"conditions": [problem("N18.31")]}, False),
        ({"kidney": [egfr("60")]}, True),
        ({"conditions": [problem("N18.2")]}, True),
        ({"conditions": [problem("Z99.2")]}, False),
        ({"conditions": [problem("Z94.0")]}, False),
        ({"conditions": [problem("N25.81")]}, False),
        ({"conditions": [problem("E20.9")]}, False),
        ({"conditions": [problem("E83.31")]}, False),
        ({"conditions": [problem("E83.51")]}, False),
        ({"conditions": [problem("D82.1")]}, False),
        ({"conditions": [problem("E21.1")]}, True),
        ({"conditions": [problem("E21.3")]}, True),
        ({"calcium": [calcium("8.49")], "albumin": [albumin("4.0")]}, False),
        ({"calcium": [calcium("8.5")], "albumin": [albumin("4.0")]}, True),
        ({"calcium": [calcium("2.11", "mmol/L")], "albumin": [albumin("40", "g/L")]}, False),
        ({"conditions": [problem("M81.0")]}, True),
        ({"conditions": [problem("M81.0")], "medications": [order("alfacalcidol", "2026-01-05")]}, False),
        ({"conditions": [problem("M80.00XA")], "medications": [order("eldecalcitol", "2026-01-05")]}, False),
        ({"medications": [order("alfacalcidol", "2026-01-05")]}, True),
        ({"medications": [order("calcitriol", "2025-01-05", status="completed")]}, False),
        ({"medications": [d3("2000", "2026-02-25")]}, False),
    ],
)
def test_r7_indication(parts, card):
    """R7: active vitamin D without a legitimate indication; secondary hyperparathyroidism is none."""
    base = {"vitamin_d": [vitd("15")], **KNOWN, "medications": [CALCITRIOL]}
    assert ("active-vitamin-d-misuse" in ask(**(base | parts)).topics) is card


@for_each(
    ("results", "card"),
    [([vitd("15")], True), ([vitd("25")], True), ([], True), ([vitd("40")], False), ([vitd("120")], False),
     ([vitd("15", day=ago(366))], False), ([vitd("15", "furlong")], False)],
)  # fmt: skip
def test_r7_state(results, card):
    """R7: with D = DEF, INS or UNK."""
    seen = ask(vitamin_d=results, **KNOWN, medications=[CALCITRIOL])
    assert ("active-vitamin-d-misuse" in seen.topics) is card


def test_r7_card():
    """R7: a warning that names the drug; calcium if none in 30 days; the course is closed with or without a reason."""
    seen = ask(vitamin_d=[vitd("15")], **KNOWN, medications=[CALCITRIOL], calcium=[calcium("9.4", day=ago(31))])
    assert seen.outline[0] == ["active-vitamin-d-misuse", "warning", [["SR:17861-6"]]]
    assert seen.summary("active-vitamin-d-misuse") == (
        "Calcitriol does not treat low 25(OH)D. Check its indication and calcium before any change."
    )
    indicated = ask(vitamin_d=[vitd("15")], **KNOWN, medications=[CALCITRIOL], conditions=[problem("E20.9")])
    assert (indicated.gates, indicated.drugs) == ({"G-AD"}, [])


def low_d2(start):
    """Ergocalciferol 5,000 IU weekly: intermittent, neither a course nor a high dose."""
    return order("ergocalciferol", start, dosageInstruction=dosed("5000", "[iU]", weekly()))


@for_each(
    ("parts", "card"),
    [
        ({"medications": [low_d2(ago(85))]}, True),
        ({"medications": [low_d2(ago(84))]}, False),
        ({"medications": [low_d2(None)]}, False),
        ({"medications": [low_d2(ago(85))], "vitamin_d": [vitd("15")]}, True),
        ({"medications": [low_d2(ago(85))], "vitamin_d": []}, True),
        ({"medications": [low_d2(ago(85))], "vitamin_d": [vitd("120")]}, False),
        ({"medications": [low_d2(ago(85))], "vitamin_d": [vitd("160")]}, False),
        ({"medications": [low_d2(ago(85))], "calcium": [calcium("12")], "albumin": [albumin("4.0")]}, False),
        ({"medications": [d3("400", ago(200))]}, False),
        # K-RESIST, K-DMAINT and K-RECHECK carry the sentence instead
        ({"medications": [d2(ago(200))], "vitamin_d": [vitd("15")]}, False),
        ({"medications": [d2(ago(200))]}, False),
        ({"medications": [d2(ago(200))], "vitamin_d": [vitd("15", day=ago(250))]}, False),
    ],
    ids=["85", "84", "no start", "DEF", "UNK", "HIGH", "TOX", "K-HOLD", "daily", "K-RESIST", "K-DMAINT", "K-RECHECK"],
)  # fmt: skip
def test_r8(parts, card):
    """R8: K-D2INT for an order started more than 84 days ago, text only, unless another card says it."""
    seen = ask(**({"vitamin_d": [vitd("40")], **KNOWN} | parts))
    assert ("intermittent-d2" in seen.topics) is card
    if card:
        assert seen.suggestions("intermittent-d2") == []


@for_each(
    ("parts", "topic"),
    [
        ({"vitamin_d": [vitd("15")]}, "vitamin-d-resistance"),
        ({"vitamin_d": [vitd("40")]}, "vitamin-d-step-down"),
        ({"vitamin_d": [vitd("15", day=ago(250))]}, "vitamin-d-recheck"),
    ],
)
@for_each(("medication", "said"), [(d2(ago(200)), True), (d3("50000", ago(200)), False)])
def test_r8_sentence(parts, topic, medication, said):
    """R8: B-D3 in K-RESIST, K-DMAINT or K-RECHECK with intermittent D2, not with daily D3."""
    seen = ask(**parts, **KNOWN, medications=[medication])
    assert ("longer than D2" in seen.detail(topic)) is said


@for_each(
    ("parts", "card"),
    [
        ({"vitamin_d": [vitd("15")]}, True),
        ({"vitamin_d": [vitd("25")]}, True),
        ({}, True),
        ({"vitamin_d": [vitd("40")]}, False),
        ({"vitamin_d": [vitd("120")]}, False),
        ({"vitamin_d": [vitd("15", day=ago(366))]}, False),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("0.4")]}, True),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("0.7")]}, True),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("1.3")]}, True),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("2.1")]}, True),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("0.8")]}, False),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("0.8")], "medications": [d3("5000", "2026-02-25")]}, True),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("1.08", high="1.1")]}, True),
        ({"vitamin_d": [vitd("15")], "kidney": [egfr("50")]}, False),
        ({"vitamin_d": [vitd("15")], "kidney": [egfr("90")], "conditions": [problem("N18.4")]}, True),
        ({"vitamin_d": [vitd("15")], "kidney": [egfr("90")], "conditions": [problem("N18.2")]}, False),
    ],
)
def test_r9(parts, card):
    """R9: CKD known, and D = DEF, INS or UNK, or magnesium out of range, or K-MGLAT present."""
    base = {**KNOWN, "kidney": TWO_EGFR, "pth": []}
    assert ("ckd" in ask(**(base | parts)).topics) is card


def test_r9_on_dialysis():
    """R9: on dialysis no labs, so the vitamin D card holds B-CKD with "the dialysis unit decides"."""
    seen = ask(vitamin_d=[vitd("15")], **KNOWN, conditions=[problem("Z99.2")], chemistry=[])
    assert "ckd" not in seen.topics
    assert "the dialysis unit decides" in seen.detail("vitamin-d-deficiency")
    assert "In CKD read it with calcium, phosphate and PTH." in seen.detail("vitamin-d-deficiency")


def test_r9_on_dialysis_with_abnormal_magnesium():
    """R9: with M = LOW K-CKD stands without a test, and says who decides."""
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg("0.7")], conditions=[problem("Z99.2")])
    assert seen.suggestions("ckd") == []
    assert "the dialysis unit decides" in seen.detail("ckd")


@for_each(("value", "topic"), [("15", "vitamin-d-deficiency"), ("40", None)])
def test_r9_without_a_test_to_offer(value, topic):
    """R9: K-CKD that has no test to offer goes; B-CKD stands in the vitamin D card, if there is one."""
    seen = ask(vitamin_d=[vitd(value)], **KNOWN, kidney=TWO_EGFR, pth=[lab("2731-8", "50", "pg/mL")])
    assert "ckd" not in seen.topics
    assert topic is None or "In CKD read it with calcium, phosphate and PTH." in seen.detail(topic)


OBESE = {"vitals": [lab("39156-5", "30", "kg/m2")]}


def born(age):
    """A man of *age* today."""
    return {"patient": {"birthDate": f"{2026 - age}-03-02"}}


@for_each(
    ("settings", "value", "parts", "orders"),
    [
        ({}, "15", {}, [D2X8, D3X8]),
        ({}, "15", OBESE, [D2X8, D3X8, D3_4000]),
        ({}, "15", born(50), [D3_2000, D2X8, D3X8]),
        ({}, "15", born(49), [D2X8, D3X8]),
        ({}, "15", born(50) | OBESE, [D3_4000, D2X8, D3X8]),
        ({}, "9.99", born(50), [D2X8, D3X8, D3_2000]),
        ({}, "10", born(50), [D3_2000, D2X8, D3X8]),
        ({}, "9.99", born(50) | OBESE, [D2X8, D3X8, D3_4000]),
        ({}, "25", {}, [D3_2000]),
        ({}, "25", OBESE, [D3_2000, D3_4000]),
        ({}, "25", born(50), [D3_2000]),
        ({"profile": "endocrine-2011"}, "15", OBESE, [D2X8, D3X8, D3_4000]),
        ({"profile": "nam-2011"}, "11", OBESE, [D2X8, D3X8, D3_4000]),
        ({"profile": "nam-2011"}, "15", OBESE, [D3_2000, D3_4000]),
        ({"profile": "endocrine-2024"}, "9", OBESE, [D3_2000]),
        ({"profile": "endocrine-2024"}, "9", born(70), [D3_2000]),
    ],
)
def test_r10_and_r12(settings, value, parts, orders):
    """R10, R12 and 14.2: which daily order is offered, and where it stands."""
    seen = ask(settings, vitamin_d=[vitd(value)], **KNOWN, **parts)
    topic = "vitamin-d-deficiency" if "vitamin-d-deficiency" in seen.topics else "vitamin-d-insufficiency"
    assert seen.suggestions(topic) == orders
    flags = [suggestion.get("isRecommended") for suggestion in seen.card(topic)["suggestions"]]
    assert flags == ([None] if len(orders) == 1 else [True] + [False] * (len(orders) - 1))


def test_r10_in_the_summary():
    """14.1: `{dose}` is "2,000-4,000" by R10."""
    assert ask(vitamin_d=[vitd("25")], **KNOWN, **OBESE).summary("vitamin-d-insufficiency") == (
        "25(OH)D 25 ng/mL: vitamin D insufficiency (20-<30 ng/mL). "
        "Consider D3 2,000-4,000 IU daily; ensure magnesium intake."
    )


@for_each(
    ("settings", "value", "topic", "medications"),
    [
        ({}, "15", "vitamin-d-deficiency", []),
        ({}, "25", "vitamin-d-insufficiency", []),
        ({}, "15", "vitamin-d-resistance", [d3("2000", "2025-06-01")]),
        ({"profile": "endocrine-2024"}, "9", "vitamin-d-deficiency", []),
        ({"profile": "endocrine-2024"}, "9", "vitamin-d-resistance", [d3("2000", "2025-06-01")]),
    ],
)
@for_each(("vitals", "obese"), [(OBESE, True), ({}, False)])
def test_r10_sentence(settings, value, topic, medications, vitals, obese):
    """R10: B-OBESE in K-DDEF, K-DINS and K-RESIST, not in `endocrine-2024`."""
    detail = ask(settings, vitamin_d=[vitd(value)], **KNOWN, medications=medications, **vitals).detail(topic)
    assert ("Obesity: usual doses often fall short." in detail) is (obese and not settings)


@for_each(("days", "labs"), [(30, []), (31, ["SR:17861-6"])])
def test_labs_of_k_dhigh(days, labs):
    """14.2: calcium if none in 30 days."""
    seen = ask(vitamin_d=[vitd("120")], **KNOWN, calcium=[calcium("9.4", day=ago(days))])
    assert seen.outline == [["vitamin-d-high", "warning", [labs] if labs else []]]


@for_each(("days", "again"), [(30, False), (31, True)])
def test_labs_of_k_dtox(days, again):
    """14.2: calcium, creatinine, phosphate, and 25(OH)D if its result is more than 30 days old, all urgent."""
    seen = ask(vitamin_d=[vitd("160", day=ago(days))], **KNOWN)
    codes = ["17861-6", "2160-0", "2777-1"] + (["62292-8"] if again else [])
    assert seen.outline == [["vitamin-d-toxicity", "critical", [[f"SR:{code}!urgent" for code in codes]]]]
    assert seen.summary("vitamin-d-toxicity") == (
        f"25(OH)D 160 ng/mL on {ago(days)}: possible vitamin D toxicity (>150 ng/mL). "
        "Stop vitamin D; check calcium and renal function now."
    )
