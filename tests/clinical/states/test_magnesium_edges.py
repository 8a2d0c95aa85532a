"""Cut-offs of magnesium in every unit, and the laboratory's own range (decision table, section 6.1)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import MG_LOW, MG_ORDER, ago, ask, codings, egfr, lab, mg, order, quantity, span, vitd

EDGES = [
    # mmol/L, as compared
    ("0.4999", "mmol/L", "SEV"), ("0.50", "mmol/L", "LOW"), ("0.7499", "mmol/L", "LOW"), ("0.75", "mmol/L", "LAT"),
    ("0.8499", "mmol/L", "LAT"), ("0.85", "mmol/L", "NORM"), ("1.05", "mmol/L", "NORM"), ("1.0501", "mmol/L", "HIGH"),
    ("1.9999", "mmol/L", "HIGH"), ("2.0", "mmol/L", "VHIGH"),
    # mg/dL: the exact edges are 1.21525, 1.822875, 2.065925, 2.552025 and 4.861
    ("1.21524", "mg/dL", "SEV"), ("1.21525", "mg/dL", "LOW"), ("1.822874", "mg/dL", "LOW"),
    ("1.822875", "mg/dL", "LAT"), ("2.065924", "mg/dL", "LAT"), ("2.065925", "mg/dL", "NORM"),
    ("2.552025", "mg/dL", "NORM"), ("2.552026", "mg/dL", "HIGH"), ("4.860999", "mg/dL", "HIGH"),
    ("4.861", "mg/dL", "VHIGH"),
    # the printed edges: 1.22 is 0.50195, 1.82 is 0.74882, 2.07 is 0.85168, 2.55 is 1.04917, 4.86 is 1.99959 mmol/L
    ("1.22", "mg/dL", "LOW"), ("1.82", "mg/dL", "LOW"), ("2.07", "mg/dL", "NORM"), ("2.55", "mg/dL", "NORM"),
    ("4.86", "mg/dL", "HIGH"),
    # mEq/L
    ("0.99", "mEq/L", "SEV"), ("1.00", "mEq/L", "LOW"), ("1.49", "mEq/L", "LOW"), ("1.50", "mEq/L", "LAT"),
    ("1.69", "mEq/L", "LAT"), ("1.70", "mEq/L", "NORM"), ("2.10", "mEq/L", "NORM"), ("2.11", "mEq/L", "HIGH"),
    ("3.99", "mEq/L", "HIGH"), ("4.00", "mEq/L", "VHIGH"),
    # mg/L
    ("12.1524", "mg/L", "SEV"), ("12.1525", "mg/L", "LOW"), ("25.52025", "mg/L", "NORM"), ("25.53", "mg/L", "HIGH"),
]  # fmt: skip


@for_each(("value", "unit", "state"), EDGES)
def test_edges(value, unit, state):
    """Compared in mmol/L with the exact factors."""
    assert ask(magnesium=[lab("35249-2", value, unit)]).m == state


@for_each(
    ("value", "unit", "cut"),
    [("0.62", "mmol/L", "<0.75 mmol/L"), ("1.5", "mg/dL", "<1.82 mg/dL"), ("1.24", "mEq/L", "<1.50 mEq/L")],
)
def test_printed_cut(value, unit, cut):
    """Section 14: the cut is printed in the unit family of the result."""
    assert f"({cut})" in ask(magnesium=[lab("35249-2", value, unit)]).summary("magnesium-low")


@for_each(
    ("value", "unit", "elements", "inside"),
    [
        ("0.70", "mmol/L", {"low": "0.65"}, True),
        ("0.6999", "mmol/L", {"low": "0.65"}, False),
        ("0.72", "mmol/L", {"low": "0.72"}, True),
        ("0.72", "mmol/L", {"low": "0.73"}, False),
        ("0.72", "mmol/L", {"high": "1.1"}, False),
        ("0.72", "mmol/L", {}, False),
        # 1.7014 mg/dL is 0.70002 mmol/L, 1.7013 is 0.69998
        ("1.7014", "mg/dL", {"low": "1.6"}, True),
        ("1.7013", "mg/dL", {"low": "1.6"}, False),
        ("1.75", "mg/dL", {"low": "1.75", "high": "2.6"}, True),
        ("1.75", "mg/dL", {"low": "1.76"}, False),
        ("1.44", "mEq/L", {"low": "1.3"}, True),
        ("1.44", "mEq/L", {"low": "1.5"}, False),
    ],
)
def test_inside_the_laboratory_range(value, unit, elements, inside):
    """LOW at or above the own low and at least 0.70 mmol/L: info, without labs and without an order."""
    seen = ask(magnesium=[lab("35249-2", value, unit, **elements)])
    expected = ["magnesium-low", "info", []] if inside else ["magnesium-low", "warning", [MG_LOW]]
    assert seen.m == "LOW"
    assert seen.outline[0] == expected


@for_each(
    ("medications", "indicator"),
    [
        ([order("digoxin", "2026-01-01")], "warning"),
        ([order("digoxin", "2026-01-01", status="stopped")], "info"),
        ([], "info"),
    ],
)
def test_digoxin_keeps_it_a_warning(medications, indicator):
    """With digoxin current a LOW inside the laboratory's range stays a warning."""
    seen = ask(magnesium=[mg("0.72", low="0.65")], medications=medications)
    assert seen.indicator("magnesium-low") == indicator


def test_inside_the_range_is_worded_so():
    """14.1: the summary of the laboratory's range."""
    assert ask(magnesium=[mg("0.72", low="0.65")]).summary("magnesium-low") == (
        "Magnesium 0.72 mmol/L: below 0.75 mmol/L although inside this laboratory's range. "
        "Look for a cause; review intake."
    )


def test_inside_the_range_triggers_nothing():
    """Section 6.1: no trigger T-D 6, also with an eGFR unknown."""
    assert ask(magnesium=[mg("0.72", low="0.65")], kidney=[]).topics == ["magnesium-low"]


def test_inside_the_range_the_order_is_an_adjunct():
    """Section 6.1: a magnesium order only by R16, alone and without a recheck."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.72", low="0.65")])
    assert seen.suggestions("magnesium-low") == [[MG_ORDER]]


def test_inside_the_range_unknown_kidneys_are_not_asked_for():
    """Sections 10 and 6.1: no labs inside the laboratory's range, whatever the eGFR."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.72", low="0.65")], kidney=[egfr("90", ago(400))])
    assert seen.suggestions("magnesium-low") == []


@for_each(
    ("ranges", "inside"),
    [
        ([("0.60", "treatment"), ("0.73", "normal")], False),
        ([("0.74", "treatment"), ("0.65", "normal")], True),
        ([("0.74", "treatment"), ("0.65", None)], True),
        ([("0.65", "normal"), ("0.74", "recommended")], True),
        ([("0.65", "treatment")], False),
    ],
)
def test_several_ranges(ranges, inside):
    """Of several ranges the one of type "normal" or without a type."""
    listed = [
        span(low, None, "mmol/L") | ({} if kind is None else {"type": codings(kind, system="http://x.example")})
        for low, kind in ranges
    ]
    seen = ask(magnesium=[mg("0.72", referenceRange=listed)])
    assert (seen.indicator("magnesium-low") == "info") is inside


def test_a_range_without_a_unit_has_the_unit_of_the_value():
    """Section 6.1: the range is converted in the unit of the value."""
    bare = [{"low": quantity("1.6"), "high": quantity("2.6")}]
    assert ask(magnesium=[lab("19123-9", "1.75", "mg/dL", referenceRange=bare)]).indicator("magnesium-low") == "info"


@for_each(
    ("value", "unit", "high", "card"),
    [("1.08", "mmol/L", "1.10", False), ("1.10", "mmol/L", "1.10", False), ("1.11", "mmol/L", "1.10", True),
     ("1.08", "mmol/L", None, True), ("2.6", "mg/dL", "2.6", False), ("2.61", "mg/dL", "2.6", True)],
)  # fmt: skip
def test_high_inside_the_laboratory_range(value, unit, high, card):
    """HIGH at or below the own high raises no card (R15); magnesium orders stay closed."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg(value, unit, high=high)])
    assert (seen.m, "magnesium-high" in seen.topics) == ("HIGH", card)
    assert MG_ORDER not in seen.drugs
