"""R18, pregnancy, and R19, under 18 (decision table, section 13)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, albumin, ask, calcium, d2, d3, egfr, mg, order, problem, vitd

WOMAN = {"gender": "female", "birthDate": "1990-06-15"}
PREGNANT = [problem("O09.90", ago(40))]
CHILD = {"birthDate": "2008-03-03"}
ADULT = {"birthDate": "2008-03-02"}
ENDED = [d2("2025-11-03", "2025-12-29", status="completed")]

STATUS = [
    ({"vitamin_d": [vitd("15")]}, "vitamin-d-deficiency"),
    ({"vitamin_d": [vitd("25")]}, "vitamin-d-insufficiency"),
    ({"vitamin_d": [vitd("120")]}, "vitamin-d-high"),
    ({"vitamin_d": [vitd("160")]}, "vitamin-d-toxicity"),
    ({"vitamin_d": [vitd("40")], "medications": ENDED}, "vitamin-d-step-down"),
    ({"vitamin_d": [vitd("15")], "medications": [d3("2000", "2025-06-01")]}, "vitamin-d-resistance"),
    ({"vitamin_d": [vitd("15")], "medications": [d3("2000", "2026-02-01")]}, "vitamin-d-too-soon"),
    ({"vitamin_d": [vitd("40")], "magnesium": [mg("0.4")]}, "magnesium-severe-low"),
    ({"vitamin_d": [vitd("40")], "magnesium": [mg("0.7")]}, "magnesium-low"),
    ({"vitamin_d": [vitd("25")], "magnesium": [mg("0.8")]}, "magnesium-latent"),
    ({"vitamin_d": [vitd("40")], "magnesium": [mg("1.3")]}, "magnesium-high"),
    ({"vitamin_d": [vitd("40")], "magnesium": [mg("2.1")]}, "magnesium-very-high"),
]
OTHER = [
    ({"vitamin_d": [vitd("40")]}, []),
    ({"extra": [problem("M81.0")]}, ["vitamin-d-order"]),
    ({"vitamin_d": [vitd("15", day=ago(400))]}, ["vitamin-d-stale"]),
    ({"vitamin_d": [vitd("40", "furlong")]}, ["unusable-result"]),
    ({"vitamin_d": [vitd("15", day="2025-05-01")], "medications": [d3("2000", "2025-06-01")]}, ["vitamin-d-recheck"]),
    ({"vitamin_d": [vitd("40")], "magnesium": [], "medications": [order("tacrolimus")]}, ["magnesium-wasting-drug"]),
    ({"extra": [problem("N18.31")], "vitamin_d": [], "kidney": [egfr("50")]}, ["ckd", "vitamin-d-order"]),
]


@for_each(("parts", "topic"), STATUS)
def test_r18(parts, topic):
    """R18: pregnancy and any status card: K-PREG, and no order."""
    base = {"magnesium": [mg("0.9")], "patient": WOMAN, "conditions": PREGNANT}
    seen = ask(**(base | parts))
    assert (topic in seen.topics, "pregnancy" in seen.topics, seen.drugs) == (True, True, [])
    without = ask(**(base | parts | {"conditions": []}))
    assert "pregnancy" not in without.topics


@for_each(("parts", "topics"), OTHER)
def test_r18_needs_a_status_card(parts, topics):
    """R18: cards that only ask for a test add no K-PREG."""
    conditions = PREGNANT + parts.get("extra", [])
    base = {"magnesium": [mg("0.9")], "patient": WOMAN}
    found = {name: value for name, value in parts.items() if name != "extra"}
    assert ask(**(base | found), conditions=conditions).topics == topics


def test_gate_of_minors():
    """G-ADULT: from the 18th birthday on, whatever R19 takes away besides."""
    closed = {birth: "G-ADULT" in ask(patient={"birthDate": birth}).gates for birth in ("2008-03-03", "2008-03-02")}
    assert closed == {"2008-03-03": True, "2008-03-02": False}


FINDINGS = {
    "vitamin-d-deficiency": "25(OH)D 15 ng/mL",
    "vitamin-d-high": "25(OH)D 120 ng/mL",
    "vitamin-d-step-down": "25(OH)D 40 ng/mL",
    "vitamin-d-resistance": "25(OH)D 15 ng/mL",
    "vitamin-d-too-soon": "25(OH)D 15 ng/mL",
    "magnesium-low": "magnesium 0.7 mmol/L",
    "magnesium-latent": "magnesium 0.8 mmol/L",
    "magnesium-high": "magnesium 1.3 mmol/L",
}


@for_each(("parts", "topic"), [case for case in STATUS if case[1] in FINDINGS])
def test_r19(parts, topic):
    """R19: under 18 a status card other than K-DINS becomes K-PEDS with its finding; nothing is ordered."""
    base = {"magnesium": [mg("0.9")], "patient": CHILD}
    seen = ask(**(base | parts))
    assert seen.outline == [["under-18", "info", []]]
    assert seen.summary("under-18") == (
        f"Under 18: {FINDINGS[topic]}. Adult doses are withheld; use paediatric guidance."
    )
    assert "under-18" not in ask(**(base | parts | {"patient": ADULT})).topics


@for_each(
    ("parts", "topics"),
    [
        ({"vitamin_d": [vitd("160")]}, ["vitamin-d-toxicity", "under-18"]),
        ({"magnesium": [mg("0.4")]}, ["magnesium-severe-low", "under-18"]),
        ({"magnesium": [mg("2.1")]}, ["magnesium-very-high", "under-18"]),
        ({"calcium": [calcium("14.5")], "albumin": [albumin("4.0")]}, ["vitamin-d-hold"]),
        (
            {"vitamin_d": [vitd("15")], "calcium": [calcium("7")], "albumin": [albumin("4.0")]},
            ["vitamin-d-deficiency", "under-18"],
        ),
    ],
)
def test_r19_keeps_critical_cards(parts, topics):
    """R19: critical cards stay."""
    assert ask(**({"magnesium": [mg("0.9")], "patient": CHILD} | parts)).topics == topics


@for_each(
    "parts",
    [
        {"vitamin_d": [vitd("25")]},
        {"vitamin_d": [vitd("40")]},
        {"conditions": [problem("M81.0")]},
        {"vitamin_d": [vitd("15", day=ago(400))]},
        {"vitamin_d": [vitd("40", "furlong")]},
        {"magnesium": []},
        {},
    ],
)
def test_r19_without_a_finding(parts):
    """R19: K-DINS alone, and cards that tell no finding, leave nothing."""
    assert ask(**({"magnesium": [mg("0.9")], "patient": CHILD} | parts)).topics == []


@for_each(
    ("d", "m", "finding"),
    [
        ("15", "0.7", "magnesium 0.7 mmol/L"),
        ("120", "0.7", "25(OH)D 120 ng/mL"),
        ("25", "0.8", "magnesium 0.8 mmol/L"),
        ("15", "0.8", "25(OH)D 15 ng/mL"),
    ],
)
def test_r19_names_the_first_finding(d, m, finding):
    """14.1: the first status card other than K-DINS in display order."""
    seen = ask(vitamin_d=[vitd(d)], magnesium=[mg(m)], patient=CHILD)
    assert seen.summary("under-18").startswith(f"Under 18: {finding}.")


def test_r19_dates_an_old_finding():
    """14.1: {finding} with {on}."""
    seen = ask(vitamin_d=[vitd("15", day="2026-01-10")], magnesium=[mg("0.9")], patient=CHILD)
    assert seen.summary("under-18").startswith("Under 18: 25(OH)D 15 ng/mL on 2026-01-10.")


def test_r19_and_pregnancy():
    """R19 removes K-PREG with the rest: it is no critical card."""
    girl = {"gender": "female", **CHILD}
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], patient=girl, conditions=PREGNANT)
    assert seen.topics == ["under-18"]
