"""FHIR dates and instants (decision table, section 5): the calendar date as written, and seconds to order a day."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - for a time without offset, which FHIR forbids and some send
EPOCH_DAY = EPOCH.toordinal()
DAY = 86_400.0
PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?\Z")


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
        if len(text) >= 10:  # noqa: PLR2004 - YYYY-MM-DD
            return date.fromisoformat(text[:10])
        match = PARTIAL.match(text)
        if match is None:
            return None
        year, month = int(match[1]), match[2]
        if month is None:
            return date(year, 12, 31) if latest else date(year, 1, 1)
        return date(year, int(month), monthrange(year, int(month))[1] if latest else 1)
    except ValueError:
        return None


def seconds(text: str, day: date) -> float:
    """Seconds since 1970 in UTC; a date alone is 00:00. Orders results of one day, nothing else."""
    if len(text) > 10:  # noqa: PLR2004 - YYYY-MM-DD
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return (moment - (EPOCH if moment.tzinfo is not None else NAIVE_EPOCH)).total_seconds()
    return (day.toordinal() - EPOCH_DAY) * DAY
