"""The laboratory's own reference ranges (decision table, section 4.6), as far as they do not depend on the patient."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cds_service.clinical.facts import OwnRange
from tests.support.for_each import for_each
from tests.support.patients import SNOMED, codings, exact, lab, mg, quantity, read

LOW, HIGH = Decimal("0.7"), Decimal("1.05")
PREGNANT = "77386006"


def own(low="0.7", high="1.05", unit="mmol/L", **elements: Any) -> Any:
    """A range of magnesium; *elements* beside its bounds."""
    ends = {name: quantity(end, unit) for name, end in (("low", low), ("high", high)) if end is not None}
    return ends | elements


def found(*ranges):
    """What is left of *ranges*: low, high and those which the patient decides."""
    (result,) = read(magnesium=[mg("0.72", referenceRange=list(ranges))]).magnesium
    return result.reference_low, result.reference_high, result.ranges


KEPT, DROPPED = (LOW, HIGH, ()), (None, None, ())


@for_each(
    ("elements", "kept"),
    [
        ({}, True),
        ({"type": codings("normal")}, True),
        ({"type": {"text": "Normal Range"}}, True),
        ({"type": codings("X1", display="NORMAL")}, True),
        ({"meaning": codings("normal")}, True),
        ({"type": {}}, True),
        ({"text": "Normal range"}, True),
        ({"type": codings("recommended")}, False),
        ({"type": codings("therapeutic")}, False),
        ({"type": codings("luteal")}, False),
        ({"type": {"text": "abnormal"}}, False),
        ({"type": codings("X1")}, False),
        ({"meaning": codings("treatment")}, False),
        ({"meaning": {"text": "Critical"}}, False),
        ({"type": codings("normal") | {"text": "normal, critical limits"}}, False),
        ({"type": codings("normal", display="Panic values")}, False),
        *(({"text": f"{word} values"}, False) for word in
          ("critical", "PANIC", "Alert", "therapeutic", "toxic", "treatment", "Absolute")),
    ],
)  # fmt: skip
def test_meaning(elements, kept):
    """Normal by code or text, or of no type; DSTU2 has `meaning`. Text that says critical and the like drops it."""
    assert found(own(**elements)) == (KEPT if kept else DROPPED)


@for_each(
    ("elements", "kept"),
    [
        ({"text": "0.70 - 1.05 mmol/L"}, True),
        ({"text": "<=1.05"}, True),
        ({"text": "≥ 0,7 and < 1.050"}, True),
        ({"text": "adults < 65 years"}, True),
        ({"text": ">1.05"}, False),
        ({"text": "> 1.05 high"}, False),
        ({"text": "<0.7"}, False),
        ({"text": "<1.0"}, False),
        ({"text": ">0.8"}, False),
        ({"text": "<1,250"}, False),
        ({"text": "<" + "9" * 50_000}, False),
        ({"low": quantity(">=0.7", "mmol/L")}, True),
        ({"high": quantity(">1.05", "mmol/L")}, False),
        ({"low": quantity("<0.7", "mmol/L")}, False),
    ],
)
def test_comparators(elements, kept):
    """A comparator that the bounds contradict drops the range; one that they keep does not."""
    assert found(own() | elements) == (KEPT if kept else DROPPED)


def test_a_comparator_without_its_bound():
    """A text of ">0.7" beside a high alone says something else than the bounds."""
    assert found(own(low=None, text=">0.7")) == DROPPED
    assert found(own(high=None, text=">0.7")) == (LOW, None, ())


@for_each(
    ("ranges", "low", "high"),
    [
        ([own(high=None)], LOW, None),
        ([own(low=None)], None, HIGH),
        ([own(None, None)], None, None),
        ([own(unit=None)], LOW, HIGH),
        ([own("1.70135", "2.552025", "mg/dL")], LOW, HIGH),
        ([own("1.4", "2.1", "meq/L")], LOW, HIGH),
        ([own(high=None) | {"high": quantity("2.5", "furlong")}], LOW, None),
        ([own(unit="furlong")], None, None),
        ([own(high=None) | {"high": {"value": "1,05", "unit": "mmol/L"}}], LOW, HIGH),
        ([own(high=None) | {"high": {"value": "1,050", "unit": "mmol/L"}}], LOW, None),
        ([own(high=None) | {"high": {"value": "n/a", "unit": "mmol/L"}}], LOW, None),
        ([own(high=None) | {"high": {"value": exact("-1"), "unit": "mmol/L"}}], LOW, None),
        ([own("1.05", "0.7")], None, None),
        ([own(high=None) | {"high": quantity("1.05", "mmol/L") | {"unit": "mg/dL"}}], LOW, None),
    ],
    ids=["low", "high", "neither", "no unit", "mg/dL", "mEq/L", "high unknown", "both unknown", "comma", "two ways",
         "text", "negative", "upside down", "unit conflict"],
)  # fmt: skip
def test_bounds(ranges, low, high):
    """In the unit of the value, which a bound without a unit has; one that cannot be read is no bound."""
    assert found(*ranges) == (low, high, ())


@for_each(
    ("code", "value", "unit", "bounds", "bound_unit", "expected"),
    [
        # 1 mmol/L of calcium is 4.0078 mg/dL, or 2 mEq/L; 1 pg/mL of PTH is 0.1061 pmol/L
        ("1995-0", "1.40", "mmol/L", ("4.488736", "5.290296"), "mg/dL", ("1.12", "1.32")),
        ("17863-2", "5.6", "mg/dL", ("1.12", "1.32"), "mmol/L", ("4.488736", "5.290296")),
        ("1995-0", "1.40", "mmol/L", ("2.24", "2.64"), "meq/L", ("1.12", "1.32")),
        ("1995-0", "1.40", "mmol/L", ("1.12", "1.32"), "mmol/L", ("1.12", "1.32")),
        ("2731-8", "70", "pg/mL", ("1.6", "6.9"), "pmol/L", ("15.080113", "65.032988")),
        ("14866-8", "7", "pmol/L", ("15", "65"), "ng/L", ("1.5915", "6.8965")),
    ],
)
def test_bounds_in_another_unit(code, value, unit, bounds, bound_unit, expected):
    """Bounds are converted to the unit of the value, across mass and mole too."""
    result = lab(code, value, unit) | {"referenceRange": [own(bounds[0], bounds[1], bound_unit)]}
    facts = read(chemistry=[result])
    (one,) = facts.calcium or facts.pth
    assert (round(one.reference_low, 6), round(one.reference_high, 6)) == tuple(map(Decimal, expected))


def test_the_same_range_counts_once():
    """The same low and high, in whatever unit, is one range."""
    assert found(own(), own("1.70135", "2.552025", "mg/dL"), own("0.70", "1.050")) == KEPT


def test_ranges_that_differ_are_left_to_the_patient():
    """Several that differ are kept as they are, and none is the own range yet."""
    assert found(own(), own("0.75")) == (None, None, (OwnRange(LOW, HIGH), OwnRange(Decimal("0.75"), HIGH)))


def test_only_those_left_count():
    """A range that is dropped is none beside the one that is left."""
    assert found(own("0.4", "2.0", text="Critical"), own(), own(None, None), own("1.6", "2.6", "furlong")) == KEPT


@for_each(
    ("age", "low", "high"),
    [
        ({"low": quantity("18", "a")}, "18", None),
        ({"low": quantity("0", "a"), "high": quantity("12", "a")}, "0", "12"),
        ({"high": quantity("216", "mo")}, None, "18"),
        ({"high": {"value": exact("18"), "unit": "years"}}, None, "18"),
        ({"high": {"value": exact("18"), "code": "a", "unit": "Jahre"}}, None, "18"),
        ({"low": quantity("730.5", "d")}, "2", None),
        ({"low": {"value": "18", "unit": "Yrs"}}, "18", None),
    ],
)
def test_age(age, low, high):
    """The ages a range is for, in years; the patient decides."""
    youngest, oldest = (None if end is None else Decimal(end) for end in (low, high))
    expected = OwnRange(LOW, HIGH, age_low=youngest, age_high=oldest)
    assert found(own(age=age)) == (None, None, (expected,))


@for_each(
    "age",
    [
        {},
        {"low": quantity("18", "furlong")},
        {"low": quantity("18")},
        {"low": quantity(">18", "a")},
        {"low": {"value": "adult", "unit": "a"}},
        {"low": quantity("18", "a"), "high": quantity("65", "x")},
        {"low": quantity("18", "a") | {"unit": "months"}},
        {"low": quantity("18", "x") | {"unit": "years"}},
        "adults",
    ],
)
def test_an_age_that_cannot_be_read_drops_the_range(age):
    """It may be for somebody else: unknown never unlocks."""
    assert found(own(age=age)) == DROPPED


@for_each(
    ("concepts", "sex", "pregnancy"),
    [
        ([codings("male")], "male", False),
        ([codings("F")], "female", False),
        ([codings("248153007", system=SNOMED)], "male", False),
        ([codings("248152002", system=SNOMED)], "female", False),
        ([{"text": "Female"}], "female", False),
        ([{"text": "adult men"}], "male", False),
        ([{"text": "post-menopausal women"}], "female", False),
        ([codings(PREGNANT, system=SNOMED)], None, True),
        ([{"text": "Pregnancy, third trimester"}], None, True),
        ([codings("female"), {"text": "pregnant"}], "female", True),
    ],
)
def test_whom_a_range_is_for(concepts, sex, pregnancy):
    """Sex by administrative-gender, v3, SNOMED CT or words, and pregnancy; the patient decides."""
    assert found(own(appliesTo=concepts)) == (None, None, (OwnRange(LOW, HIGH, sex, pregnancy),))


@for_each(
    ("concepts", "kept"),
    [
        ([], True),
        ([codings("male"), codings("female")], True),
        ([{"text": "Male and female"}], True),
        ([codings("2106-3", display="White")], True),
        ([{"text": "BMI below 30 kg/m2"}], True),
        ([codings("other")], False),
        ([codings("UN")], False),
        ([codings("X17")], False),
        ([{}], False),
        ([{"text": "non-pregnant women"}], False),
        ("female", False),
        ({"text": "male"}, False),
    ],
)
def test_ranges_for_everybody_and_for_nobody_known(concepts, kept):
    """Both sexes, or words that name neither, are everybody; what cannot be read drops the range."""
    assert found(own(appliesTo=concepts)) == (KEPT if kept else DROPPED)


@for_each("odd", [None, 5, "0.7-1.05", {"type": "critical"}, {"low": 0.4}, {"text": 5}])
def test_a_range_that_cannot_be_read_spoils_no_other(odd):
    """What is no range is none; those beside it are read."""
    assert found(odd, own()) == KEPT


@for_each("ranges", [[], None, "0.7-1.05", {"low": quantity("0.7", "mmol/L")}])
def test_no_list_of_ranges(ranges):
    """Anything but a list is no range, and the result is read."""
    (result,) = read(magnesium=[mg("0.72") | {"referenceRange": ranges}]).magnesium
    assert (result.shown, result.reference_low, result.ranges) == ("0.72", None, ())


def test_a_component_has_ranges_of_its_own():
    """Those of a component are read, and those of the panel are not the component's."""
    part = {"code": codings("2601-3"), "valueQuantity": quantity("0.72", "mmol/L"), "referenceRange": [own()]}
    panel = lab("24323-8", None, component=[part], referenceRange=[own("0.4", "2.0")])
    (result,) = read(magnesium=[panel]).magnesium
    assert (result.reference_low, result.reference_high) == (LOW, HIGH)
