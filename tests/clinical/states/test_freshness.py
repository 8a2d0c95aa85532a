"""Freshness windows (decision table, section 5): every fact on the last day of its window and one day later."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    ago,
    albumin,
    ask,
    calcium,
    derive,
    egfr,
    lab,
    mg,
    order,
    phosphate,
    problem,
    pth,
    vitd,
)

G4 = [egfr("25")]
TACROLIMUS = [order("tacrolimus", "2026-01-05")]


@for_each("value", ["15", "25", "40", "120", "160"])
@for_each(("days", "stale"), [(365, False), (366, True)])
def test_25ohd(value, days, stale):
    """25(OH)D: 365 days in every band."""
    assert (ask(vitamin_d=[vitd(value, day=ago(days))]).d == "STALE") is stale


@for_each(
    ("value", "days", "state"),
    [
        ("0.4", 90, "SEV"), ("0.4", 91, "STALE"), ("0.7", 90, "LOW"), ("0.7", 91, "STALE"), ("0.8", 365, "LAT"),
        ("0.8", 366, "STALE"), ("0.9", 365, "NORM"), ("0.9", 366, "STALE"), ("1.2", 90, "HIGH"), ("1.2", 91, "STALE"),
        ("2.1", 90, "VHIGH"), ("2.1", 91, "STALE"),
    ],
)  # fmt: skip
def test_magnesium(value, days, state):
    """Magnesium: 90 days outside the range, 365 days for LAT and NORM."""
    assert ask(magnesium=[mg(value, day=ago(days))]).m == state


@for_each(
    ("parts", "short"),
    [
        ({"medications": TACROLIMUS}, True),
        ({"medications": [order("gentamicin", "2026-01-05")]}, True),
        ({"kidney": G4}, True),
        ({"kidney": [egfr("12")]}, True),
        ({"conditions": [problem("N18.4")]}, True),
        ({"conditions": [problem("Z99.2")]}, True),
        ({"kidney": [egfr("30")]}, False),
        ({"conditions": [problem("N18.32")]}, False),
        ({"medications": [order("tacrolimus", "2026-01-05", status="completed")]}, False),
        ({"medications": [order("omeprazole", "2020-01-05")]}, False),
        ({"medications": [order("furosemide", "2020-01-05")]}, False),
        ({"medications": [order("digoxin", "2020-01-05")]}, False),
    ],
)
@for_each("value", ["0.8", "0.9"])
def test_shortened_magnesium_window(parts, short, value):
    """LAT and NORM: 90 days with a current strongly wasting drug, with CKD G4-G5 or on dialysis."""
    banded = {"0.8": "LAT", "0.9": "NORM"}[value]
    states = [ask(magnesium=[mg(value, day=ago(days))], **parts).m for days in (90, 91)]
    assert states == [banded, "STALE" if short else banded]


@for_each(
    ("earlier", "short"),
    [
        (mg("0.7", day=ago(730)), True),
        (mg("0.7", day=ago(731)), False),
        (mg("0.4", day=ago(730)), True),
        (mg("0.8", day=ago(200)), False),
        (mg("1.2", day=ago(200)), False),
        (mg("0.7", "furlong", ago(200)), False),
        (mg("0.7", day=ago(200), status="entered-in-error"), False),
        (mg("0.7", day=ago(200), status="preliminary"), False),
    ],
)
def test_magnesium_window_after_an_earlier_low(earlier, short):
    """LAT and NORM: 90 days when an earlier usable result at most 730 days old was LOW or SEV."""
    states = [ask(magnesium=[mg("0.9", day=ago(days)), earlier]).m for days in (90, 91)]
    assert states == ["NORM", "STALE" if short else "NORM"]


@for_each(("days", "stage"), [(365, 4), (366, 0)])
def test_egfr_for_staging(days, stage):
    """EGFR: 365 days for staging."""
    assert derive(kidney=[egfr("25", ago(days))]).kidney.stage == stage


@for_each(("days", "stage"), [(365, 4), (366, 0)])
def test_creatinine_for_staging(days, stage):
    """Creatinine: the same; 3.0 mg/dL of a man of 44 or 45 is 25."""
    creatinine = lab("2160-0", "3.0", "mg/dL", ago(days))
    assert derive(kidney=[creatinine]).kidney.stage == stage


@for_each(
    ("parts", "days", "open_gate"),
    [
        ({"kidney": "90"}, 365, True),
        ({"kidney": "90"}, 366, False),
        ({"kidney": "50"}, 90, True),
        ({"kidney": "50"}, 91, False),
        ({"kidney": "90", "conditions": [problem("N18.31")]}, 90, True),
        ({"kidney": "90", "conditions": [problem("N18.31")]}, 91, False),
        ({"kidney": "90", "conditions": [problem("N18.2")]}, 365, True),
    ],
)
def test_egfr_for_the_magnesium_gate(parts, days, open_gate):
    """G-MG: 365 days, 90 days in CKD G3 or worse."""
    seen = ask(magnesium=[mg("0.7")], **(parts | {"kidney": [egfr(parts["kidney"], ago(days))]}))
    assert (("G-MG", "gate.G-MG.egfr") not in seen.closed) is open_gate
    assert ("MR:magnesium-200-daily" in seen.drugs) is open_gate


@for_each(
    ("kidney", "days", "known"),
    [("50", 180, True), ("50", 181, False), ("25", 90, True), ("25", 91, False), ("12", 91, False)],
)
def test_calcium_in_ckd(kidney, days, known):
    """Calcium: 180 days, 90 days in G4-G5; in CKD3+ G-HOLD needs it."""
    seen = ask(vitamin_d=[vitd("15")], kidney=[egfr(kidney)], calcium=[calcium("9.4", day=ago(days))])
    assert (("G-HOLD", "gate.G-HOLD.calcium-unknown") not in seen.closed) is known


@for_each(("kidney", "days", "closed"), [("90", 180, True), ("90", 181, False), ("25", 90, True), ("25", 91, False)])
def test_very_low_calcium(kidney, days, closed):
    """Very low calcium closes G-CA only inside its window."""
    parts = {"calcium": [calcium("7.0", day=ago(days))], "albumin": [], "kidney": [egfr(kidney)]}
    assert derive(**parts).calcium.very_low is closed


@for_each("days", [1, 90, 181, 730, 3650])
def test_hypercalcaemia_holds_at_any_age(days):
    """Hypercalcaemia holds at any age of the newest usable calcium."""
    seen = ask(vitamin_d=[vitd("15")], calcium=[calcium("12", day=ago(days))], albumin=[])
    assert ("G-HOLD", "hold.high-calcium") in seen.closed


def test_hypercalcaemia_holds_until_a_newer_one_is_not_high():
    """A newer calcium below the limit ends the hold."""
    results = [calcium("12", day=ago(400)), calcium("9.4", day=ago(300))]
    assert not derive(calcium=results, albumin=[]).calcium.high


@for_each("kidney", ["50", "25"])
@for_each(("days", "holds"), [(180, True), (181, False)])
def test_high_phosphate(kidney, days, holds):
    """A phosphate above its limit holds for 180 days in G3 and G4 alike."""
    parts = {"kidney": [egfr(kidney)], "phosphate": [phosphate("5.0", day=ago(days))]}
    assert derive(**parts).phosphate_high is holds


@for_each(
    ("kidney", "analyte", "days", "asked"),
    [
        ("50", "phosphate", 180, False), ("50", "phosphate", 181, True), ("25", "phosphate", 90, False),
        ("25", "phosphate", 91, True), ("50", "calcium", 180, False), ("50", "calcium", 181, True),
        ("25", "calcium", 90, False), ("25", "calcium", 91, True), ("50", "pth", 365, False), ("50", "pth", 366, True),
        ("25", "pth", 365, False), ("25", "pth", 366, True),
    ],
)  # fmt: skip
def test_labs_of_k_ckd(kidney, analyte, days, asked):
    """14.2: K-CKD asks for PTH and phosphate, K-DDEF before it for calcium, each if none is in its window."""
    makers = {
        "calcium": calcium("9.4", day=ago(days)),
        "phosphate": phosphate("3.4", day=ago(days)),
        "pth": pth("50", day=ago(days)),
    }
    parts = {"pth": [pth("50")]} | {analyte: [makers[analyte]]}
    seen = ask(
        vitamin_d=[vitd("15")], magnesium=[mg("0.9")], kidney=[egfr(kidney)], conditions=[problem("N18.9")], **parts
    )
    code = {"calcium": "SR:17861-6", "phosphate": "SR:2777-1", "pth": "SR:2731-8"}[analyte]
    assert (code in str(seen.outline)) is asked


@for_each(("days", "said"), [(90, True), (91, False)])
def test_potassium(days, said):
    """Potassium: 90 days for its sentence in K-MGLOW."""
    potassium = [lab("2823-3", "3.4", "mmol/L", ago(days))]
    detail = ask(magnesium=[mg("0.7")], potassium=potassium).detail("magnesium-low")
    assert ("potassium may not correct" in detail) is said


@for_each(("days", "obese"), [(730, True), (731, False)])
def test_bmi(days, obese):
    """BMI: 730 days."""
    assert derive(vitals=[lab("39156-5", "31", "kg/m2", ago(days))]).person.obese is obese


@for_each(("weight", "height", "obese"), [(730, 730, True), (731, 730, False), (10, 7000, True)])
def test_weight_and_height(weight, height, obese):
    """Weight: 730 days; height at any age of the result."""
    vitals = [lab("29463-7", "100", "kg", ago(weight)), lab("8302-2", "170", "cm", ago(height))]
    assert derive(vitals=vitals).person.obese is obese


def test_albumin_needs_no_window_of_its_own():
    """Section 6.2: an albumin counts by its distance to the calcium, not by its age."""
    found = derive(calcium=[calcium("10.0", day=ago(170))], albumin=[albumin("3.0", day=ago(180))]).calcium
    assert (found.form, found.result.shown) == ("computed", "10.8")


@for_each("value", ["8", "40", "160"])
def test_a_stale_25ohd_never_doses(value):
    """Section 5: a stale result is shown and never justifies a dose."""
    assert ask(vitamin_d=[vitd(value, day=ago(366))], magnesium=[mg("0.9")]).drugs == []


@for_each("value", ["0.4", "0.7", "1.2"])
def test_a_stale_magnesium_never_doses(value):
    """Section 5: the same for magnesium."""
    assert "MR:magnesium-200-daily" not in ask(vitamin_d=[vitd("15")], magnesium=[mg(value, day=ago(366))]).drugs
