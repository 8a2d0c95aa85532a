"""Which calcium counts and what its limits do (decision table, section 6.2)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import albumin, ask, calcium, derive, egfr, lab, mg, phosphate, vitd

FOUR, FORTY = [albumin("4.0")], [albumin("40", "g/L")]
IONISED, IONISED_MASS, CORRECTED, CORRECTED_MOLAR = "1995-0", "17863-2", "46099-8", "29265-6"
DAY = "2026-02-10"


def ionised(value, unit="mmol/L", day=DAY, **elements):
    """An ionised calcium."""
    return lab(IONISED if unit == "mmol/L" else IONISED_MASS, value, unit, day, **elements)


LIMITS = [
    # value, unit, what it is: hypercalcaemia >10.5 | 2.62, hypocalcaemia <8.5 | 2.12, very low <7.5 | 1.87
    ("10.5", "mg/dL", ""), ("10.51", "mg/dL", "high"), ("13.99", "mg/dL", "high"), ("14", "mg/dL", "high severe"),
    ("8.5", "mg/dL", ""), ("8.49", "mg/dL", "low"), ("7.5", "mg/dL", "low"), ("7.49", "mg/dL", "low very_low"),
    ("2.62", "mmol/L", ""), ("2.63", "mmol/L", "high"), ("3.49", "mmol/L", "high"), ("3.5", "mmol/L", "high severe"),
    ("2.12", "mmol/L", ""), ("2.11", "mmol/L", "low"), ("1.87", "mmol/L", "low"), ("1.86", "mmol/L", "low very_low"),
    ("5.24", "mEq/L", ""), ("5.26", "mEq/L", "high"), ("4.24", "mEq/L", ""), ("4.22", "mEq/L", "low"),
]  # fmt: skip


def told(**parts):
    """What the calcium is, in words."""
    found = derive(**parts).calcium
    return " ".join(name for name in ("high", "severe", "low", "very_low") if getattr(found, name))


@for_each(("value", "unit", "expected"), LIMITS)
def test_limits(value, unit, expected):
    """Corrected calcium against its limits, in the family reported (mEq/L divided by 2)."""
    assert told(calcium=[calcium(value, unit)], albumin=FOUR) == expected


@for_each(
    ("value", "unit", "kidney", "high"),
    [("10.2", "mg/dL", "50", False), ("10.21", "mg/dL", "50", True), ("10.21", "mg/dL", "60", False),
     ("2.54", "mmol/L", "50", False), ("2.55", "mmol/L", "50", True), ("10.21", "mg/dL", "25", True)],
)  # fmt: skip
def test_calcium_stop_in_ckd(value, unit, kidney, high):
    """10.2 | 2.54 in CKD G3 or worse."""
    assert derive(calcium=[calcium(value, unit)], albumin=FOUR, kidney=[egfr(kidney)]).calcium.high is high


@for_each(
    ("result", "expected"),
    [
        (ionised("1.32"), ""), (ionised("1.33"), "high"), (ionised("1.12"), ""), (ionised("1.11"), "low"),
        (ionised("0.90"), "low"), (ionised("0.89"), "low very_low"),
        (ionised("5.29", "mg/dL"), ""), (ionised("5.30", "mg/dL"), "high"), (ionised("4.49", "mg/dL"), ""),
        (ionised("4.48", "mg/dL"), "low"), (ionised("3.61", "mg/dL"), "low"),
        (ionised("3.60", "mg/dL"), "low very_low"),
        (ionised("1.30", high="1.30"), ""), (ionised("1.31", high="1.30"), "high"), (ionised("1.35", high="1.40"), ""),
        (ionised("1.15", low="1.16"), "low"), (ionised("1.16", low="1.16"), ""), (ionised("1.10", low="1.05"), ""),
        (ionised("1.74"), "high"), (ionised("1.75"), "high severe"), (ionised("6.99", "mg/dL"), "high"),
        (ionised("7.0", "mg/dL"), "high severe"), (ionised("1.80", high="1.9"), "high severe"),
    ],
)  # fmt: skip
def test_ionised_limits(result, expected):
    """Ionised: the own range, else 1.32 and 1.12 mmol/L (5.29 and 4.49 mg/dL); very low below 0.90 (3.61)."""
    assert told(calcium=[result]) == expected


def test_the_ckd_stop_is_not_for_ionised_calcium():
    """The limits for ionised calcium apply where ionised calcium was chosen, also in CKD."""
    assert told(calcium=[ionised("1.30")], kidney=[egfr("50")]) == ""


@for_each(
    ("value", "unit", "level", "level_unit", "shown"),
    [
        # + 0.8 x (4.0 - albumin) mg/dL
        ("9.4", "mg/dL", "2.5", "g/dL", "10.6"),
        ("9.4", "mg/dL", "25", "g/L", "10.6"),
        ("10.8", "mg/dL", "4.5", "g/dL", "10.4"),
        ("10.8", "mg/dL", "4.0", "g/dL", "10.8"),
        # + 0.02 x (40 - albumin) mmol/L
        ("2.40", "mmol/L", "28", "g/L", "2.64"),
        ("2.40", "mmol/L", "2.8", "g/dL", "2.64"),
        ("2.66", "mmol/L", "44", "g/L", "2.58"),
        ("2.66", "mmol/L", "40", "g/L", "2.66"),
    ],
)
def test_correction(value, unit, level, level_unit, shown):
    """In the family of the calcium, in both directions."""
    found = derive(calcium=[calcium(value, unit)], albumin=[albumin(level, level_unit)]).calcium
    assert (found.form, found.result.shown) == ("computed", shown)


@for_each(
    ("days", "form"),
    [("2026-01-11", "computed"), ("2026-01-10", "uncorrected"), ("2026-03-01", "computed"), (None, "uncorrected")],
)
def test_albumin_at_most_30_days_apart(days, form):
    """An albumin 30 days before (2026-01-11) or after counts, one 31 days away does not: then "uncorrected"."""
    albumins = [] if days is None else [albumin("4.5", day=days)]
    assert derive(calcium=[calcium("10.6")], albumin=albumins).calcium.form == form


def test_uncorrected_is_said():
    """The detail of K-HOLD says "uncorrected"."""
    seen = ask(vitamin_d=[vitd("15")], calcium=[calcium("12")], albumin=[])
    assert "uncorrected" in seen.detail("vitamin-d-hold")


def test_correction_is_unreliable_in_ckd():
    """The detail says so in CKD."""
    seen = ask(vitamin_d=[vitd("15")], calcium=[calcium("10.6")], albumin=FOUR, kidney=[egfr("50")])
    assert "unreliable in CKD" in seen.detail("vitamin-d-hold")


TOTAL_HIGH = calcium("12")


@for_each(
    ("results", "form"),
    [
        ([ionised("1.2"), lab(CORRECTED, "12", "mg/dL", DAY), TOTAL_HIGH], "ionised"),
        ([lab(CORRECTED, "9.0", "mg/dL", DAY), TOTAL_HIGH], "corrected"),
        ([lab(CORRECTED_MOLAR, "2.3", "mmol/L", DAY), TOTAL_HIGH], "corrected"),
        ([lab("18281-6", "9.0", "mg/dL", DAY), TOTAL_HIGH], "corrected"),
        ([lab("34907-6", "2.3", "mmol/L", DAY), TOTAL_HIGH], "corrected"),
        ([lab(CORRECTED, "9.0", "mg/dL", "2026-02-11"), ionised("1.5")], "corrected"),
        ([calcium("9.4", day="2026-02-11"), ionised("1.5")], "computed"),
        ([calcium("9.4", day="2026-02-11"), lab(CORRECTED, "12", "mg/dL", DAY)], "computed"),
    ],
    ids=[
        "ionised",
        "corrected",
        "corrected, molar",
        "protein",
        "protein, molar",
        "newer",
        "newer total",
        "newer, computed",
    ],
)
def test_choice(results, form):
    """The newest date; of one date ionised, corrected by the laboratory, computed, uncorrected."""
    found = derive(calcium=results).calcium
    assert (found.form, found.high) == (form, False)


def test_a_corrected_one_comes_before_an_uncorrected_one_of_the_same_date():
    """Both by the same albumin or none: the form decides, not the order of the Bundle."""
    results = [calcium("12", day=DAY), lab(CORRECTED, "9.0", "mg/dL", DAY)]
    assert derive(calcium=results, albumin=[]).calcium.form == "corrected"
    assert derive(calcium=results[::-1], albumin=[]).calcium.form == "corrected"


@for_each(("one", "other"), [("46099-8", "18281-6"), ("46099-8", "46099-8"), ("17861-6", "17861-6")])
def test_of_tied_calcium_the_highest_counts(one, other):
    """Section 5: still tied and different, the highest counts; 18281-6 is as good as 46099-8."""
    results = [lab(one, "9.0", "mg/dL", DAY), lab(other, "12", "mg/dL", DAY)]
    assert derive(calcium=results, albumin=FOUR).calcium.result.shown == "12"
    assert derive(calcium=results[::-1], albumin=FOUR).calcium.result.shown == "12"


def test_of_tied_phosphate_the_highest_counts():
    """Section 5: the same for phosphate."""
    assert derive(kidney=[egfr("50")], phosphate=[phosphate("3.4"), phosphate("5.0")]).phosphate_high


@for_each(
    ("value", "unit", "kidney", "high"),
    [
        ("4.6", "mg/dL", "50", False), ("4.61", "mg/dL", "50", True), ("4.61", "mg/dL", "25", True),
        ("4.61", "mg/dL", "60", False), ("4.61", "mg/dL", "14", False), ("1.49", "mmol/L", "50", False),
        ("1.50", "mmol/L", "50", True), ("1.50", "mmol/L", "90", False),
    ],
)  # fmt: skip
def test_phosphate_limit(value, unit, kidney, high):
    """Above 4.6 | 1.49 in G3 and G4 only."""
    assert derive(kidney=[egfr(kidney)], phosphate=[phosphate(value, unit)]).phosphate_high is high


@for_each(
    ("days_ago", "value", "normal"),
    [
        ("2025-12-02", "9.4", True),
        ("2025-12-01", "9.4", False),
        ("2026-02-10", "10.5", True),
        ("2026-02-10", "10.6", False),
    ],
)
def test_calcium_known_normal(days_ago, value, normal):
    """Section 9.5: a usable calcium at most 90 days old (2025-12-02) that is not above the limit of the hold."""
    found = derive(calcium=[calcium(value, day=days_ago)], albumin=[albumin("4.0", day=days_ago)]).calcium
    assert found.known_normal is normal


def test_low_calcium_beside_low_magnesium():
    """R15: "calcium will not correct until magnesium does" below 8.5, not at 8.5."""
    for value, said in (("8.49", True), ("8.5", False)):
        detail = ask(magnesium=[mg("0.7")], calcium=[calcium(value)], albumin=FOUR).detail("magnesium-low")
        assert ("calcium will not correct" in detail) is said
