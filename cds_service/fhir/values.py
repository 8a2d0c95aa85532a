"""Reads the value of one Observation or component: number, interval or text, and its unit (sections 4.3 and 4.4)."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cds_service.clinical.facts import Kind
from cds_service.clinical.interval import Interval
from cds_service.clinical.numbers import plain
from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.units import CALCITRIOL_UNITS, READINGS, UCUM, Reading, convert, disagree, normal_spelling
from cds_service.fhir.views import ReferenceRange

if TYPE_CHECKING:
    from cds_service.fhir.views import Component, Observation, Quantity, Range

TEXT = re.compile(r"\s*([<>]=?)?\s*(\d+(?:[.,]\d+)?)\s*(.*?)\s*")
FLAGGED = re.compile(r"(.*?)\s*[HL]{1,2}\*?")
DIGIT = re.compile(r"\d")
LONGEST_TEXT = 100
LONGEST_SHOWN = 24
LARGEST = Decimal(10_000_000_000)
_RANGES = msgspec.json.Decoder(list[ReferenceRange])
COMPARATORS = frozenset({"<", "<=", ">", ">="})


class Value(NamedTuple):
    """A value that was read: see `LabResult` for the fields."""

    kind: Kind
    problem: str = ""
    interval: Interval | None = None
    reading: Reading | None = None
    unit: str = ""
    reported: Decimal | None = None
    comparator: str = ""
    text: str = ""


def _blocked(problem: str, text: str = "", unit: str = "") -> Value:
    """An untrusted value; what it says is kept to be shown, cut short, since it is the record's own text."""
    return Value(Kind.BLOCKED, problem, unit=unit[:LONGEST_SHOWN], text=text[:LONGEST_SHOWN])


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
    return EMPTY


def _of_quantity(quantity: Quantity, analyte: str) -> Value:
    number = quantity.number
    if number is None or quantity.comparator == "ad":
        return EMPTY
    if quantity.comparator is not None and quantity.comparator not in COMPARATORS:
        return _blocked("unreadable")
    unit, problem = unit_of(quantity.system, quantity.code, quantity.unit, analyte)
    if unit is None:
        said = f"{quantity.comparator or ''}{plain(number)}" if _sensible(number) else ""
        return _blocked(problem, said, quantity.unit or quantity.code or "")
    return _measured(quantity.comparator, number, unit, analyte)


def _of_text(text: str, analyte: str) -> Value:
    """Section 4.4: a number with a known unit; otherwise blocked where there is a digit, else empty."""
    match = TEXT.fullmatch(text) if len(text) <= LONGEST_TEXT else None
    if match is None:
        return _blocked("text-unreadable", text) if DIGIT.search(text) else EMPTY
    rest = match[3]
    unit = normal_spelling(rest)
    if unit is None and (flagged := FLAGGED.fullmatch(rest)) is not None:
        rest = flagged[1]
        unit = normal_spelling(rest)
    if not rest and analyte == "egfr":
        unit = "mL/min"
    if unit is None:
        return _blocked("text-unreadable" if rest else "unit-missing", text)
    if unit not in READINGS[analyte]:
        return _blocked(_wrong_unit(unit, analyte), text)
    return _measured(match[1], Decimal(match[2].replace(",", ".")), unit, analyte)


def _of_range(value: Range, analyte: str) -> Value:
    """An interval; both ends in one unit."""
    low, high = (None if end is None else end.number for end in (value.low, value.high))
    units = {
        unit_of(end.system, end.code, end.unit, analyte)
        for end, number in ((value.low, low), (value.high, high))
        if end is not None and number is not None
    }
    if not units:
        return EMPTY
    unit, problem = units.pop()
    if unit is None or units:
        return _blocked(problem or "unit-conflict")
    if not all(_sensible(number) for number in (low, high) if number is not None):
        return _blocked("unreadable")
    reading = READINGS[analyte][unit]
    if low is not None and high is not None and low > high:
        return _blocked("unreadable")
    shown = "-".join(plain(end) for end in (low, high) if end is not None)
    shown = f">={shown}" if high is None else f"<={shown}" if low is None else shown
    interval = Interval(
        None if low is None else convert(low, reading, analyte),
        None if high is None else convert(high, reading, analyte),
    )
    return Value(Kind.USABLE, "", interval, reading, unit, text=shown)


def _measured(comparator: str | None, number: Decimal, unit: str, analyte: str) -> Value:
    if not _sensible(number):
        return _blocked("unreadable")
    reading = READINGS[analyte][unit]
    value = convert(number, reading, analyte)
    return Value(Kind.USABLE, "", _interval(comparator, value), reading, unit, number, comparator or "")


def _interval(comparator: str | None, value: Decimal) -> Interval:
    if comparator is None:
        return Interval(value, value)
    closed = comparator.endswith("=")
    if comparator.startswith("<"):
        return Interval(None, value, high_closed=closed)
    return Interval(value, None, low_closed=closed)


def _sensible(number: Decimal) -> bool:
    """A measurement is finite, not negative and of a size a laboratory could print."""
    return number.is_finite() and 0 <= number < LARGEST


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
    by_code = normal_spelling(code) if system in (UCUM, None, "") else None
    by_text = normal_spelling(text)
    if code and system == UCUM and by_code is None:
        return None, "unit-unknown"
    if by_code is not None and by_text is not None and disagree(analyte, by_code, by_text):
        return None, "unit-conflict"
    unit = by_code or by_text
    if unit is None:
        return None, "unit-unknown" if code or (text and text.strip()) else "unit-missing"
    return (unit, "") if unit in READINGS[analyte] else (None, _wrong_unit(unit, analyte))


def _wrong_unit(unit: str, analyte: str) -> str:
    return "unit-of-1,25" if analyte == "vitamin-d" and unit in CALCITRIOL_UNITS else "unit-unknown"


def reference_range(raw: msgspec.Raw, reading: Reading, analyte: str) -> tuple[Decimal | None, Decimal | None]:
    """The own range, low and high, in the unit compared: the one of type "normal" or without a type (section 6.1).

    It stays raw until here, since few analytes use it; one that cannot be read is none.
    """
    try:
        ranges = _RANGES.decode(raw)
    except UNREADABLE:
        return None, None
    for found in ranges:
        kind = found.type or found.meaning
        if kind is not None and not any(coding.code == "normal" for coding in kind.codings()):
            continue
        return _end(found.low, reading, analyte), _end(found.high, reading, analyte)
    return None, None


def _end(quantity: Quantity | None, reading: Reading, analyte: str) -> Decimal | None:
    number = None if quantity is None else quantity.number
    return convert(number, reading, analyte) if number is not None and _sensible(number) else None
