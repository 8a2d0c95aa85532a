"""Numbers as cards print them (section 4.2)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from cds_service.clinical.interval import Interval

CENT = Decimal("0.01")
MOST_DECIMALS = 2


def plain(value: Decimal) -> str:
    """*value* as reported; more than two decimals are rounded to two; never in exponent form."""
    written = str(value)
    if "E" in written:
        written = f"{value:f}"
    _, point, decimals = written.partition(".")
    if point and len(decimals) > MOST_DECIMALS:
        return f"{value.quantize(CENT, ROUND_HALF_UP):f}"
    return written


def rounded(value: Decimal, decimals: int) -> str:
    """*value* with exactly so many *decimals*: converted values."""
    return f"{value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"


def short(value: Decimal) -> str:
    """A computed number without trailing zeros, at most two decimals: 11.04, 9.24, 17."""
    text = plain(value.quantize(CENT, ROUND_HALF_UP))
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(value: Decimal) -> str:
    """A whole number of IU with thousands separated: 50,000."""
    return f"{value.quantize(Decimal(1), ROUND_HALF_UP):,f}"


def spelled(interval: Interval, decimals: int | None = None) -> str:
    """An interval as a result is written: 14.2, <4, >=150, 3-5."""

    def number(value: Decimal) -> str:
        return short(value) if decimals is None else rounded(value, decimals)

    if interval.low is not None and interval.high is not None:
        low, high = number(interval.low), number(interval.high)
        return low if interval.is_point else f"{low}-{high}"
    if interval.high is not None:
        return ("<=" if interval.high_closed else "<") + number(interval.high)
    if interval.low is not None:
        return (">=" if interval.low_closed else ">") + number(interval.low)
    return ""
