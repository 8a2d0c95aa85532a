"""Which LOINC code means what (decision table, section 3): accepted, denied, mislabelled."""

from __future__ import annotations

from typing import Any

from cds_service.clinical.facts import Kind
from tests.support.for_each import for_each
from tests.support.patients import (
    EGFR_UNIT,
    ask,
    codings,
    d2,
    derive,
    exact,
    lab,
    lab_order,
    mg,
    problem,
    quantity,
    read,
    vitd,
)  # fmt: skip

CHALLENGE = (
    "57566-2", "57567-0", "57568-8", "57569-6", "57467-3", "57468-1", "57469-9", "57470-7", "57471-5", "57472-3",
    "57473-1", "57474-9",
)  # fmt: skip
PRESCRIBED = ("72030-0", "72031-8", "72032-6", "72033-4", "72034-2")
NOT_25OHD = (
    "1649-3", "14566-4", "62290-2", "62291-0", "14866-8", "1990-1", "33958-0", "2236-8", "47094-8", "1679-0", "2439-8",
    *CHALLENGE, "55814-8", "49590-3", "43134-6", "49591-1", *PRESCRIBED,
)  # fmt: skip
NOT_MAGNESIUM = (
    "65362-6", "55937-7", "2600-5", "32698-3", "73572-0", "73573-8", "19124-7", "24447-5", "2599-9", "80958-2",
    "26746-8", "2597-3", "81006-9", "81005-1", "11554-3",
)  # fmt: skip


@for_each(
    ("code", "value", "unit", "state"),
    [
        ("62292-8", "15", "ng/mL", "DEF"),
        ("49543-2", "15", "ng/mL", "DEF"),
        ("35365-6", "15", "ng/mL", "DEF"),
        ("68438-1", "49", "nmol/L", "DEF"),
        ("60493-4", "49", "nmol/L", "DEF"),
        ("1989-3", "32", "ng/mL", "OK"),
        ("14635-7", "80", "nmol/L", "OK"),
        ("35196-5", "32", "ng/mL", "OK"),
        ("35196-5", "80", "nmol/L", "OK"),
        ("49054-0", "32", "ng/mL", "UNK"),
        ("46269-7", "80", "nmol/L", "UNK"),
    ],
)
def test_codes_of_25ohd(code, value, unit, state):
    """Sections 3.1 and 3.2: totals and D3 drive a state; D2 alone is never a total."""
    assert ask(vitamin_d=[lab(code, value, unit)]).d == state


@for_each(("value", "provisional"), [("15", True), ("25", True), ("35", False), ("120", True)])
def test_ambiguous_code_is_provisional(value, provisional):
    """Sections 3.1 and 9.1: 35365-6 is provisional in any band but OK."""
    assert bool(derive(vitamin_d=[lab("35365-6", value, "ng/mL")]).d.provisional) is provisional


@for_each("code", NOT_25OHD)
def test_denied_as_25ohd(code):
    """Section 3.3: none of these is read as 25(OH)D, not even in a unit of 25(OH)D."""
    assert read(vitamin_d=[lab(code, "15", "ng/mL")]).vitamin_d == ()


@for_each("code", NOT_25OHD)
def test_a_denied_coding_wins(code):
    """Section 3: any code of the deny list keeps the result out, whatever stands beside it."""
    seen = ask(vitamin_d=[lab("62292-8", "15", "ng/mL", code=codings("62292-8", code))])
    assert (seen.d, seen.topics) == ("UNK", [])


@for_each(
    ("code", "value", "unit", "state"),
    [
        ("19123-9", "1.5", "mg/dL", "LOW"),
        ("2601-3", "0.62", "mmol/L", "LOW"),
        ("2601-3", "1.24", "mEq/L", "LOW"),
        ("35249-2", "1.5", "mg/dL", "LOW"),
        ("35249-2", "0.62", "mmol/L", "LOW"),
        ("21377-7", "1.5", "mg/dL", "LOW"),
        ("2593-2", "0.62", "mmol/L", "LOW"),
        ("108834-3", "1.5", "mg/dL", "UNK"),
    ],
)
def test_codes_of_magnesium(code, value, unit, state):
    """Section 3.4: the rows marked "use"; 108834-3 is an order code only."""
    assert ask(magnesium=[lab(code, value, unit)]).m == state


@for_each("code", ["21377-7", "2593-2"])
def test_magnesium_in_blood_is_noted(code):
    """Section 3.4: whole blood is used, with a note in the detail."""
    unit = "mg/dL" if code == "21377-7" else "mmol/L"
    seen = ask(magnesium=[lab(code, "1.5" if unit == "mg/dL" else "0.62", unit)])
    assert "blood" in seen.detail("magnesium-low").lower()


@for_each("code", NOT_MAGNESIUM)
@for_each("beside", [None, "2601-3"])
def test_denied_as_magnesium(code, beside):
    """Section 3.4: "exclude" and "display only" are never total serum magnesium, alone or beside an accepted code."""
    concept = codings(*filter(None, (beside, code)))
    assert ask(magnesium=[lab(code, "0.62", "mmol/L", code=concept)]).m == "UNK"


@for_each(
    ("codes", "form"),
    [
        (("62292-8", "1989-3"), "d3-alone"),
        (("1989-3", "35365-6"), "d3-alone"),
        (("35365-6", "62292-8"), "total"),
        (("62292-8", "24467-3"), "total"),
    ],
)
def test_the_most_specific_coding_decides(codes, form):
    """Section 3: a fraction before a total, 35365-6 last; a code of another analyte does not matter."""
    (found,) = read(vitamin_d=[lab("x", "25", "ng/mL", code=codings(*codes))]).vitamin_d
    assert found.form == form


OID = "urn:oid:2.16.840.1.113883.6.1"


def test_loinc_by_its_oid():
    """Section 22: results, a deny list, an order and an answer are read by the OID of LOINC too."""
    total, denied = codings("62292-8", system=OID), codings("62292-8", "62290-2", system=OID)
    assert ask(vitamin_d=[lab("x", "15", "ng/mL", code=total)]).d == "DEF"
    assert ask(vitamin_d=[lab("x", "15", "ng/mL", code=denied)]).d == "UNK"
    assert [order.analyte for order in read(lab_orders=[lab_order("x") | {"code": total}]).lab_orders] == ["vitamin-d"]
    told: Any = {"valueCodeableConcept": codings("LA15173-0", system=OID), "code": codings("82810-3", system=OID)}
    assert [answer.pregnant for answer in read(vitals=[lab("x", None, **told)]).pregnancy] == [True]


def test_ucum_by_its_oid():
    """Sections 4.3 and 22: a code of UCUM is one by its OID too, and comes before the text."""
    unit = {"system": "urn:oid:2.16.840.1.113883.6.8", "code": "ng/mL", "unit": "nanograms"}
    assert ask(vitamin_d=[lab("62292-8", None, valueQuantity={"value": exact("15")} | unit)]).d == "DEF"


@for_each(("code", "analyte"), [("49590-3", "vitamin-d"), ("108834-3", "magnesium")])
def test_codes_of_orders_alone(code, analyte):
    """Section 17: for orders 49590-3 belongs to 25(OH)D and 108834-3 to magnesium."""
    assert [order.analyte for order in read(lab_orders=[lab_order(code)]).lab_orders] == [analyte]


@for_each(
    "code",
    [
        codings("62292-8", system="http://hospital.example/codes"),
        codings("VITD", system="http://hospital.example/codes", display="25-OH Vitamin D"),
        {"text": "25-hydroxyvitamin D, total"},
        {"coding": [{"code": "62292-8"}]},
    ],
    ids=["other-system", "display", "text", "no-system"],
)
def test_local_codes_and_displays_are_not_matched(code):
    """Section 3: only LOINC codes count."""
    assert ask(vitamin_d=[lab("x", "15", "ng/mL", code=code)]).d == "UNK"


def test_1_25_dihydroxyvitamin_d_is_displayed_as_25ohd():
    """Section 3.3: 62290-2 called "25-OH Vitamin D" is never banded; the detail says what it is not; no conversion."""
    mislabelled = lab("62290-2", "48", "pg/mL", code=codings("62290-2", display="25-OH Vitamin D"))
    seen = ask(vitamin_d=[mislabelled], magnesium=[mg("0.9")], conditions=[problem("E55.9")])
    assert (seen.d, seen.suggestions("vitamin-d-order")) == ("UNK", [["SR:62292-8"]])
    assert "not a measure of vitamin D status" in seen.detail("vitamin-d-order")
    assert "124.8" not in seen.text
    assert "115.2" not in seen.text


@for_each(
    ("code", "display", "value", "unit", "state", "provisional"),
    [
        ("1989-3", "25-hydroxyvitamin D3+25-hydroxyvitamin D2", "25", "ng/mL", "INS", True),
        ("14635-7", "25-hydroxyvitamin D3 [Moles/volume]", "25", "ng/mL", "INS", True),
        ("35365-6", "Estradiol", "25", "ng/mL", "INS", True),
        ("35365-6", "Vitamin D+Metabolites", "60", "nmol/L", "INS", True),
        ("62292-8", "Calcitriol", "25", "ng/mL", "INS", False),
        ("18281-6", "Vitamin D", "25", "ng/mL", "UNK", False),
    ],
)
def test_mislabels_of_25ohd(code, display, value, unit, state, provisional):
    """Section 3.3: the code decides, never its display; the unit decides the family."""
    found = derive(vitamin_d=[lab(code, value, unit, code=codings(code, display=display))]).d
    assert (str(found.state), bool(found.provisional)) == (state, provisional)


def test_corrected_calcium_displayed_as_vitamin_d_is_calcium():
    """Section 3.3: 18281-6 displayed as vitamin D is the calcium that its code says."""
    wrong = lab("18281-6", "11.4", "mg/dL", code=codings("18281-6", display="Vitamin D"))
    assert derive(vitamin_d=[vitd("15")], chemistry=[wrong]).calcium.high


def test_race_labelled_egfr_displayed_as_2021_stays_race_labelled():
    """Section 3.3: 88293-6 displayed as "CKD-EPI 2021" ranks by its code, behind 62238-1."""
    wrong = lab("88293-6", "75", EGFR_UNIT, code=codings("88293-6", display="CKD-EPI 2021"))
    found = derive(kidney=[wrong, lab("62238-1", "65", EGFR_UNIT)]).kidney.egfr
    assert found is not None
    assert found.shown == "65"


@for_each(
    ("analyte", "code", "unit"),
    [
        ("calcium", "17861-6", "mg/dL"), ("calcium", "2000-8", "mmol/L"), ("calcium", "49765-1", "mg/dL"),
        ("calcium", "1996-8", "mmol/L"), ("calcium", "46099-8", "mg/dL"), ("calcium", "29265-6", "mmol/L"),
        ("calcium", "18281-6", "mg/dL"), ("calcium", "34907-6", "mmol/L"), ("calcium", "1995-0", "mmol/L"),
        ("calcium", "12180-6", "mmol/L"), ("calcium", "1994-3", "mmol/L"), ("calcium", "19072-8", "mmol/L"),
        ("calcium", "17863-2", "mg/dL"), ("calcium", "17864-0", "mg/dL"), ("calcium", "38230-9", "mg/dL"),
        ("calcium", "13959-2", "mg/dL"), ("albumin", "1751-7", "g/dL"), ("albumin", "61151-7", "g/dL"),
        ("phosphate", "2777-1", "mg/dL"), ("phosphate", "14879-1", "mmol/L"), ("pth", "2731-8", "pg/mL"),
        ("pth", "14866-8", "pmol/L"), ("potassium", "2823-3", "mmol/L"), ("potassium", "6298-4", "mmol/L"),
        ("creatinine", "2160-0", "mg/dL"), ("creatinine", "14682-9", "umol/L"), ("creatinine", "38483-4", "mg/dL"),
        ("egfr", "98979-8", EGFR_UNIT), ("egfr", "62238-1", EGFR_UNIT), ("egfr", "33914-3", EGFR_UNIT),
        ("egfr", "77147-7", EGFR_UNIT), ("egfr", "48642-3", EGFR_UNIT), ("egfr", "48643-1", EGFR_UNIT),
        ("egfr", "88294-4", EGFR_UNIT), ("egfr", "88293-6", EGFR_UNIT), ("egfr", "50044-7", EGFR_UNIT),
        ("egfr", "69405-9", EGFR_UNIT), ("egfr", "50210-4", EGFR_UNIT), ("egfr", "98980-6", EGFR_UNIT),
        ("bmi", "39156-5", "kg/m2"), ("height", "8302-2", "cm"), ("weight", "29463-7", "kg"),
    ],
)  # fmt: skip
def test_companions(analyte, code, unit):
    """Section 3.5: every companion code is read as its analyte, and as nothing else."""
    facts = read(kidney=[], vitals=[lab(code, "3.1", unit)], chemistry=[])
    (found,) = getattr(facts, analyte)
    assert (found.code, found.kind) == (code, Kind.USABLE)
    assert (facts.vitamin_d, facts.magnesium) == ((), ())


def test_children_percentile_is_no_bmi():
    """Section 3.5: 59576-9 is a percentile for children: do not use."""
    assert read(vitals=[lab("59576-9", "95", "%")]).bmi == ()


def test_parathyrin_is_denied_as_25ohd_only():
    """Section 3: deny lists hold per analyte; 14866-8 is refused as 25(OH)D and accepted as PTH."""
    facts = read(vitamin_d=[lab("14866-8", "5", "pmol/L")])
    assert (facts.vitamin_d, len(facts.pth)) == ((), 1)


def component(code, value, unit):
    """One component of a panel."""
    return {"code": codings(code), "valueQuantity": quantity(value, unit)}


@for_each(
    ("panel", "components", "shown"),
    [
        ("49590-3", [("1989-3", "9"), ("49054-0", "8")], "17"),
        ("49590-3", [("1989-3", "9"), ("49054-0", "8"), ("62292-8", "31")], "31"),
        ("43134-6", [("62292-8", "31"), ("62290-2", "48")], "31"),
        ("24467-3", [("62292-8", "31")], "31"),
        ("62292-8", [("1989-3", "9"), ("49054-0", "8"), ("62292-8", "31")], "31"),
    ],
)
def test_panels(panel, components, shown):
    """Sections 3.3 and 4.4: components are read by their own codes, also in a denied panel; a total beats the sum."""
    listed = [component(code, value, "ng/mL") for code, value in components]
    assert derive(vitamin_d=[lab(panel, None, component=listed)]).d.result.shown == shown


def test_a_panel_holds_no_value_of_its_own():
    """Section 3.3: 49590-3 with a number is an order code with a stray number, never a result."""
    stray = lab("49590-3", None, valueQuantity={"value": exact("12"), "unit": "ng/mL"})
    assert ask(vitamin_d=[stray], conditions=[problem("E55.9")], medications=[d2("2025-12-01")]).d == "UNK"
