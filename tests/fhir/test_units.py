"""Units of results (decision table, sections 4.1, 4.2 and 4.3): factors, spellings, which element is trusted."""

from __future__ import annotations

from decimal import Decimal

from cds_service.clinical.facts import Kind
from tests.support.for_each import for_each
from tests.support.patients import UCUM, albumin, ask, calcium, creatinine, exact, lab, mg, read, vitd

VITAMIN_D_UNITS = [
    ("ng/mL", "14", "mass", "ng/mL"),
    ("ng/ml", "14", "mass", "ng/mL"),
    ("NG/ML", "14", "mass", "ng/mL"),
    ("Ng/mL", "14", "mass", "ng/mL"),
    ("ug/L", "14", "mass", "ug/L"),
    ("ug/l", "14", "mass", "ug/L"),
    ("\u00b5g/L", "14", "mass", "ug/L"),
    ("\u03bcg/L", "14", "mass", "ug/L"),
    ("mcg/L", "14", "mass", "ug/L"),
    ("nmol/L", "14", "molar", "nmol/L"),
    ("nmol/l", "14", "molar", "nmol/L"),
    ("NMOL/L", "14", "molar", "nmol/L"),
    ("ng/dL", "0.14", "mass", "ng/dL"),
]
MAGNESIUM_UNITS = [
    # 2.4305 mg/dL = 1 mmol/L = 2 mEq/L
    ("mg/dL", "2.4305", "mass", "mg/dL"),
    ("mg/dl", "2.4305", "mass", "mg/dL"),
    ("MG/DL", "2.4305", "mass", "mg/dL"),
    ("mg%", "2.4305", "mass", "mg/dL"),
    ("mmol/L", "1", "molar", "mmol/L"),
    ("mmol/l", "1", "molar", "mmol/L"),
    ("mM", "1", "molar", "mmol/L"),
    ("MMOL/L", "1", "molar", "mmol/L"),
    ("meq/L", "2", "equivalent", "mEq/L"),
    ("meq/l", "2", "equivalent", "mEq/L"),
    ("mEq/L", "2", "equivalent", "mEq/L"),
    ("MEQ/L", "2", "equivalent", "mEq/L"),
    ("mEq/l", "2", "equivalent", "mEq/L"),
    ("mval/L", "2", "equivalent", "mEq/L"),
    ("mg/L", "24.305", "mass", "mg/L"),
]


OID = "urn:oid:2.16.840.1.113883.6.8"
"""UCUM by its OID (section 22)."""


def spelled(code, number, unit, how):
    """A result whose unit is told by *how*: in the text, in the UCUM code, in a code without a system."""
    elements = {"text": {"unit": unit}, "UCUM": {"system": UCUM, "code": unit}, "code": {"code": unit}}[how]
    return lab(code, None, valueQuantity={"value": exact(number), **elements})


@for_each("how", ["text", "UCUM", "code"])
@for_each(("unit", "value", "family", "shown"), VITAMIN_D_UNITS)
def test_spellings_of_25ohd(unit, value, family, shown, how):
    """Section 4.3: every spelling, wherever it stands, and its normal form; ng/dL is divided by 100."""
    (found,) = read(vitamin_d=[spelled("62292-8", "14", unit, how)]).vitamin_d
    assert (found.interval.bound, found.family, found.unit) == (Decimal(value), family, shown)


@for_each("how", ["text", "UCUM", "code"])
@for_each(("unit", "number", "family", "shown"), MAGNESIUM_UNITS)
def test_spellings_of_magnesium(unit, number, family, shown, how):
    """Sections 4.1 and 4.3: each is exactly 1 mmol/L."""
    (found,) = read(magnesium=[spelled("35249-2", number, unit, how)]).magnesium
    assert (found.interval.bound, found.family, found.unit) == (Decimal(1), family, shown)


@for_each(
    ("code", "unit"),
    [
        ("62292-8", "pg/mL"),
        ("68438-1", "pmol/L"),
        ("62292-8", "mg/dL"),
        ("62292-8", "IU/L"),
        ("62292-8", "ng"),
        ("62292-8", "furlong"),
        ("62292-8", None),
        ("2601-3", "ng/mL"),
        ("2601-3", "umol/L"),
        ("19123-9", "mg"),
        ("19123-9", None),
    ],
)
def test_unknown_units_block(code, unit):
    """Sections 4.3 and 4.5: no unit, or one of something else, is blocked; for 25(OH)D also pg/mL and pmol/L."""
    source = "vitamin_d" if code in ("62292-8", "68438-1") else "magnesium"
    result = lab(code, None, valueQuantity={"value": exact("14"), **({} if unit is None else {"unit": unit})})
    (found,) = getattr(read(**{source: [result]}), source)
    assert found.kind == Kind.BLOCKED


@for_each(
    ("quantity", "unit"),
    [
        ({"system": UCUM, "code": "ng/mL", "unit": "Nanogram per millilitre"}, "ng/mL"),
        ({"system": UCUM, "code": "ng/mL", "unit": "ug/L"}, "ng/mL"),
        ({"code": "nmol/L", "unit": "Nanomol"}, "nmol/L"),
        ({"system": "http://hospital.example/units", "code": "nmol/L", "unit": "ng/mL"}, "ng/mL"),
        ({"unit": "nmol/L"}, "nmol/L"),
        ({"system": OID, "code": "nmol/L", "unit": "Nanomol"}, "nmol/L"),
        ({"system": OID, "code": "nmol/L", "unit": "ng/mL"}, None),
        ({"system": OID, "code": "furlong", "unit": "ng/mL"}, None),
        ({"system": UCUM, "code": "nmol/L", "unit": "ng/mL"}, None),
        ({"system": UCUM, "code": "ng/mL", "unit": "ng/dL"}, None),
        ({"code": "ng/mL", "unit": "nmol/L"}, None),
        ({"system": UCUM, "code": "ng/mL", "unit": "pg/mL"}, None),
        ({"system": "http://hospital.example/units", "code": "ng/mL"}, None),
    ],
)
def test_which_unit_of_25ohd_is_trusted(quantity, unit):
    """Section 4.3: the UCUM code, a code without a system, the text; code and text a factor of 2 apart: blocked."""
    (found,) = read(vitamin_d=[lab("62292-8", None, valueQuantity={"value": exact("14"), **quantity})]).vitamin_d
    assert (found.kind, found.unit if unit else None) == (Kind.USABLE if unit else Kind.BLOCKED, unit)


@for_each(
    ("code", "text", "kind"),
    [
        ("mmol/L", "mEq/L", Kind.BLOCKED),
        ("mg/dL", "mmol/L", Kind.BLOCKED),
        ("mg/dL", "mg/L", Kind.BLOCKED),
        ("mmol/L", "mM", Kind.USABLE),
        ("meq/L", "mval/L", Kind.USABLE),
        ("mg/dL", "mg%", Kind.USABLE),
        ("mg/dL", "mg/mL", Kind.USABLE),
    ],
)
def test_conflicting_units_of_magnesium(code, text, kind):
    """Section 4.3: mmol/L and mEq/L differ by exactly 2: a conflict; an unknown text conflicts with nothing."""
    value = {"value": exact("0.9"), "system": UCUM, "code": code, "unit": text}
    (found,) = read(magnesium=[lab("35249-2", None, valueQuantity=value)]).magnesium
    assert found.kind == kind


def test_a_conflict_raises_k_data():
    """Section 4.3: a conflict is blocked, and K-DATA asks for the test again."""
    value = {"value": exact("14"), "system": UCUM, "code": "nmol/L", "unit": "ng/mL"}
    seen = ask(vitamin_d=[lab("62292-8", None, valueQuantity=value)], magnesium=[mg("0.9")])
    assert (seen.d, seen.suggestions("unusable-result")) == ("INDET", [["SR:62292-8"]])


@for_each(
    ("code", "value", "unit", "states"),
    [
        ("2601-3", "1.5", "mg/dL", ("UNK", "LOW")),
        ("19123-9", "0.62", "mmol/L", ("UNK", "LOW")),
        ("62292-8", "35", "nmol/L", ("DEF", "UNK")),
        ("68438-1", "15", "ng/mL", ("DEF", "UNK")),
    ],
)
def test_the_unit_is_trusted_against_the_property(code, value, unit, states):
    """Section 4.3: the unit beats the LOINC property; the detail says so and there is no K-DATA for that."""
    source = "magnesium" if states[0] == "UNK" else "vitamin_d"
    seen = ask(**{source: [lab(code, value, unit)]})
    topic = "magnesium-low" if source == "magnesium" else "vitamin-d-deficiency"
    assert (seen.states, "unusable-result" in seen.topics) == (states, False)
    assert "unit" in seen.detail(topic)


@for_each(("code", "unit"), [("62292-8", "ng/mL"), ("68438-1", "nmol/L"), ("35196-5", "nmol/L")])
def test_a_fitting_unit_is_not_noted(code, unit):
    """Section 4.3: no note where the unit fits the property, or the property is either."""
    (found,) = read(vitamin_d=[lab(code, "35", unit)]).vitamin_d
    assert "unit-property" not in found.notes


@for_each(
    ("result", "analyte", "value"),
    [
        (creatinine("88.402", "umol/L"), "creatinine", "1"),
        (lab("2160-0", "1.2", "mg/dL"), "creatinine", "1.2"),
        (albumin("42", "g/L"), "albumin", "4.2"),
        (calcium("4.8", "mEq/L"), "calcium", "2.4"),
        (calcium("2.4", "mmol/L"), "calcium", "2.4"),
        (lab("2823-3", "4.2", "mEq/L"), "potassium", "4.2"),
        (lab("8302-2", "173", "cm"), "height", "1.73"),
        (lab("8302-2", "1.73", "m"), "height", "1.73"),
        (lab("8302-2", "70", "[in_i]"), "height", "1.778"),
        (lab("8302-2", "70", "in"), "height", "1.778"),
        (lab("29463-7", "90", "kg"), "weight", "90"),
        (lab("29463-7", "90000", "g"), "weight", "90"),
        (lab("29463-7", "200", "[lb_av]"), "weight", "90.718474"),
        (lab("29463-7", "200", "lb"), "weight", "90.718474"),
    ],
)
def test_factors_of_companions(result, analyte, value):
    """Sections 4.1, 4.2 and 9.7: creatinine, albumin, calcium in mEq/L, body size."""
    (found,) = getattr(read(chemistry=[result], kidney=[], vitals=[]), analyte)
    assert round(found.interval.bound, 10) == Decimal(value)


@for_each(
    ("result", "topic", "shown", "converted"),
    [
        (vitd("14.2"), "vitamin-d-deficiency", "14.2 ng/mL", "35.4 nmol/L"),
        (vitd("35.0", "nmol/L"), "vitamin-d-deficiency", "35.0 nmol/L", "14.0 ng/mL"),
        (vitd("14.256"), "vitamin-d-deficiency", "14.26 ng/mL", "35.6 nmol/L"),
        (vitd("14.2", "ug/L"), "vitamin-d-deficiency", "14.2 ug/L", "35.4 nmol/L"),
        (mg("0.62"), "magnesium-low", "0.62 mmol/L", "1.51 mg/dL"),
        (mg("1.5", "mg/dL"), "magnesium-low", "1.5 mg/dL", "0.62 mmol/L"),
        (mg("1.24", "meq/L"), "magnesium-low", "1.24 mEq/L", "0.62 mmol/L"),
    ],
)
def test_shown_and_converted(result, topic, shown, converted):
    """Sections 4.1 and 4.2: the summary has the value as reported, the detail the converted one."""
    source = "magnesium" if topic == "magnesium-low" else "vitamin_d"
    seen = ask(**{source: [result]})
    assert shown in seen.summary(topic)
    assert converted in seen.detail(topic)


def test_a_scaled_unit_is_said():
    """Section 4.3: ng/dL is said in the detail; 1,420 ng/dL is 14.2 ng/mL."""
    seen = ask(vitamin_d=[vitd("1420", "ng/dL")])
    assert seen.d == "DEF"
    assert "unit" in seen.detail("vitamin-d-deficiency")
