"""Counting the vitamin D dose (decision table, section 7.4): what is counted, and everything that must stay unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest

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


@pytest.mark.parametrize(
    ("value", "unit", "iu"),
    [
        ("2000", "[iU]", "2000"), ("2000", "[IU]", "2000"), ("2000", "IU", "2000"), ("2000", "iu", "2000"),
        ("2000", "UNT", "2000"), ("2000", "units", "2000"), ("2000", "unit", "2000"),
        ("50", "ug", "2000"), ("50", "mcg", "2000"), ("50", "\u00b5g", "2000"), ("1.25", "mg", "50000"),
        ("0.05", "mg", "2000"),
    ],
)  # fmt: skip
def test_units_of_a_dose(value, unit, iu):
    """Sections 4.1 and 4.3: UNT = IU; 1 ug = 40 IU; 1.25 mg = 50,000 IU."""
    assert counted("cholecalciferol", dosed(value, unit)) == dose(iu, iu, "1")


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
    ("code", "per_day", "interval"),
    [("QD", "1000", "1"), ("BID", "2000", "0.5"), ("TID", "3000", "0.33"), ("QOD", "500", "2"), ("WK", "142.86", "7"),
     ("MO", "33.33", "30")],
)  # fmt: skip
def test_timing_code(code, per_day, interval):
    """Without `repeat`, `timing.code` tells the interval."""
    system = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
    instruction = dosed("1000", "[iU]", timing={"code": codings(code, system=system)})
    assert counted("cholecalciferol", instruction) == dose("1000", per_day, interval)


@pytest.mark.parametrize(
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
@pytest.mark.parametrize("where", ["dosage", "timing code"])
def test_timing_text(text, per_day, interval, where):
    """Without `repeat` and a code, a text that holds exactly one of the seven phrases tells the interval."""
    timing = {"timing": {"code": {"text": text}}} if where == "timing code" else {"text": text, "timing": {}}
    assert counted("cholecalciferol", dosed("7000", "[iU]", **timing)) == dose("7000", per_day, interval)


@pytest.mark.parametrize(
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
    ],
)
def test_strength_from_text(name, pieces, iu):
    """Pieces times their strength, old (UNT) and new (MG) spelling; in a combination the one in IU."""
    assert counted(name, dosed(pieces, "capsule")) == dose(iu, iu, "1")


@pytest.mark.parametrize("unit", ["capsule", "tablet", "{capsule}", "{tbl}", None])
def test_units_that_count_pieces(unit):
    """A capsule, a tablet, or a number without a unit."""
    instruction = [{"timing": {"repeat": DAILY}, "doseAndRate": [{"doseQuantity": quantity("2", unit)}]}]
    assert counted("vitamin D3 1000 UNT", instruction) == dose("2000", "2000", "1")


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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
        ("cholecalciferol", dosed("2000", "drop")),
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
    """As needed, ranges, several instructions, calcifediol, anything else: unknown. Free text is never guessed."""
    assert counted(name, instruction) is None


def test_a_dose_with_an_unreadable_number_is_unknown():
    """A dose that is no number is unknown, and the order is still there."""
    instruction = dosed("1", "[iU]")
    instruction[0]["doseAndRate"][0]["doseQuantity"]["value"] = exact("1e30")
    assert counted("cholecalciferol", instruction) is None


def test_the_dose_of_stu3_and_dstu2():
    """Section 9.7: `doseQuantity` directly in the instruction; `periodUnits` in DSTU2."""
    repeat = {"frequency": 1, "period": 1, "periodUnits": "wk"}
    instruction = [{"timing": {"repeat": repeat}, "doseQuantity": quantity("50000", "[iU]")}]
    assert counted("ergocalciferol", instruction) == dose("50000", "7142.86", "7")


def test_dose_and_rate_comes_before_dose_quantity():
    """Section 9.7: the first that is there."""
    instruction = dosed("2000", "[iU]", doseQuantity=quantity("9999", "[iU]"))
    assert counted("cholecalciferol", instruction) == dose("2000", "2000", "1")
