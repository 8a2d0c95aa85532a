"""Counts vitamin D doses (section 7.4): IU at a time, IU a day, days between doses. Free text is never guessed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

import msgspec

from cds_service.clinical.facts import Dose
from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.strengths import IU_LETTERS, IU_OF_MASS, IU_WORDS
from cds_service.fhir.units import UCUM_SYSTEMS
from cds_service.fhir.views import Concept, Dosage, DoseAndRate, MedicationRequest, Quantity, Repeat, Timing, there

IU_UNITS = ("[iu]", "{iu}", "[usp'u]", *(a + b for a, b in IU_LETTERS), *IU_WORDS)
IU_PER_UNIT = dict.fromkeys(IU_UNITS, Decimal(1)) | IU_OF_MASS
PIECES = frozenset({
    "1", "capsule", "capsules", "cap", "caps", "tablet", "tablets", "tab", "tabs", "{capsule}", "{tbl}", "{tablet}",
    "{cap}", "{dose}", "dose", "softgel", "softgels", "{softgel}", "each", "ea",
})  # fmt: skip
"""Units that count pieces: one piece times its strength."""
DOTS_AND_BLANKS = str.maketrans("", "", ". ")
LONGEST_UNIT = 40
LARGEST_EXPONENT = 9
"""No dose has more than ten digits, and no number of a rhythm more."""
OFTENEST, SELDOMEST = Decimal(1) / 24, Decimal(3_660)
"""Days from one dose to the next: oftener than each hour, or more seldom than in ten years, is no rhythm of a drug."""
ORDERED = "ordered"
Unit = Decimal | Literal["piece", "unclear", "other"]
"""IU in one of it, or what else it is: a piece; neither; or code and text that disagree."""

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


_DOSAGES = msgspec.json.Decoder(list[Dosage] | None)


def dosages_of(request: MedicationRequest) -> list[Dosage]:
    """How the drug of *request* is taken; nothing where that cannot be read."""
    try:
        return _DOSAGES.decode(request.dosageInstruction) or []
    except UNREADABLE:
        return []


def count(dosages: list[Dosage], each: Decimal | None, *, combination: bool) -> Dose | None:
    """The dose of one order, or `None` where it cannot be counted.

    *each* is the strength of one piece, if it is known. *combination*: another ingredient is in it, so a dose in
    milligrams is not the vitamin's.
    """
    if len(dosages) != 1:
        return None
    (dosage,) = dosages
    if dosage.asNeeded or dosage.asNeededBoolean or dosage.asNeededCodeableConcept is not None or dosage.asNeededFor:
        return None
    single = _single(dosage, each, combination=combination)
    rhythm = _rhythm(dosage)
    if single is None or rhythm is None or single <= 0:
        return None
    times, days = rhythm
    if not OFTENEST <= days / times <= SELDOMEST:
        return None
    return Dose(single, single * times / days, days / times)


def _single(dosage: Dosage, each: Decimal | None, *, combination: bool) -> Decimal | None:
    """The dose in IU or mass, of which there is one, however often it is told; else the first, in pieces."""
    quantities = _quantities(dosage)
    units = [_unit(quantity) for quantity in quantities]
    measured = {
        _in_iu(quantity, unit, combination=combination)
        for quantity, unit in zip(quantities, units, strict=True)
        if unit not in ("piece", "other")
    }
    if measured:
        return measured.pop() if len(measured) == 1 else None
    if each is None or not units or units[0] != "piece":
        return None
    pieces = _number(quantities[0])
    return None if pieces is None else pieces * each


def _quantities(dosage: Dosage) -> list[Quantity]:
    """The doses that count: those ordered, else all (section 7.4); none where one is a range or only a rate."""
    if dosage.doseRange is not None:
        return []
    entries = there(dosage.doseAndRate)
    if not entries:
        return [] if dosage.doseQuantity is None else [dosage.doseQuantity]
    chosen = [entry for entry in entries if _is_ordered(entry)] or entries
    doses = [entry.doseQuantity for entry in chosen if entry.doseQuantity is not None and entry.doseRange is None]
    return doses if len(doses) == len(chosen) else []


def _is_ordered(entry: DoseAndRate) -> bool:
    return entry.type is not None and ORDERED in entry.type.words()


def _unit(quantity: Quantity) -> Unit:
    """The unit by its UCUM code, a code without a system and its text (section 4.3), which may not disagree."""
    if not quantity.code and not quantity.unit:
        return "piece"
    code = quantity.code if not quantity.system or quantity.system in UCUM_SYSTEMS else None
    by_code, by_text = _known_unit(code), _known_unit(quantity.unit)
    if by_code is None or by_text is None:
        return by_code or by_text or "other"
    return by_code if by_code == by_text else "unclear"


def _known_unit(spelled: str | None) -> Unit | None:
    if not spelled or len(spelled) > LONGEST_UNIT:
        return None
    unit = spelled.lower().replace("(s)", "").translate(DOTS_AND_BLANKS)
    return IU_PER_UNIT.get(unit) or ("piece" if unit in PIECES else None)


def _in_iu(quantity: Quantity, unit: Unit, *, combination: bool) -> Decimal | None:
    number = _number(quantity)
    if number is None or not isinstance(unit, Decimal) or (combination and unit != 1):
        return None
    return number * unit


def _number(quantity: Quantity) -> Decimal | None:
    number = quantity.number
    return number if number is not None and quantity.comparator is None and is_countable(number) else None


def is_countable(number: Decimal) -> bool:
    """Whether it can be reckoned with: FHIR's JSON may say "NaN", and a number of a million digits."""
    return number.is_finite() and abs(number.adjusted()) <= LARGEST_EXPONENT


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
    if not (is_countable(period) and is_countable(times)) or period <= 0 or times <= 0 or repeat.timeOfDay:
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
