"""Numbers as cards print them (section 4.2)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from cds_service.clinical.interval import Interval

CENT = Decimal("0.01")
LAST_DIGIT = {1: Decimal("0.1"), 2: CENT}
"""Of a number with so many decimals."""
MOST_DECIMALS = 2


def plain(value: Decimal) -> str:
    """*value* as reported; more than two decimals are rounded to two; never in exponent form."""
    written = str(value)
    if "E" in written:
        written = f"{value:f}"
    decimals = written.partition(".")[2]
    return rounded(value, MOST_DECIMALS) if len(decimals) > MOST_DECIMALS else written


def rounded(value: Decimal, decimals: int) -> str:
    """*value* with exactly so many *decimals*, one or two: converted values."""
    return str(value.quantize(LAST_DIGIT[decimals], ROUND_HALF_UP))


def short(value: Decimal) -> str:
    """A computed number without trailing zeros, at most two decimals: 11.04, 9.24, 17."""
    return rounded(value, MOST_DECIMALS).rstrip("0").rstrip(".")


def grouped(value: Decimal) -> str:
    """A whole number of IU with thousands separated: 50,000."""
    return f"{value.quantize(Decimal(1), ROUND_HALF_UP):,f}"


def spelled(interval: Interval, decimals: int | None = None) -> str:
    """An interval as a result is written: 14.2, <4, >=150, 3-5."""

    def number(value: Decimal) -> str:
        return short(value) if decimals is None else rounded(value, decimals)

    if interval.low is not None and interval.high is not None:
        return number(interval.low) if interval.is_point else f"{number(interval.low)}-{number(interval.high)}"
    if interval.high is not None:
        return ("<=" if interval.high_closed else "<") + number(interval.high)
    if interval.low is not None:
        return (">=" if interval.low_closed else ">") + number(interval.low)
    return ""
