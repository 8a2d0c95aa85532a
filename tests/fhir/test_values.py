"""The forms a value comes in (decision table, section 4.4) and haemolysed samples."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.clinical.facts import Kind
from tests.support.patients import UCUM, ask, codings, derive, exact, lab, mg, quantity, read, span, vitd


def told(found):
    """A result as low, high and whether each end is closed, or its kind."""
    if found.interval is None:
        return str(found.kind)
    value = found.interval
    ends = tuple(None if end is None else format(end.normalize(), "f") for end in (value.low, value.high))
    return (*ends, value.low_closed if ends[0] else None, value.high_closed if ends[1] else None)


def point(number):
    """A plain value."""
    return (number, number, True, True)


def below(number, *, closed=False):
    """Below a limit."""
    return (None, number, None, closed)


def above(number, *, closed=False):
    """Above a limit."""
    return (number, None, closed, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14.2 ng/mL", point("14.2")),
        ("14,2 ng/mL", point("14.2")),
        ("14 ng/mL", point("14")),
        ("14.2ng/mL", point("14.2")),
        ("  14.2   ng/mL  ", point("14.2")),
        ("14.2 ng/mL L", point("14.2")),
        ("14.2 ng/mL LL", point("14.2")),
        ("14.2 ng/mL L*", point("14.2")),
        ("151 ng/mL HH*", point("151")),
        ("<4 ng/mL", below("4")),
        ("< 4 ng/mL", below("4")),
        ("<=4 ng/mL", below("4", closed=True)),
        (">150 ng/mL", above("150")),
        (">=150 ng/mL H", above("150", closed=True)),
        ("35 nmol/L", point("35")),
        ("14", "blocked"),
        ("<4", "blocked"),
        ("<4 (LOQ)", "blocked"),
        ("<4 ng/mL (LOQ)", "blocked"),
        ("14 ng/mL 2026", "blocked"),
        ("about 14 ng/mL", "blocked"),
        ("12-15 ng/mL", "blocked"),
        ("1.234.5 ng/mL", "blocked"),
        ("1,234.5 ng/mL", "blocked"),
        ("-14 ng/mL", "blocked"),
        ("14 furlongs", "blocked"),
        ("14 pg/mL", "blocked"),
        ("14 ng/mL HLH", "blocked"),
        ("~14 ng/mL", "blocked"),
        ("QNS", "empty"),
        ("see comment", "empty"),
        ("hemolyzed", "empty"),
        ("ng/mL", "empty"),
        ("<", "empty"),
        ("", "empty"),
    ],
)
def test_value_string(text, expected):
    """A number, a known unit and a flag are read; other text is blocked with a digit in it, else empty."""
    (found,) = read(vitamin_d=[lab("62292-8", None, valueString=text)]).vitamin_d
    assert told(found) == expected


@pytest.mark.parametrize(
    ("text", "state"), [("0.62 mmol/L L", "LOW"), ("1,5 mg/dL", "LOW"), ("1.24 mEq/L", "LOW"), ("<0.5 mmol/L", "SEV")]
)
def test_value_string_of_magnesium(text, state):
    """The same grammar with the units of magnesium."""
    assert ask(magnesium=[lab("2601-3", None, valueString=text)]).m == state


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("14.2", point("14.2")),
        ("<4", below("4")),
        ("<=4", below("4", closed=True)),
        (">150", above("150")),
        (">=150", above("150", closed=True)),
        ("ad14", "empty"),
    ],
)
def test_value_quantity(value, expected):
    """A comparator makes an interval, open or closed; R5's `ad` makes it empty."""
    (found,) = read(vitamin_d=[vitd(value)]).vitamin_d
    assert told(found) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [("12", "18", ("12", "18", True, True)), ("160", None, above("160", closed=True)),
     (None, "15", below("15", closed=True)), ("15", "15", point("15"))],
)  # fmt: skip
def test_value_range(low, high, expected):
    """A valueRange is an interval with its ends."""
    (found,) = read(vitamin_d=[lab("62292-8", None, valueRange=span(low, high, "ng/mL"))]).vitamin_d
    assert told(found) == expected


@pytest.mark.parametrize(
    "elements",
    [
        {"valueCodeableConcept": codings("LA6576-8")},
        {"valueRatio": {"numerator": quantity("14", "ng/mL"), "denominator": quantity("1", "mL")}},
        {"valueInteger": 14},
        {"valueBoolean": True},
        {"dataAbsentReason": codings("unknown", system="http://terminology.hl7.org/CodeSystem/data-absent-reason")},
        {"dataAbsentReason": {"text": "not performed"}, "valueQuantity": quantity("14", "ng/mL")},
        {},
        {"valueQuantity": {"unit": "ng/mL", "system": UCUM, "code": "ng/mL"}},
    ],
    ids=["concept", "ratio", "integer", "boolean", "absent", "absent with a value", "nothing", "no number"],
)
def test_empty_forms(elements):
    """Other value types and an absent reason are empty; nothing but empty results is INDET."""
    observation = lab("62292-8", None, **elements)
    (found,) = read(vitamin_d=[observation]).vitamin_d
    assert (found.kind, ask(vitamin_d=[observation]).d) == (Kind.EMPTY, "INDET")


@pytest.mark.parametrize("flag", ["L", "LL", "H", "HH", "A"])
@pytest.mark.parametrize(("value", "state"), [("15", "DEF"), ("40", "OK"), ("160", "TOX")])
def test_the_interpretation_never_sets_a_band(flag, value, state):
    """`interpretation` is not read."""
    told_flag = codings(flag, system="http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation")
    assert ask(vitamin_d=[vitd(value, interpretation=[told_flag])]).d == state


def test_decimals_are_exact():
    """Section 4.2: decimal arithmetic; 29.999999999999999 is not 30."""
    assert ask(vitamin_d=[vitd("29.999999999999999")]).d == "INS"
    (found,) = read(vitamin_d=[vitd("14.20")]).vitamin_d
    assert found.interval.bound == Decimal("14.20")


@pytest.mark.parametrize("number", [exact("1e400"), exact("-5"), "fourteen", True, [14], {}])
def test_impossible_numbers_never_drive_a_state(number):
    """A number that no laboratory prints, or text in its place, gives no band and no order."""
    value = {"value": number, "unit": "ng/mL"}
    seen = ask(vitamin_d=[lab("62292-8", None, valueQuantity=value)], magnesium=[mg("0.9")])
    assert (seen.d in ("UNK", "INDET"), seen.drugs) == (True, [])


BANDS = [("0.4", "SEV"), ("0.6", "LOW"), ("0.8", "INDET"), ("0.9", "INDET"), ("1.5", "INDET"), ("2.5", "INDET")]


@pytest.mark.parametrize(("value", "state"), BANDS)
def test_haemolysed_magnesium(value, state):
    """A haemolysed sample reads falsely high: from LAT up it is blocked; SEV and LOW stand."""
    assert ask(magnesium=[mg(value, note=[{"text": "Sample haemolysed"}])]).m == state


@pytest.mark.parametrize(
    "elements",
    [
        {"note": [{"text": "Specimen hemolyzed."}]},
        {"note": [{"text": "HAEMOLYSED ++"}]},
        {"note": [{"text": "Reviewed"}, {"text": "moderate hemolysis"}]},
        {"note": [{"text": "Slight haemolysis, interpret with care"}]},
        {"comment": "hemolyzed"},
        {"comments": "haemolysed"},
    ],
    ids=["note", "capitals", "second note", "haemolysis", "STU3", "DSTU2"],
)
def test_where_haemolysis_is_said(elements):
    """Any note says it, in either spelling; `comment` in STU3, `comments` in DSTU2."""
    assert ask(magnesium=[mg("0.9", **elements)]).m == "INDET"


@pytest.mark.parametrize(
    "text",
    ["No haemolysis", "no visible hemolysis", "not hemolyzed", "Non-haemolysed sample", "without hemolysis",
     "Haemolysis: none", "Hemolysis not detected", "haemolysis absent", "fasting sample"],
)  # fmt: skip
def test_no_haemolysis(text):
    """A note that denies haemolysis does not say that the sample was haemolysed."""
    assert ask(magnesium=[mg("0.9", note=[{"text": text}])]).m == "NORM"


def test_haemolysis_is_a_matter_of_magnesium():
    """A haemolysed sample does not touch 25(OH)D."""
    assert ask(vitamin_d=[vitd("15", note=[{"text": "haemolysed"}])]).d == "DEF"


def test_haemolysis_is_said_where_the_value_stands():
    """A low value of a haemolysed sample stands, with the note in the detail."""
    seen = ask(magnesium=[mg("0.6", note=[{"text": "haemolysed"}])])
    assert "haemolysed" in seen.detail("magnesium-low")


@pytest.mark.parametrize(
    ("components", "shown"),
    [
        ([("2601-3", "0.62", "mmol/L")], "0.62"),
        ([("2600-5", "0.5", "mmol/L"), ("2601-3", "0.62", "mmol/L")], "0.62"),
        ([("62292-8", "15", "ng/mL"), ("2601-3", "0.62", "mmol/L")], "0.62"),
    ],
)
def test_components_are_read_by_their_own_codes(components, shown):
    """Components of a panel that measures nothing itself."""
    listed = [{"code": codings(c), "valueQuantity": quantity(v, u)} for c, v, u in components]
    assert derive(magnesium=[lab("24323-8", None, component=listed)]).m.result.shown == shown
