"""Numbers written as text (decision table, section 4.4): a point is decimal, a comma may separate thousands."""

from __future__ import annotations

import re
from decimal import Decimal

from cds_service.fhir.views import Quantity

NUMERAL = r"[0-9]+(?:[.,][0-9]+)*"
"""A numeral with any separators; whether it is one number, `numeral` says."""
_WHOLE = re.compile(NUMERAL)
_TWO_WAYS = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}|[0-9]+[.,][0-9]+[.,].*")
"""`1,250` may be 1250 or 1.25, and with several separators any may be the decimal one; `0,500` is one number."""
LEAST, LARGEST = Decimal(0), Decimal(10_000_000_000)


def numeral(text: str) -> Decimal | None:
    """The number that a numeral means; `None` where it can be read two ways."""
    return None if _TWO_WAYS.fullmatch(text) else Decimal(text.replace(",", "."))


def amount(quantity: Quantity | None) -> Decimal | None:
    """The number of a bound or an age; `None` where there is none, NaN where it cannot be read in just one way."""
    number = None if quantity is None else quantity.number
    if quantity is None or number is None or not number.is_nan() or not quantity.is_spelled:
        return number
    said = quantity.spelled.strip()
    read = numeral(said) if _WHOLE.fullmatch(said) else None
    return number if read is None else read


def is_sensible(number: Decimal) -> bool:
    """A measurement is finite, not negative and of a size a laboratory could print."""
    return number.is_finite() and LEAST <= number < LARGEST
