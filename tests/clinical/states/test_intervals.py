"""The interval rule (decision table, section 4.4): which band a limit or a range has, and what may follow from it."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import D3_2000, ask, lab, mg, problem, span, vitd


def ranged(code, text, unit):
    """`<4` as a comparator, `12-18` as a valueRange."""
    if "-" not in text:
        return lab(code, text, unit)
    low, high = text.split("-")
    return lab(code, None, valueRange=span(low, high, unit))


VITAMIN_D = [
    # edges 20, 30, 100, 150: wholly inside one band
    ("<4", "DEF"), ("<20", "DEF"), ("12-18", "DEF"), ("20-29", "INS"), ("30-100", "OK"), ("101-150", "HIGH"),
    (">150", "TOX"), (">=151", "TOX"), ("151-200", "TOX"),
    # DEF and INS alone: INS
    ("<=20", "INS"), ("<30", "INS"), ("<25", "INS"), ("15-25", "INS"), ("19-20", "INS"),
    # HIGH and TOX alone: HIGH
    (">100", "HIGH"), (">120", "HIGH"), (">=150", "HIGH"), ("101-151", "HIGH"),
    # any other span
    ("<=30", "INDET"), ("<40", "INDET"), ("<200", "INDET"), (">10", "INDET"), (">=20", "INDET"), (">30", "INDET"),
    (">=30", "INDET"), (">=100", "INDET"), ("20-30", "INDET"), ("15-35", "INDET"), ("30-101", "INDET"),
    ("25-110", "INDET"), ("99-151", "INDET"), ("1-500", "INDET"),
]  # fmt: skip


@for_each(("value", "state"), VITAMIN_D)
def test_spans_of_25ohd(value, state):
    """Every span of the default profile in ng/mL."""
    assert ask(vitamin_d=[ranged("62292-8", value, "ng/mL")]).d == state


@for_each(
    ("value", "state"),
    [("<50", "DEF"), ("<=50", "INS"), ("<75", "INS"), ("<=75", "INDET"), (">250", "HIGH"), (">=250", "INDET"),
     (">375", "TOX"), (">=375", "HIGH")],
)  # fmt: skip
def test_spans_in_nmol(value, state):
    """The same with the molar edges."""
    assert ask(vitamin_d=[ranged("68438-1", value, "nmol/L")]).d == state


@for_each(
    ("value", "indicated", "state"),
    [("<10", False, "DEF"), ("<=10", False, "INDET"), ("<20", False, "INDET"), ("<20", True, "DEF"),
     ("10-100", False, "NOBAND"), (">100", False, "HIGH")],
)  # fmt: skip
def test_spans_without_an_insufficient_band(value, indicated, state):
    """In `endocrine-2024` nothing lies between DEF and NOBAND."""
    conditions = [problem("M81.0")] if indicated else []
    result = ranged("62292-8", value, "ng/mL")
    assert ask({"profile": "endocrine-2024"}, vitamin_d=[result], conditions=conditions).d == state


MAGNESIUM = [
    # edges 0.5, 0.75, 0.85, 1.05, 2.0: wholly inside one band
    ("<0.5", "SEV"), ("<0.3", "SEV"), ("0.5-0.7", "LOW"), ("0.75-0.8", "LAT"), ("0.85-1.05", "NORM"),
    ("1.1-1.9", "HIGH"), (">=2.0", "VHIGH"), (">2.0", "VHIGH"),
    # SEV and LOW alone: LOW; HIGH and VHIGH alone: HIGH
    ("<=0.5", "LOW"), ("<0.75", "LOW"), ("0.4-0.6", "LOW"), (">1.05", "HIGH"), (">1.5", "HIGH"), ("1.5-2.5", "HIGH"),
    # any other span
    ("<=0.75", "INDET"), ("<0.85", "INDET"), ("0.7-0.8", "INDET"), ("0.8-0.9", "INDET"), ("1.0-1.1", "INDET"),
    (">=1.05", "INDET"), (">0.5", "INDET"), ("0.4-2.5", "INDET"), ("<1.05", "INDET"),
]  # fmt: skip


@for_each(("value", "state"), MAGNESIUM)
def test_spans_of_magnesium(value, state):
    """Every span in mmol/L."""
    assert ask(magnesium=[ranged("2601-3", value, "mmol/L")]).m == state


@for_each(
    ("value", "unit", "state"),
    [("<1.21525", "mg/dL", "SEV"), ("<1.82", "mg/dL", "LOW"), ("<1.0", "mEq/L", "SEV"), (">=4.0", "mEq/L", "VHIGH")],
)
def test_spans_in_other_units(value, unit, state):
    """A limit in mg/dL or mEq/L is compared in mmol/L as well."""
    assert ask(magnesium=[ranged("35249-2", value, unit)]).m == state


def test_below_30_is_insufficient_with_the_daily_option_only():
    """Spanning DEF and INS: INS, worded "below {hi}, exact level unknown"; no 50,000 IU, no adjunct."""
    seen = ask(vitamin_d=[vitd("<30")], magnesium=[mg("0.9")])
    assert seen.outline == [["vitamin-d-insufficiency", "info", [D3_2000]]]
    assert seen.summary("vitamin-d-insufficiency") == (
        "25(OH)D <30 ng/mL: below 30 ng/mL, exact level unknown. Consider D3 2,000 IU daily; ensure magnesium intake."
    )


def test_below_75_nmol_is_worded_in_its_family():
    """The same in nmol/L."""
    seen = ask(vitamin_d=[vitd("<75", "nmol/L")], magnesium=[mg("0.9")])
    assert "below 75 nmol/L, exact level unknown" in seen.summary("vitamin-d-insufficiency")


@for_each(("value", "floor"), [("<10", True), ("<=9", True), ("<=10", False), ("<15", False), ("9-10", False)])
def test_the_floor_needs_the_whole_interval(value, floor):
    """R13: below the Floor means the whole interval is."""
    detail = ask(vitamin_d=[ranged("62292-8", value, "ng/mL")], magnesium=[mg("0.9")]).detail("vitamin-d-deficiency")
    assert ("bone pain" in detail) is floor


@for_each("elements", [{}, {"low": "0.5"}, {"low": "0.72"}])
def test_low_magnesium_that_may_be_severe(elements):
    """Spanning SEV and LOW: a warning whatever the laboratory's range, the magnesium gate closed ("may be severe")."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("<0.75", **elements)])
    assert seen.indicator("magnesium-low") == "warning"
    assert ("G-MG", "gate.G-MG.open") in seen.closed
    assert "MR:magnesium-200-daily" not in seen.drugs
    assert "may be severe" in seen.detail("magnesium-low")


def test_low_magnesium_that_may_be_severe_triggers():
    """T-D 6: such a magnesium is not inside the laboratory's range."""
    assert "vitamin-d-order" in ask(magnesium=[mg("<0.75", low="0.5")]).topics


@for_each("value", [">1.05", ">1.5"])
def test_high_magnesium_without_an_upper_end_is_not_inside_a_range(value):
    """R15: only a value at or below the own upper end raises no card."""
    assert "magnesium-high" in ask(magnesium=[mg(value, high="1.1")]).topics


def test_an_undetermined_interval_asks_again():
    """R14: an interval over several bands raises K-DATA and no other card."""
    seen = ask(vitamin_d=[vitd("<40")], magnesium=[mg("0.9")])
    assert seen.outline == [["unusable-result", "info", [["SR:62292-8"]]]]
