"""Counting the vitamin D dose (decision table, section 7.4): what is counted, and everything that must stay unknown."""

from __future__ import annotations

from decimal import Decimal

from tests.support.for_each import for_each
from tests.support.patients import RXNORM, codings, dosed, every, exact, order, quantity, read, span, weekly

START = "2026-01-05"
DAILY = every(1, 1, "d")


def counted(text, instruction, **elements):
    """IU at a time, IU a day (two decimals) and days between doses of one order, or None where they are unknown."""
    (found,) = read(medications=[order(text, START, dosageInstruction=instruction, **elements)]).medications
    if found.dose is None:
        return None
    return tuple(round(value, 2) for value in (found.dose.single, found.dose.per_day, found.dose.interval_days))


def dose(single, per_day, interval):
    """The same, by hand."""
    return tuple(Decimal(value) for value in (single, per_day, interval))


@for_each(
    ("value", "unit", "iu"),
    [
        ("2000", "[iU]", "2000"), ("2000", "[IU]", "2000"), ("2000", "IU", "2000"), ("2000", "iu", "2000"),
        ("2000", "UNT", "2000"), ("2000", "units", "2000"), ("2000", "unit", "2000"),
        ("2000", "IE", "2000"), ("2000", "I.E.", "2000"), ("2000", "UI", "2000"), ("2000", "U.I.", "2000"),
        ("2000", "I.U.", "2000"), ("2000", "j.m.", "2000"), ("2000", "Unit(s)", "2000"),
        ("50", "ug", "2000"), ("50", "mcg", "2000"), ("50", "\u00b5g", "2000"), ("1.25", "mg", "50000"),
        ("0.05", "mg", "2000"),
    ],
)  # fmt: skip
def test_units_of_a_dose(value, unit, iu):
    """Sections 4.1 and 4.3: UNT = IU; 1 ug = 40 IU; 1.25 mg = 50,000 IU."""
    assert counted("cholecalciferol", dosed(value, unit)) == dose(iu, iu, "1")


@for_each(
    ("repeat", "per_day", "interval"),
    [
        (DAILY, "7000", "1"),
        (every(2, 1, "d"), "14000", "0.5"),
        (every(1, 2, "d"), "3500", "2"),
        (weekly(), "1000", "7"),
        (every(3, 1, "wk"), "3000", "2.33"),
        (every(1, 2, "wk"), "500", "14"),
        (every(1, 4, "wk"), "250", "28"),
        (every(1, 1, "mo"), "233.33", "30"),
        (every(1, 14, "d"), "500", "14"),
        (every(1, 24, "h"), "7000", "1"),
        ({"period": 1, "periodUnit": "d"}, "7000", "1"),
        ({"frequency": 1, "period": 1, "periodUnits": "wk"}, "1000", "7"),
        (weekly(dayOfWeek=["mon"]), "1000", "7"),
    ],
)
def test_structured_timing(repeat, per_day, interval):
    """IU a day = dose x frequency / period; interval = period / frequency; a month is 30 days."""
    assert counted("cholecalciferol", dosed("7000", "[iU]", repeat)) == dose("7000", per_day, interval)


@for_each(
    ("code", "per_day", "interval"),
    [("QD", "1000", "1"), ("BID", "2000", "0.5"), ("TID", "3000", "0.33"), ("QOD", "500", "2"), ("WK", "142.86", "7"),
     ("MO", "33.33", "30")],
)  # fmt: skip
def test_timing_code(code, per_day, interval):
    """Without `repeat`, `timing.code` tells the interval."""
    system = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
    instruction = dosed("1000", "[iU]", timing={"code": codings(code, system=system)})
    assert counted("cholecalciferol", instruction) == dose("1000", per_day, interval)


@for_each(
    ("text", "per_day", "interval"),
    [
        ("Take 1 capsule daily", "7000", "1"),
        ("every day with food", "7000", "1"),
        ("one capsule weekly", "1000", "7"),
        ("Once a week", "1000", "7"),
        ("every 2 weeks", "500", "14"),
        ("Every 4 weeks", "250", "28"),
        ("monthly", "233.33", "30"),
    ],
)
@for_each("where", ["dosage", "timing code"])
def test_timing_text(text, per_day, interval, where):
    """Without `repeat` and a code, a text that holds exactly one of the seven phrases tells the interval."""
    timing = {"timing": {"code": {"text": text}}} if where == "timing code" else {"text": text, "timing": {}}
    assert counted("cholecalciferol", dosed("7000", "[iU]", **timing)) == dose("7000", per_day, interval)


@for_each(
    ("name", "pieces", "iu"),
    [
        ("Vitamin D 50000 UNT Oral Capsule", "1", "50000"),
        ("Ergocalciferol 50,000 UNT Oral Capsule", "1", "50000"),
        ("ergocalciferol 1.25 MG Oral Capsule", "1", "50000"),
        ("cholecalciferol 0.125 MG Oral Capsule", "1", "5000"),
        ("cholecalciferol 0.05 MG Oral Tablet", "1", "2000"),
        ("cholecalciferol 0.025 MG Oral Tablet", "2", "2000"),
        ("vitamin D3 2,000 IU", "1", "2000"),
        ("vitamin D3 1000 units", "2", "2000"),
        ("vitamin D3 25 mcg", "1", "1000"),
        ("vitamin D3 25 mcg (1000 IU)", "1", "1000"),
        ("calcium carbonate 1250 MG / cholecalciferol 1000 UNT", "1", "1000"),
        ("cholecalciferol 1000 UNT / calcium 600 MG", "1", "1000"),
        ("Calcium 600 mg/Vitamin D3 400 IU tablet", "1", "400"),
        ("Vitamine D3 50 000 UI", "1", "50000"),
        ("Vitamine D3 50\u202f000 U.I.", "1", "50000"),
        ("Vitamin D3 1.000 IE", "1", "1000"),
        ("Vitamin D3 300'000 I.E.", "1", "300000"),
        ("Vitamin D3 300\u2019000 I.E.", "1", "300000"),
        ("witamina D3 2000 j.m.", "2", "4000"),
        ("vitamin D3 1000 I.U.", "1", "1000"),
        ("cholecalciferol 0,025 mg", "1", "1000"),
        ("cholecalciferol 1,25 mg", "1", "50000"),
        ("ergocalciferol 1,250 mcg (50,000 unit) capsule", "1", "50000"),
    ],
)
def test_strength_from_text(name, pieces, iu):
    """Pieces times their strength, old (UNT) and new (MG) spelling; in a combination the one in IU."""
    assert counted(name, dosed(pieces, "capsule")) == dose(iu, iu, "1")


@for_each("unit", ["capsule", "tablet", "{capsule}", "{tbl}", "cap(s)", "Tab(s)", "CAPSULE(S)", None])
def test_units_that_count_pieces(unit):
    """A capsule, a tablet, or a number without a unit."""
    instruction = [{"timing": {"repeat": DAILY}, "doseAndRate": [{"doseQuantity": quantity("2", unit)}]}]
    assert counted("vitamin D3 1000 UNT", instruction) == dose("2000", "2000", "1")


@for_each(
    ("code", "repeat", "expected"),
    [("1367410", weekly(), ("50000", "7142.86", "7")), ("1362805", DAILY, ("1000", "1000", "1"))],
)
def test_strength_from_a_verified_clinical_drug(code, repeat, expected):
    """Section 7.1: 1367410 is a 50,000 IU capsule, 1362805 counts 1,000 IU, also without a text that says so."""
    instruction = [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": quantity("1", "capsule")}]}]
    assert counted("", instruction, rxnorm=code) == dose(*expected)


def test_strength_from_a_display():
    """An order coded at ingredient level with the strength in its display."""
    concept = codings("2418", system=RXNORM, display="Vitamin D3 2000 UNT Oral Tablet")
    assert counted("", dosed("1", "tablet"), medicationCodeableConcept=concept) == dose("2000", "2000", "1")


RANGED = {"doseAndRate": [{"doseRange": span("1000", "2000", "[iU]")}]}


@for_each(
    ("name", "instruction"),
    [
        ("cholecalciferol", dosed("2000", "[iU]", asNeededBoolean=True)),
        ("cholecalciferol", dosed("2000", "[iU]", asNeededCodeableConcept={"text": "low sun"})),
        ("cholecalciferol", dosed("2000", "[iU]", asNeeded=True)),
        ("cholecalciferol", dosed("2000", "[iU]", **RANGED)),
        ("cholecalciferol", [{"timing": {"repeat": DAILY}, "doseRange": span("1000", "2000", "[iU]")}]),
        ("cholecalciferol", dosed("2000", "[iU]", every(1, 1, "d", frequencyMax=2))),
        ("cholecalciferol", dosed("2000", "[iU]", every(1, 1, "wk", periodMax=2))),
        ("cholecalciferol", dosed("2000", "[iU]") + dosed("1000", "[iU]")),
        ("cholecalciferol", []),
        ("cholecalciferol", None),
        ("cholecalciferol", [{"text": "Take 2000 IU daily"}]),
        ("cholecalciferol", [{"timing": {"repeat": DAILY}}]),
        ("cholecalciferol", dosed("2000", "[iU]", {})),
        ("cholecalciferol", dosed("2000", "[iU]", every(1, 1, "fortnight"))),
        ("cholecalciferol", dosed("2000", "[iU]", {"frequency": 2})),
        ("cholecalciferol", dosed("2000", "[iU]", every(1, 0, "d"))),
        ("cholecalciferol", dosed("2000", "[iU]", every(0, 1, "d"))),
        ("cholecalciferol", dosed("2000", "[iU]", every(1, 1, "min"))),
        ("cholecalciferol", dosed("2000", "[iU]", every(2000, 1, "d"))),
        ("cholecalciferol", dosed("2000", "[iU]", every(1, 11, "a"))),
        ("cholecalciferol", dosed("2000", "[iU]", {"frequency": 1, "period": "NaN", "periodUnit": "d"})),
        ("cholecalciferol", dosed("2000", "[iU]", {"frequency": "sNaN", "period": 1, "periodUnit": "d"})),
        ("cholecalciferol", dosed("2000", "[iU]", {"frequency": 1, "period": "Infinity", "periodUnit": "d"})),
        ("cholecalciferol", dosed("2000", "[iU]", {"frequency": 1, "period": "9e999999", "periodUnit": "wk"})),
        ("cholecalciferol", dosed("2000", "[iU]", {"frequency": "1e-999999", "period": 1, "periodUnit": "d"})),
        ("cholecalciferol", dosed("2000", "drop")),
        ("cholecalciferol 1000 IU", dosed("1", "ampoule")),
        ("cholecalciferol 1,250 mcg", dosed("1", "capsule")),
        ("cholecalciferol 1 250 mcg", dosed("1", "capsule")),
        ("cholecalciferol 050,000 IU", dosed("1", "capsule")),
        ("Vitamin D 3 400 IU", dosed("1", "capsule")),
        ("Vitamine D 100 000 UI/2 ml", dosed("1", "capsule")),
        ("Calcium 600 mg + D", dosed("1", "tablet")),
        ("Calcium 600 mg + D3", dosed("600", "mg")),
        ("cholecalciferol", dosed("2000", "mL")),
        ("cholecalciferol", dosed("2000", "mmol")),
        ("cholecalciferol", dosed("1", "capsule")),
        ("cholecalciferol", dosed("<2000", "[iU]")),
        ("cholecalciferol", dosed("-2000", "[iU]")),
        ("cholecalciferol", dosed("0", "[iU]")),
        ("cholecalciferol 400 IU or 1000 IU", dosed("1", "capsule")),
        ("cholecalciferol 400 IU/mL solution", dosed("1", "capsule")),
        ("calcium 600 MG / cholecalciferol 0.025 MG / zinc 5 MG", dosed("1", "tablet")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="twice daily")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="daily or weekly")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="daily for a week, then weekly")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="every other day")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="every 3 weeks")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="biweekly")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="every 7 days")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={}, text="as directed")),
        ("cholecalciferol", dosed("1000", "[iU]", timing={"code": {"text": "as directed"}})),
        ("cholecalciferol", dosed("1000", "[iU]", timing={"event": [START]})),
        ("calcifediol", dosed("1000", "[iU]")),
        ("calcifediol 30 MCG", dosed("1", "capsule")),
    ],
)  # fmt: skip
def test_unknown_doses(name, instruction):
    """As needed, ranges, several instructions, calcifediol, no rhythm of a drug, anything else: unknown."""
    assert counted(name, instruction) is None


UNITS = "urn:oid:2.16.840.1.113883.6.8"


@for_each(
    ("unit", "iu"),
    [
        ({"unit": "mcg", "system": UNITS, "code": "ug"}, "400"),
        ({"unit": "IU", "system": "http://hospital.example/units", "code": "mg"}, "10"),
        ({"unit": "capsule", "system": "http://snomed.info/sct", "code": "385049006"}, "10000"),
        ({"unit": "mcg", "system": UNITS, "code": "mg"}, None),
        ({"unit": "IU", "code": "{capsule}"}, None),
    ],
)
def test_code_and_text_of_a_unit(unit, iu):
    """Section 4.3: the UCUM code, also by its OID, a code without a system, the text; where they disagree, unknown."""
    instruction = [{"timing": {"repeat": DAILY}, "doseAndRate": [{"doseQuantity": {"value": exact("10")} | unit}]}]
    assert counted("vitamin D3 1000 IU", instruction) == (None if iu is None else dose(iu, iu, "1"))


def entry(value, unit, kind=None, **elements):
    """One entry of doseAndRate; *kind* is its type."""
    told = {} if kind is None else {"type": kind if isinstance(kind, dict) else codings(kind, system="x")}
    return told | {"doseQuantity": quantity(value, unit)} | elements


RATE = {"rateQuantity": quantity("5", "mL/h")}
ONLY_RANGE = {"doseRange": span("1000", "2000", "[iU]")}


@for_each(
    ("entries", "iu"),
    [
        ([entry("1.25", "mg", "calculated"), entry("50000", "Units", "ordered"), entry("1", "capsule")], "50000"),
        ([entry("5000", "IU", "calculated"), entry("1000", "IU", {"text": "Ordered "})], "1000"),
        ([entry("5000", "IU", "calculated"), entry("1000", "IU", "ORDERED")], "1000"),
        ([entry("1", "capsule", "ordered"), entry("5000", "IU", "calculated")], "400"),
        ([entry("1", "capsule"), entry("1000", "IU")], "1000"),
        ([entry("1.25", "mg"), entry("50000", "IU")], "50000"),
        ([entry("2", "capsule"), entry("3", "drop")], "800"),
        ([ONLY_RANGE, entry("1000", "IU", "ordered")], "1000"),
        ([entry("1000", "IU", **RATE)], "1000"),
        ([entry("400", "IU"), entry("5000", "IU")], None),
        ([entry("400", "IU", "ordered"), entry("10", "mg", "ordered")], None),
        ([entry("1000", "IU"), RATE], None),
        ([entry("1000", "IU"), ONLY_RANGE], None),
        ([entry("3", "drop"), entry("2", "capsule")], None),
        ([entry("<1000", "IU"), entry("1000", "IU")], None),
    ],
)
def test_several_entries_of_dose_and_rate(entries, iu):
    """Section 7.4: the ordered ones, else all; the first in IU or mass, else the first; none may disagree."""
    instruction = [{"timing": {"repeat": DAILY}, "doseAndRate": entries}]
    assert counted("vitamin D3 400 IU", instruction) == (None if iu is None else dose(iu, iu, "1"))


def test_a_dose_with_an_unreadable_number_is_unknown():
    """A dose that is no number is unknown, and the order is still there."""
    instruction = dosed("1", "[iU]")
    instruction[0]["doseAndRate"][0]["doseQuantity"]["value"] = exact("1e30")
    assert counted("cholecalciferol", instruction) is None


@for_each("instruction", ["daily", 5, {"text": "daily"}, [None], [{"timing": 5}], [{"text": ["daily"]}]])
def test_an_instruction_that_cannot_be_read_leaves_the_dose_unknown(instruction):
    """The order is still there, and so is the dose of the order beside it."""
    spoiled = order("cholecalciferol", START, dosageInstruction=instruction)
    sound = order("cholecalciferol", START, dosageInstruction=dosed("2000", "[iU]"))
    found = read(medications=[spoiled, sound]).medications
    assert [None if one.dose is None else one.dose.single for one in found] == [None, Decimal(2000)]


def test_the_dose_of_stu3_and_dstu2():
    """Section 9.7: `doseQuantity` directly in the instruction; `periodUnits` in DSTU2."""
    repeat = {"frequency": 1, "period": 1, "periodUnits": "wk"}
    instruction = [{"timing": {"repeat": repeat}, "doseQuantity": quantity("50000", "[iU]")}]
    assert counted("ergocalciferol", instruction) == dose("50000", "7142.86", "7")


def test_dose_and_rate_comes_before_dose_quantity():
    """Section 9.7: the first that is there."""
    instruction = dosed("2000", "[iU]", doseQuantity=quantity("9999", "[iU]"))
    assert counted("cholecalciferol", instruction) == dose("2000", "2000", "1")
