"""Counts vitamin D doses (section 7.4): IU at a time, IU a day, days between doses. Free text is never guessed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.clinical.facts import Dose
from cds_service.fhir.valuesets import RXNORM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.fhir.views import Concept, Dosage, Quantity, Repeat, Timing

IU_UNITS = frozenset({"iu", "[iu]", "unt", "unit", "units", "{iu}", "[usp'u]"})
IU_PER_MCG, IU_PER_MG = Decimal(40), Decimal(40_000)
MASS_UNITS = {"mcg": IU_PER_MCG, "ug": IU_PER_MCG, "µg": IU_PER_MCG, "μg": IU_PER_MCG, "mg": IU_PER_MG}
COUNTED = frozenset({
    "", "1", "capsule", "capsules", "cap", "caps", "tablet", "tablets", "tab", "tabs", "{capsule}", "{tbl}",
    "{tablet}", "{cap}", "{dose}", "dose", "softgel", "{softgel}", "capsule(s)", "tablet(s)", "each", "ea",
})  # fmt: skip
"""Units that count pieces: one piece times its strength."""

STRENGTH = re.compile(
    r"(?<![\d.,])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\s*(\[?iu\]?|unt|units?|mcg|ug|µg|μg|mg)(?![a-z0-9/]|\s*/\s*(?:ml|mg|g|l)\b)"
)
DOTTED_THOUSANDS = 4

DAYS = {
    "d": Decimal(1), "wk": Decimal(7), "mo": Decimal(30), "a": Decimal(365), "h": 1 / Decimal(24),
    "min": 1 / Decimal(1440), "s": 1 / Decimal(86_400),
}  # fmt: skip
TIMING_CODES = {
    "QD": (1, 1), "BID": (2, 1), "TID": (3, 1), "QID": (4, 1), "QOD": (1, 2), "AM": (1, 1), "PM": (1, 1),
    "BED": (1, 1), "WK": (1, 7), "MO": (1, 30), "Q1H": (24, 1), "Q2H": (12, 1), "Q3H": (8, 1), "Q4H": (6, 1),
    "Q6H": (4, 1), "Q8H": (3, 1),
}  # fmt: skip
"""Timing.code of FHIR R4 (times, in days)."""
TEXT_INTERVALS = {
    "once a week": 7, "every 2 weeks": 14, "every 4 weeks": 28, "every day": 1, "daily": 1, "weekly": 7, "monthly": 30,
}  # fmt: skip
"""The closed grammar of section 7.4: the text holds exactly one of these."""
INTERVAL = re.compile(r"\b(?:" + "|".join(TEXT_INTERVALS) + r")\b")
CHANGES_INTERVAL = re.compile(
    r"\b(?:twice|thrice|times|bid|tid|qid|b\.i\.d|t\.i\.d|other|alternate|alternating|second|third|needed|prn|or|then|"
    r"until|except|bi-?weekly|half|not|skip|\d+x|x\d+)\b|/"
)
"""Words beside it that could change it: then the dose is unknown."""


STRENGTH_OF_CODE = {"1367410": Decimal(50_000), "1362805": Decimal(1_000)}
"""IU in one piece of the clinical drugs whose RxNorm code is verified (section 7.1)."""


def count(
    dosages: list[Dosage] | None, names: str, codes: Iterable[tuple[str | None, str]], *, combination: bool
) -> Dose | None:
    """The dose of one order, or `None` where it cannot be counted.

    *names* is the order's text and displays, lower case; *codes* its (system, code) pairs. *combination*: another
    ingredient is in it, so a dose in milligrams is not the vitamin's.
    """
    if dosages is None or len(dosages) != 1:
        return None
    dosage = dosages[0]
    if dosage.asNeeded or dosage.asNeededBoolean or dosage.asNeededCodeableConcept is not None or dosage.asNeededFor:
        return None
    each = strength(names)
    if each is None:
        verified = (STRENGTH_OF_CODE.get(code) for system, code in codes if system == RXNORM)
        each = next((found for found in verified if found is not None), None)
    single = _single(dosage, each, combination=combination)
    rhythm = _rhythm(dosage)
    if single is None or rhythm is None or single <= 0:
        return None
    times, days = rhythm
    return Dose(single, single * times / days, days / times)


def _single(dosage: Dosage, each: Decimal | None, *, combination: bool) -> Decimal | None:
    quantity = _quantity(dosage)
    number = None if quantity is None else quantity.number
    if quantity is None or number is None or quantity.comparator is not None:
        return None
    if not number.is_finite() or number.adjusted() > 9:  # noqa: PLR2004 - no dose has ten digits
        return None
    unit = (quantity.code or quantity.unit or "").strip().lower()
    if unit in IU_UNITS:
        return number
    if unit in MASS_UNITS:
        return None if combination else number * MASS_UNITS[unit]
    if unit in COUNTED or (quantity.unit or "").strip().lower() in COUNTED:
        return None if each is None else number * each
    return None


def _quantity(dosage: Dosage) -> Quantity | None:
    rates = dosage.doseAndRate or ()
    if any(rate.doseRange is not None for rate in rates) or dosage.doseRange is not None or len(rates) > 1:
        return None
    return rates[0].doseQuantity if rates else dosage.doseQuantity


def strength(text: str) -> Decimal | None:
    """IU in one piece, from *text* in lower case: exactly one number with a unit; beside others the one in IU."""
    found = []
    for whole, part, unit in STRENGTH.findall(text):
        if len(part) == DOTTED_THOUSANDS and whole != "0":
            return None
        found.append((Decimal(whole.replace(",", "") + part), unit))
    in_units = {value for value, unit in found if unit not in MASS_UNITS}
    if in_units:
        return in_units.pop() if len(in_units) == 1 else None
    by_mass = {value * MASS_UNITS[unit] for value, unit in found}
    return by_mass.pop() if len(by_mass) == 1 else None


def _rhythm(dosage: Dosage) -> tuple[Decimal, Decimal] | None:
    """Times in a number of days: from timing.repeat, else timing.code, else the closed grammar of text."""
    timing = dosage.timing
    if timing is not None:
        if timing.event:
            return None
        if timing.repeat is not None and _says_when(timing.repeat):
            return _of_repeat(timing.repeat)
        coded = _of_code(timing.code)
        if coded is not None:
            return coded
    return _of_text(_timing_text(timing) or dosage.text)


def _says_when(repeat: Repeat) -> bool:
    return any(
        value is not None
        for value in (
            repeat.frequency, repeat.frequencyMax, repeat.period, repeat.periodMax, repeat.periodUnit,
            repeat.periodUnits, repeat.count, repeat.dayOfWeek, repeat.timeOfDay, repeat.when,
        )
    )  # fmt: skip


def _of_repeat(repeat: Repeat) -> tuple[Decimal, Decimal] | None:
    unit = DAYS.get(repeat.periodUnit or repeat.periodUnits or "")
    period, times = repeat.period, repeat.frequency if repeat.frequency is not None else Decimal(1)
    if unit is None or period is None or repeat.frequencyMax is not None or repeat.periodMax is not None:
        return None
    if period <= 0 or times <= 0 or not (period.is_finite() and times.is_finite()) or repeat.timeOfDay:
        return None
    weekly = unit * period >= DAYS["wk"]
    if repeat.dayOfWeek and not (weekly and len(repeat.dayOfWeek) == times):
        return None
    return times, period * unit


def _of_code(code: Concept | None) -> tuple[Decimal, Decimal] | None:
    for coding in code.codings() if code is not None else ():
        if coding.code in TIMING_CODES:
            times, days = TIMING_CODES[coding.code]
            return Decimal(times), Decimal(days)
    return None


def _timing_text(timing: Timing | None) -> str | None:
    return None if timing is None or timing.code is None else timing.code.text


def _of_text(text: str | None) -> tuple[Decimal, Decimal] | None:
    if text is None:
        return None
    folded = text.lower()
    found = INTERVAL.findall(folded)
    if len(found) != 1 or CHANGES_INTERVAL.search(folded):
        return None
    return Decimal(1), Decimal(TEXT_INTERVALS[found[0]])


def days_of(quantity: Quantity | None) -> tuple[int, int] | None:
    """A duration as (days, calendar months); `None` where its unit is not one of time."""
    number = None if quantity is None else quantity.number
    if quantity is None or number is None or not number.is_finite() or number < 0:
        return None
    unit = (quantity.code or quantity.unit or "").strip().lower()
    spelled = {
        "d": "d", "day": "d", "days": "d", "wk": "wk", "week": "wk", "weeks": "wk", "mo": "mo", "month": "mo",
        "months": "mo", "a": "a", "year": "a", "years": "a",
    }.get(unit)  # fmt: skip
    if spelled is None or number.adjusted() > 5:  # noqa: PLR2004 - more days than any course has
        return None
    if spelled in ("mo", "a") and number == number.to_integral_value():
        return 0, int(number) * (12 if spelled == "a" else 1)
    return int(number * DAYS[spelled]), 0
