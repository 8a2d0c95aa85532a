"""Days that a page is asked for."""

from __future__ import annotations

from datetime import date

from cds_service.errors import MalformedRequest

EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""No call was ever made outside of these, and days near the ends of the calendar cannot be reckoned with."""


def read_day(name: str, text: str) -> date:
    """The day in *text*, which was given as *name*.

    Raises:
        MalformedRequest: it is none, or none that can be reckoned with.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise _none(name) from error
    return check_day(name, day)


def check_day(name: str, day: date) -> date:
    """*day* itself, where it can be reckoned with.

    Raises:
        MalformedRequest: it cannot.
    """
    if not EARLIEST <= day <= LATEST:
        raise _none(name)
    return day


def _none(name: str) -> MalformedRequest:
    return MalformedRequest(f"{name} must be a day such as 2026-03-02")
