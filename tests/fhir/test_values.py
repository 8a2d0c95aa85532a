"""The forms a value comes in (decision table, section 4.4) and haemolysed samples."""

from __future__ import annotations

from decimal import Decimal

from cds_service.clinical.facts import Kind, Source
from tests.support.for_each import for_each
from tests.support.patients import UCUM, ask, codings, derive, exact, lab, mg, pth, quantity, read, span, vitd


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


@for_each(
    ("text", "expected"),
    [
        ("14.2 ng/mL", point("14.2")),
        ("14,2 ng/mL", point("14.2")),
        ("12,50 ng/mL", point("12.5")),
        ("0,500 ng/mL", point("0.5")),
        ("012,500 ng/mL", point("12.5")),
        ("1250,500 ng/mL", point("1250.5")),
        ("12,5000 ng/mL", point("12.5")),
        ("1.250 ng/mL", point("1.25")),
        ("125.000 ng/mL", point("125")),
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
        ("14. ng/mL", "blocked"),
        (".5 ng/mL", "blocked"),
        ("14e1 ng/mL", "blocked"),
        ("\u0661\u0664 ng/mL", "blocked"),
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


TWO_WAYS = ["1,250", "14,000", "125,000", "<1,250", "1,234.5", "1.234.5", "1,250,000", "1.250.000", "1.250,5", "0,1,2"]


@for_each("number", TWO_WAYS)
def test_numbers_that_can_be_read_two_ways(number):
    """A comma before exactly three digits may separate thousands, and so may one of several separators: blocked."""
    (found,) = read(vitamin_d=[lab("62292-8", None, valueString=f"{number} ng/mL")]).vitamin_d
    assert (found.kind, found.shown) == (Kind.BLOCKED, f"{number} ng/mL")
    seen = ask(vitamin_d=[lab("62292-8", None, valueString=f"{number} ng/mL"), vitd("15", day="2026-01-10")])
    assert (seen.d, "the value can be read two ways" in seen.summary("unusable-result")) == ("INDET", True)


@for_each("value", [{"valueString": "1,250 pg/mL"}, {"valueCodeableConcept": {"text": "250 pg/mL"}}])
def test_a_companion_that_cannot_be_read_is_passed_over(value):
    """Section 4.5: the next older PTH decides, and K-DATA says nothing of it."""
    chemistry = [lab("2731-8", None, **value), pth("40", day="2026-01-10")]
    found = derive(pth=chemistry)
    assert [result.kind for result in found.facts.pth] == [Kind.BLOCKED, Kind.USABLE]
    assert "unusable-result" not in ask(pth=chemistry).topics


@for_each(
    ("text", "state"), [("0.62 mmol/L L", "LOW"), ("1,5 mg/dL", "LOW"), ("1.24 mEq/L", "LOW"), ("<0.5 mmol/L", "SEV")]
)
def test_value_string_of_magnesium(text, state):
    """The same grammar with the units of magnesium."""
    assert ask(magnesium=[lab("2601-3", None, valueString=text)]).m == state


@for_each(
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


@for_each("comparator", ["<>", "~", "", "less than"])
def test_an_unknown_comparator_blocks(comparator):
    """What another comparator means is not guessed, beside a number or beside one written as a string."""
    for value in (exact("14"), "14"):
        quantity = {"value": value, "comparator": comparator, "unit": "ng/mL"}
        (found,) = read(vitamin_d=[lab("62292-8", None, valueQuantity=quantity)]).vitamin_d
        assert (found.kind, found.reported) == (Kind.BLOCKED, None)


@for_each(
    ("value", "elements", "expected"),
    [
        ("14.2", {"unit": "ng/mL"}, point("14.2")),
        ("14,2", {"unit": "ng/mL"}, point("14.2")),
        (" 14 ", {"unit": "ng/mL"}, point("14")),
        ("014", {"unit": "ng/mL"}, point("14")),
        ("<4", {"unit": "ng/mL"}, below("4")),
        ("4", {"comparator": "<", "unit": "ng/mL"}, below("4")),
        ("<4", {"comparator": "<", "unit": "ng/mL"}, below("4")),
        ("<4", {"comparator": "<=", "unit": "ng/mL"}, "blocked"),
        ("4", {"comparator": "ad", "unit": "ng/mL"}, "empty"),
        ("14 ng/mL", {}, point("14")),
        ("14 ug/L H", {"unit": "ng/mL"}, point("14")),
        ("14 nmol/L", {"unit": "ng/mL"}, "blocked"),
        ("14 ng/mL", {"unit": "furlong"}, "blocked"),
        ("14 furlongs", {"unit": "ng/mL"}, "blocked"),
        ("1,250", {"unit": "ng/mL"}, "blocked"),
        ("14", {}, "blocked"),
        ("14 (LOQ)", {"unit": "ng/mL"}, "blocked"),
        ("1e1", {"unit": "ng/mL"}, "blocked"),
        ("QNS", {"unit": "ng/mL"}, "empty"),
        ("", {"unit": "ng/mL"}, "empty"),
    ],
)
def test_a_value_written_as_a_string(value, elements, expected):
    """By the rule of text, with the unit and comparator beside it; what disagrees with them is blocked."""
    (found,) = read(vitamin_d=[lab("62292-8", None, valueQuantity={"value": value, **elements})]).vitamin_d
    assert told(found) == expected


@for_each(
    ("elements", "shown", "unit", "reported"),
    [
        ({"valueQuantity": quantity("14")}, "14", "", "14"),
        ({"valueQuantity": quantity("<14.50")}, "<14.50", "", "14.5"),
        ({"valueQuantity": quantity("14", "furlong")}, "14", "furlong", "14"),
        ({"valueQuantity": quantity("14", "pg/mL")}, "14", "pg/mL", "14"),
        ({"valueQuantity": quantity("14", "ng/mL") | {"unit": "nmol/L"}}, "14", "nmol/L", "14"),
        ({"valueQuantity": {"value": "14,5"}}, "14.5", "", "14.5"),
        ({"valueString": "14"}, "14", "", "14"),
        ({"valueString": "<14 H"}, "<14", "", "14"),
        ({"valueString": "14 pg/mL"}, "14", "pg/mL", "14"),
        ({"valueString": "14 (LOQ)"}, "14 (LOQ)", "", None),
        ({"valueCodeableConcept": {"text": "14 ng/mL"}}, "14 ng/mL", "", None),
        ({"valueQuantity": quantity("-14", "furlong")}, "", "furlong", None),
        ({"valueQuantity": quantity("1e30", "furlong")}, "", "furlong", None),
    ],
)
def test_what_a_blocked_result_reports(elements, shown, unit, reported):
    """Section 5 compares the number of a blocked result, where there is one, with that of its twin; a card shows it."""
    (found,) = read(vitamin_d=[lab("62292-8", None, **elements)]).vitamin_d
    assert (found.kind, found.shown, found.unit) == (Kind.BLOCKED, shown, unit)
    assert found.reported == (None if reported is None else Decimal(reported))


@for_each(
    ("low", "high", "expected"),
    [("12", "18", ("12", "18", True, True)), ("160", None, above("160", closed=True)),
     (None, "15", below("15", closed=True)), ("15", "15", point("15"))],
)  # fmt: skip
def test_value_range(low, high, expected):
    """A valueRange is an interval with its ends."""
    (found,) = read(vitamin_d=[lab("62292-8", None, valueRange=span(low, high, "ng/mL"))]).vitamin_d
    assert told(found) == expected


@for_each(
    ("low", "high", "expected"),
    [
        ({"value": "12,5", "unit": "ng/mL"}, {"value": "18", "unit": "ng/mL"}, ("12.5", "18", True, True)),
        ({"value": "1,250", "unit": "ng/mL"}, None, "blocked"),
        ({"value": exact("12"), "unit": "ng/mL"}, {"value": exact("18")}, "blocked"),
        ({"value": exact("12")}, {"value": exact("18"), "unit": "ng/mL"}, "blocked"),
        ({"value": exact("12"), "unit": "ng/mL"}, {"value": exact("18"), "unit": "nmol/L"}, "blocked"),
        ({"value": exact("12"), "unit": "ng/mL", "comparator": ">"}, None, "blocked"),
        ({"unit": "ng/mL"}, {"unit": "ng/mL"}, "empty"),
    ],
)
def test_odd_value_ranges(low, high, expected):
    """Ends as strings are read by the rule of text; ends in two units, or without one, are blocked."""
    ends = {name: end for name, end in (("low", low), ("high", high)) if end is not None}
    (found,) = read(vitamin_d=[lab("62292-8", None, valueRange=ends)]).vitamin_d
    assert told(found) == expected


@for_each(
    ("concept", "kind"),
    [
        ({"text": "<4 ng/mL"}, Kind.BLOCKED),
        ({"text": "14"}, Kind.BLOCKED),
        ({"text": "quantity not sufficient"}, Kind.EMPTY),
        ({"text": ""}, Kind.EMPTY),
        (codings("LA6576-8", display="3+"), Kind.EMPTY),
        ({"text": "deficient", **codings("LA6576-8")}, Kind.EMPTY),
    ],
)
def test_value_codeable_concept(concept, kind):
    """A digit in its text may be a measurement that cannot be read; without one it says nothing."""
    (found,) = read(vitamin_d=[lab("62292-8", None, valueCodeableConcept=concept)]).vitamin_d
    assert found.kind == kind


@for_each(
    "elements",
    [
        {"valueRatio": {"numerator": quantity("14", "ng/mL"), "denominator": quantity("1", "mL")}},
        {"valueInteger": 14},
        {"valueBoolean": True},
        {"dataAbsentReason": codings("unknown", system="http://terminology.hl7.org/CodeSystem/data-absent-reason")},
        {"dataAbsentReason": {"text": "not performed"}, "valueQuantity": quantity("14", "ng/mL")},
        {},
        {"valueQuantity": {"unit": "ng/mL", "system": UCUM, "code": "ng/mL"}},
    ],
    ids=["ratio", "integer", "boolean", "absent", "absent with a value", "nothing", "no number"],
)
def test_empty_forms(elements):
    """Other value types and an absent reason are empty; nothing but empty results is INDET."""
    observation = lab("62292-8", None, **elements)
    (found,) = read(vitamin_d=[observation]).vitamin_d
    assert (found.kind, ask(vitamin_d=[observation]).d) == (Kind.EMPTY, "INDET")


@for_each("flag", ["L", "LL", "H", "HH", "A"])
@for_each(("value", "state"), [("15", "DEF"), ("40", "OK"), ("160", "TOX")])
def test_the_interpretation_never_sets_a_band(flag, value, state):
    """`interpretation` is not read."""
    told_flag = codings(flag, system="http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation")
    assert ask(vitamin_d=[vitd(value, interpretation=[told_flag])]).d == state


def test_decimals_are_exact():
    """Section 4.2: decimal arithmetic; 29.999999999999999 is not 30."""
    assert ask(vitamin_d=[vitd("29.999999999999999")]).d == "INS"
    (found,) = read(vitamin_d=[vitd("14.20")]).vitamin_d
    assert found.interval.bound == Decimal("14.20")


@for_each("number", [exact("1e400"), exact("-5"), "fourteen", True, [14], {}])
def test_impossible_numbers_never_drive_a_state(number):
    """A number that no laboratory prints, or text in its place, gives no band and no order."""
    value = {"value": number, "unit": "ng/mL"}
    seen = ask(vitamin_d=[lab("62292-8", None, valueQuantity=value)], magnesium=[mg("0.9")])
    assert (seen.d in ("UNK", "INDET"), seen.drugs) == (True, [])


BANDS = [("0.4", "SEV"), ("0.6", "LOW"), ("0.8", "INDET"), ("0.9", "INDET"), ("1.5", "INDET"), ("2.5", "INDET")]


@for_each(("value", "state"), BANDS)
def test_haemolysed_magnesium(value, state):
    """A haemolysed sample reads falsely high: from LAT up it is blocked; SEV and LOW stand."""
    assert ask(magnesium=[mg(value, note=[{"text": "Sample haemolysed"}])]).m == state


@for_each(
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


@for_each(
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


@for_each(
    ("components", "shown"),
    [
        ([("2601-3", "0.62", "mmol/L")], "0.62"),
        ([("2600-5", "0.5", "mmol/L"), ("2601-3", "0.62", "mmol/L")], "0.62"),
        ([("62292-8", "15", "ng/mL"), ("2601-3", "0.62", "mmol/L")], "0.62"),
    ],
)
def test_components_are_read_by_their_own_codes(components, shown):
    """Components of a panel that measures nothing itself."""
    assert derive(magnesium=[lab("24323-8", None, component=parts(*components))]).m.result.shown == shown


def parts(*components):
    """Components by code, value and unit."""
    return [{"code": codings(c), "valueQuantity": quantity(v, u)} for c, v, u in components]


@for_each("panel", ["49590-3", "43134-6"])
def test_components_of_a_denied_panel_are_read(panel):
    """Section 3.3: 49590-3 has no value of its own; its components are read, the total before the sum."""
    listed = parts(
        ("1989-3", "9", "ng/mL"), ("49054-0", "8", "ng/mL"), ("62292-8", "31", "ng/mL"), ("1649-3", "5", "pg/mL")
    )
    found = derive(vitamin_d=[lab(panel, None, component=listed)])
    assert (found.d.result.shown, found.d.result.form, found.facts.calcitriol_on_file) == ("31", "total", True)
    assert derive(vitamin_d=[lab(panel, None, component=listed[:2])]).d.result.shown == "17"


@for_each(
    ("own", "components", "kinds"),
    [
        ({"valueCodeableConcept": {"text": "see components"}}, [("2601-3", "0.62", "mmol/L")], [Kind.USABLE]),
        ({"valueCodeableConcept": {"text": "0.62"}}, [("2345-7", "95", "mg/dL")], [Kind.BLOCKED]),
        ({"valueCodeableConcept": {"text": "low"}}, [("2345-7", "95", "mg/dL")], [Kind.EMPTY]),
        ({}, [("2345-7", "95", "mg/dL")], [Kind.EMPTY]),
    ],
)
def test_a_panel_with_a_value_of_its_own(own, components, kinds):
    """Its own empty value counts only where no component measures anything."""
    found = read(magnesium=[lab("2601-3", None, component=parts(*components), **own)]).magnesium
    assert [result.kind for result in found] == kinds


def test_components_of_an_unreadable_status_are_blocked():
    """What may be entered in error is not used: neither the panel's own value nor that of a component."""
    found = read(magnesium=[lab("24323-8", None, status=5, component=parts(("2601-3", "0.62", "mmol/L")))]).magnesium
    assert [result.kind for result in found] == [Kind.BLOCKED]


def test_nulls_among_components_and_notes():
    """A null in an array takes nothing from what stands beside it."""
    listed = [None, *parts(("2601-3", "0.9", "mmol/L")), None]
    (found,) = read(magnesium=[lab("24323-8", None, component=listed, note=[None, {"text": "haemolysed"}])]).magnesium
    assert (found.shown, found.haemolysed) == ("0.9", True)


def test_a_component_that_cannot_be_read_leaves_its_source_partial():
    """It could be any test: what stands beside it counts, and the gates that read the source are closed."""
    listed = [{"code": codings("2601-3"), "valueString": 5}, *parts(("2601-3", "0.72", "mmol/L"))]
    found = read(magnesium=[lab("24323-8", None, component=listed)])
    assert ([result.shown for result in found.magnesium], found.known(Source.MAGNESIUM)) == (["0.72"], False)
