"""The laboratory's own reference ranges (decision table, section 4.6): those that may be meant for a patient.

Whether one is meant for this patient, by age, sex and pregnancy, is for `clinical/`, which knows the patient.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from cds_service.clinical import facts
from cds_service.fhir.bundle import UNREADABLE, readable
from cds_service.fhir.numerals import NUMERAL, amount, is_sensible, numeral
from cds_service.fhir.units import READINGS, UCUM_SYSTEMS, Reading, convert_to
from cds_service.fhir.values import unit_of
from cds_service.fhir.views import Concept, Quantity, Range, ReferenceRange, there

_RANGES = msgspec.json.Decoder(list[ReferenceRange | None])
_RAW_RANGES = msgspec.json.Decoder(list[msgspec.Raw])
_RANGE = msgspec.json.Decoder(ReferenceRange)

NORMAL = re.compile(r"(?<![a-z])normal(?![a-z])")
OTHER_MEANING = re.compile(r"critical|panic|alert|therapeutic|toxic|treatment|absolute")
COMPARED = re.compile(rf"([<>≤≥])=?\s*({NUMERAL})")
LONGEST_NUMERAL = 20
LONGEST_REMEMBERED = 1000
"""Bytes of the ranges of one result."""
SEXES: dict[Literal["male", "female"], re.Pattern[str]] = {
    "male": re.compile(r"\A(?:m|248153007)\Z|(?<![a-z])(?:males?|man|men|boys?)(?![a-z])"),
    "female": re.compile(r"\A(?:f|248152002)\Z|(?<![a-z])(?:females?|woman|women|girls?)(?![a-z])"),
}
"""Codes of administrative-gender, v3 and SNOMED CT, and words."""
OTHER_SEX = frozenset({"other", "un", "unknown"})
"""Codes of administrative-gender and v3 for a sex that is neither."""
PREGNANT = re.compile(r"\A77386006\Z|pregn")
NOT_PREGNANT = re.compile(r"\b(?:non|not)\W?pregn")
A_YEAR = {
    **dict.fromkeys(("a", "a_j", "a_g", "a_t", "y", "yr", "yrs", "year", "years"), Decimal(1)),
    **dict.fromkeys(("mo", "mo_j", "mo_g", "mo_s", "month", "months"), Decimal(12)),
    **dict.fromkeys(("wk", "wks", "week", "weeks"), Decimal("365.25") / 7),
    **dict.fromkeys(("d", "day", "days"), Decimal("365.25")),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), Decimal(8766)),
}
"""How many of each unit of an age make a year."""
NO_AGE = Decimal(-1)


class Population(NamedTuple):
    """Whom a range is meant for, as far as `appliesTo` says."""

    sex: Literal["male", "female"] | None
    pregnancy: bool


EVERYBODY = Population(None, pregnancy=False)
OwnRanges = tuple[Decimal | None, Decimal | None, tuple[facts.OwnRange, ...]]
"""The bounds of the one range there is, which is for everybody; else the ranges of which the patient decides."""
NO_RANGES: OwnRanges = (None, None, ())
FOR_EVERYBODY = facts.OwnRange(None, None)[2:]


def own_ranges(raw: msgspec.Raw, unit: str, analyte: str) -> OwnRanges:
    """The ranges in *raw* that may count for a value in *unit*, in the unit it is compared in.

    Those with the same bounds for the same people count once. One that cannot be read is none: it unlocks nothing.
    Short ones are remembered: a laboratory writes the same at all results of a test, and nothing of a patient.
    """
    written = bytes(raw)
    return (_own_ranges if len(written) <= LONGEST_REMEMBERED else _own_ranges.__wrapped__)(written, unit, analyte)


@lru_cache(maxsize=512)
def _own_ranges(written: bytes, unit: str, analyte: str) -> OwnRanges:
    reading = READINGS[analyte][unit]
    found: dict[facts.OwnRange, None] = {}
    for one in _decoded(written):
        read = _read(one, reading, analyte)
        if read is not None:
            found[read] = None
    ranges = tuple(found)
    if len(ranges) == 1 and ranges[0][2:] == FOR_EVERYBODY:
        return *ranges[0][:2], ()
    return None, None, ranges


def _decoded(written: bytes) -> list[ReferenceRange]:
    try:
        return there(_RANGES.decode(written))
    except UNREADABLE:
        pass
    try:
        parts = _RAW_RANGES.decode(written)
    except UNREADABLE:
        return []
    return readable(parts, _RANGE)


def _read(found: ReferenceRange, reading: Reading, analyte: str) -> facts.OwnRange | None:
    """One range, or `None` where section 4.6 drops it for every patient."""
    if (found.text or found.type or found.meaning) and not _is_normal(found):
        return None
    written = amount(found.low), amount(found.high)
    if _contradicts(found, *written):
        return None
    low = _bound(found.low, written[0], reading, analyte)
    high = _bound(found.high, written[1], reading, analyte)
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        return None
    people = EVERYBODY if found.appliesTo is None else _population(there(found.appliesTo))
    ages = (None, None) if found.age is None else _ages(found.age)
    if people is None or ages is None:
        return None
    return facts.OwnRange(low, high, people.sex, people.pregnancy, *ages)


def _is_normal(found: ReferenceRange) -> bool:
    """Whether its type says normal or nothing, and no text says that it is of another kind."""
    said = [word for kind in (found.type, found.meaning) if kind is not None for word in kind.words()]
    if said and not any(map(NORMAL.search, said)):
        return False
    return not any(map(OTHER_MEANING.search, (*said, (found.text or "").lower())))


def _contradicts(found: ReferenceRange, low: Decimal | None, high: Decimal | None) -> bool:
    """Whether a comparator says otherwise than the bounds: ">1.12" in the text, beside a high of 1.12."""
    if found.low is not None and found.low.comparator not in (None, ">", ">="):
        return True
    if found.high is not None and found.high.comparator not in (None, "<", "<="):
        return True
    for sign, digits in COMPARED.findall(found.text) if found.text else ():
        number = numeral(digits) if len(digits) <= LONGEST_NUMERAL else None
        end = low if sign in ">≥" else high
        if number is None or end is None or not is_sensible(end):
            return True
        if end < number if sign in ">≥" else end > number:
            return True
    return False


def _bound(end: Quantity | None, number: Decimal | None, reading: Reading, analyte: str) -> Decimal | None:
    """One end in the unit compared, without a unit in the value's; `None` where there is none or it cannot be read."""
    if end is None or number is None or not is_sensible(number):
        return None
    unit, problem = unit_of(end.system, end.code, end.unit, analyte)
    if unit is None and problem != "unit-missing":
        return None
    return convert_to(number, reading if unit is None else READINGS[analyte][unit], reading, analyte)


def _population(concepts: list[Concept]) -> Population | None:
    """The sex or pregnancy that `appliesTo` names; `None` where it cannot be read whom it names."""
    sexes: set[Literal["male", "female"]] = set()
    pregnancy = False
    for concept in concepts:
        words = concept.words()
        named = {sex for sex, pattern in SEXES.items() if any(map(pattern.search, words))}
        pregnant = any(map(PREGNANT.search, words))
        if OTHER_SEX.intersection(words) or any(map(NOT_PREGNANT.search, words)):
            return None
        if not (named or pregnant or concept.texts()):  # a code that is not known, alone, could be anybody's
            return None
        sexes |= named
        pregnancy = pregnancy or pregnant
    return Population(sexes.pop() if len(sexes) == 1 else None, pregnancy)


def _ages(age: Range) -> tuple[Decimal | None, Decimal | None] | None:
    """Both ends in years; `None` where one cannot be read, or there is none."""
    low, high = _years(age.low), _years(age.high)
    if low is None or high is None or low == high == NO_AGE:
        return None
    return None if low == NO_AGE else low, None if high == NO_AGE else high


def _years(end: Quantity | None) -> Decimal | None:
    """An age in years, `NO_AGE` where none is given, `None` where it cannot be read."""
    number = amount(end)
    if end is None or number is None:
        return NO_AGE
    trusted = not end.system or end.system in UCUM_SYSTEMS
    names = [name.strip().lower() for name in (end.code if trusted else None, end.unit) if name and name.strip()]
    units = [A_YEAR.get(name) for name in names]
    if not units or units[0] is None or units[-1] not in (units[0], None):
        return None
    return number / units[0] if end.comparator is None and is_sensible(number) else None
