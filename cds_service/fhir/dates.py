"""FHIR dates and instants (decision table, section 5): the calendar date as written, and seconds to order a day.

Dates of 8 and instants of 14 digits, as HL7 version 2 writes them (20260220, 20260220093000), are read too.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime

from cds_service.clinical.datum import Datum

EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY = 86_400.0
PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?\Z", re.ASCII)
LENGTH_OF_DAY = len("2026-02-20")
DIGITS_OF_DAY, DIGITS_OF_INSTANT = 8, 14


def earliest_day(text: str | None) -> date | None:
    """The date of a date, partial date or instant; "2025" and "2025-11" are their first day. `None`: not a date."""
    return _day(text, latest=False)


def latest_day(text: str | None) -> date | None:
    """The same, but a partial date is its last day: the start of an order, a birth date (the youngest age)."""
    return _day(text, latest=True)


def _day(text: str | None, *, latest: bool) -> date | None:
    if not text:
        return None
    try:
        if len(text) >= LENGTH_OF_DAY and text[4] == text[7] == "-":
            return date.fromisoformat(text[:LENGTH_OF_DAY])
        if len(text) in (DIGITS_OF_DAY, DIGITS_OF_INSTANT) and _is_digits(text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
        match = PARTIAL.match(text)
        if match is None:
            return None
        year, month = int(match[1]), match[2]
        if month is None:
            return date(year, 12, 31) if latest else date(year, 1, 1)
        return date(year, int(month), monthrange(year, int(month))[1] if latest else 1)
    except ValueError:
        return None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


class When(Datum, frozen=True):
    """The day of a result, and seconds to order results of one day."""

    day: date | None
    instant: float


def moment(text: str | None) -> When | None:
    """The date of *text* as written, and its seconds since 1970 in UTC; a date alone is 00:00. `None`: not a date.

    The seconds order results of one day, nothing else.
    """
    if text is not None and len(text) > LENGTH_OF_DAY and text[4] == text[7] == "-":
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return When(found.date(), (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp())
    day = earliest_day(text)
    return None if text is None or day is None else When(day, _seconds(text, day))


def _seconds(text: str, day: date) -> float:
    if len(text) == DIGITS_OF_INSTANT:
        try:
            return _of_digits(text).timestamp()
        except ValueError:
            pass
    return (day.toordinal() - EPOCH_DAY) * DAY


def _of_digits(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}+00:00")
