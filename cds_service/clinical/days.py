"""Dates as the decision table counts them (section 5): whole days, calendar months, whole years."""

from __future__ import annotations

from calendar import monthrange
from datetime import date


def add_months(day: date, months: int) -> date:
    """*months* calendar months later, clamped to the end of the month (and to the last date there is)."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if not date.min.year <= year <= date.max.year:
        return date.max if months > 0 else date.min
    every_month_has_it = day.day <= 28  # noqa: PLR2004 - the days of the shortest month
    return date(year, month + 1, day.day if every_month_has_it else min(day.day, monthrange(year, month + 1)[1]))


def add_days(day: date, days: int) -> date:
    """*days* later, never past the last date there is."""
    ordinal = day.toordinal() + days
    return date.fromordinal(min(max(ordinal, 1), date.max.toordinal()))


def days_between(earlier: date, later: date) -> int:
    """Days from *earlier* to *later*; negative where it is the other way round."""
    return (later - earlier).days


def whole_months(earlier: date, later: date) -> int:
    """Whole calendar months from *earlier* to *later*."""
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    return months - (add_months(earlier, months) > later)


def whole_years(earlier: date, later: date) -> int:
    """Age in whole years."""
    return later.year - earlier.year - ((later.month, later.day) < (earlier.month, earlier.day))
