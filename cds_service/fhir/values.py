"""Reads the value of one Observation or component: number, interval or text, and its unit (sections 4.3 and 4.4)."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import BLOCKED, USABLE, Kind
from cds_service.clinical.interval import Interval
from cds_service.clinical.numbers import plain
from cds_service.fhir.numerals import NUMERAL, amount, is_sensible, numeral
from cds_service.fhir.units import (
    CALCITRIOL_UNITS,
    EGFR_UNIT,
    READINGS,
    UCUM_SYSTEMS,
    Reading,
    convert,
    disagree,
    normal_spelling,
)
from cds_service.fhir.views import Component, Observation, Quantity, Range

TEXT = re.compile(rf"\s*([<>]=?)?\s*({NUMERAL})\s*(.*?)\s*")
FLAGGED = re.compile(r"(.*?)\s*[HL]{1,2}\*?")
DIGIT = re.compile(r"\d")
LONGEST_TEXT = 100
LONGEST_SHOWN = 24
COMPARATORS = frozenset({"<", "<=", ">", ">="})


class Value(Datum, frozen=True):
    """A value that was read: see `LabResult` for the fields."""

    kind: Kind
    problem: str = ""
    interval: Interval | None = None
    reading: Reading | None = None
    unit: str = ""
    reported: Decimal | None = None
    comparator: str = ""
    text: str = ""


def _blocked(
    problem: str, text: str = "", unit: str = "", reported: Decimal | None = None, comparator: str = ""
) -> Value:
    """An untrusted value; what it says is kept to be shown and, where it is a number, compared (section 5).

    Text is the record's own, so it is cut short.
    """
    if reported is not None and not is_sensible(reported):
        reported = None
    unit, text = unit[:LONGEST_SHOWN], text[:LONGEST_SHOWN]
    return Value(BLOCKED, problem, unit=unit, reported=reported, comparator=comparator, text=text)


EMPTY = Value(Kind.EMPTY, "empty")


def read_value(source: Observation | Component, analyte: str, spoiled: frozenset[str] = frozenset()) -> Value:
    """The value of *source*, an Observation or a component that measures *analyte*."""
    if spoiled and any(name == "status" or name.startswith("value") for name in spoiled):
        return _blocked("unreadable")
    if source.dataAbsentReason is not None:
        return EMPTY
    if source.valueQuantity is not None:
        return _of_quantity(source.valueQuantity, analyte)
    if source.valueString is not None:
        return _of_text(source.valueString, analyte)
    if source.valueRange is not None:
        return _of_range(source.valueRange, analyte)
    said = None if source.valueCodeableConcept is None else source.valueCodeableConcept.text
    return EMPTY if said is None or not DIGIT.search(said) else _blocked("text-unreadable", said)


def _of_quantity(quantity: Quantity, analyte: str) -> Value:
    comparator = quantity.comparator
    if comparator == "ad":
        return EMPTY
    number = quantity.number
    if number is None:
        return EMPTY
    if number.is_nan() and quantity.is_spelled:
        return _of_text(quantity.spelled, analyte, quantity)
    if comparator is not None and comparator not in COMPARATORS:
        return _blocked("unreadable", f"{comparator[:LONGEST_SHOWN]} {number}")
    unit, problem = unit_of(quantity.system, quantity.code, quantity.unit, analyte)
    if unit is None:
        return _blocked(problem, "", quantity.unit or quantity.code or "", number, comparator or "")
    return _measured(comparator, number, unit, analyte)


def _of_text(text: str, analyte: str, beside: Quantity | None = None) -> Value:
    """Section 4.4: a number with a known unit; otherwise blocked where there is a digit, else empty.

    It stands in a valueString, or in the value of the quantity *beside*, which may give unit and comparator.
    """
    match = TEXT.fullmatch(text) if len(text) <= LONGEST_TEXT else None
    if match is None:
        return _blocked("text-unreadable", text) if DIGIT.search(text) else EMPTY
    comparator, digits, rest = match.groups()
    written = normal_spelling(rest)
    if written is None and (flagged := FLAGGED.fullmatch(rest)) is not None:
        rest = flagged[1]
        written = normal_spelling(rest)
    if rest and written is None:
        return _blocked("text-unreadable", text)
    number = numeral(digits)
    if number is None:
        return _blocked("two-ways", text)
    if beside is not None and beside.comparator is not None:
        if beside.comparator not in COMPARATORS or comparator not in (None, beside.comparator):
            return _blocked("unreadable", text)
        comparator = beside.comparator
    unit, problem, shown = _unit_in_text(written, analyte, beside)
    if unit is None:
        return _blocked(problem, "", shown, number, comparator or "")
    return _measured(comparator, number, unit, analyte)


def _unit_in_text(written: str | None, analyte: str, beside: Quantity | None) -> tuple[str | None, str, str]:
    """The unit of a number in text, or why there is none, and what is shown in its place.

    *written* behind the number, or told *beside* it; both must agree.
    """
    if beside is None:
        told, problem, shown = None, "unit-missing", ""
    else:
        told, problem = unit_of(beside.system, beside.code, beside.unit, analyte)
        shown = beside.unit or beside.code or ""
    if written is None:
        if beside is None and analyte == "egfr":
            return EGFR_UNIT, "", ""
        return told, problem, shown
    if told is None and problem != "unit-missing":
        return None, problem, shown
    if told is not None and disagree(analyte, told, written):
        return None, "unit-conflict", written
    if written not in READINGS[analyte]:
        return None, wrong_unit(written, analyte), written
    return told or written, "", ""


def _of_range(value: Range, analyte: str) -> Value:
    """An interval; both ends in one unit."""
    ends = [(end, number) for end in (value.low, value.high) if end is not None and (number := amount(end)) is not None]
    if not ends:
        return EMPTY
    numbers = [number for _, number in ends]
    if any(end.comparator is not None for end, _ in ends) or not all(map(is_sensible, numbers)):
        return _blocked("unreadable")
    shown = "-".join(map(plain, numbers))
    units = [unit_of(end.system, end.code, end.unit, analyte) for end, _ in ends]
    unit, problem = units[0]
    if unit is None or len(set(units)) > 1:
        return _blocked(problem or "unit-conflict", shown)
    low, high = (None if end is None else amount(end) for end in (value.low, value.high))
    if low is not None and high is not None and low > high:
        return _blocked("unreadable", shown)
    shown = f">={shown}" if high is None else f"<={shown}" if low is None else shown
    reading = READINGS[analyte][unit]
    interval = Interval(
        None if low is None else convert(low, reading, analyte),
        None if high is None else convert(high, reading, analyte),
    )
    return Value(USABLE, "", interval, reading, unit, text=shown)


def _measured(comparator: str | None, number: Decimal, unit: str, analyte: str) -> Value:
    if not is_sensible(number):
        return _blocked("unreadable")
    reading = READINGS[analyte][unit]
    value = convert(number, reading, analyte)
    return Value(USABLE, "", _interval(comparator, value), reading, unit, number, comparator or "")


def _interval(comparator: str | None, value: Decimal) -> Interval:
    if comparator is None:
        return Interval(value, value)
    closed = comparator.endswith("=")
    if comparator.startswith("<"):
        return Interval(None, value, high_closed=closed)
    return Interval(value, None, low_closed=closed)


LONGEST_REMEMBERED = 200


def unit_of(system: str | None, code: str | None, text: str | None, analyte: str) -> tuple[str | None, str]:
    """The unit of a quantity, or why there is none (section 4.3).

    Trusted in this order: the UCUM code, a code without a system, the text. A code and a text that disagree by a
    factor of 2 or more block the result. Short ones are remembered; many long ones would fill the memory.
    """
    length = len(system or "") + len(code or "") + len(text or "")
    return (_unit_of if length <= LONGEST_REMEMBERED else _unit_of.__wrapped__)(system, code, text, analyte)


@lru_cache(maxsize=512)
def _unit_of(system: str | None, code: str | None, text: str | None, analyte: str) -> tuple[str | None, str]:
    by_code = normal_spelling(code) if system in UCUM_SYSTEMS or not system else None
    by_text = normal_spelling(text)
    if code and system in UCUM_SYSTEMS and by_code is None:
        return None, "unit-unknown"
    if by_code is not None and by_text is not None and disagree(analyte, by_code, by_text):
        return None, "unit-conflict"
    unit = by_code or by_text
    if unit is None:
        return None, "unit-unknown" if code or (text and text.strip()) else "unit-missing"
    return (unit, "") if unit in READINGS[analyte] else (None, wrong_unit(unit, analyte))


def wrong_unit(unit: str, analyte: str) -> str:
    """Why a known *unit* is none of the analyte's."""
    return "unit-of-1,25" if analyte == "vitamin-d" and unit in CALCITRIOL_UNITS else "unit-unknown"
