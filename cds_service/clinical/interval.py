"""Intervals of decimal numbers: a laboratory value, `<4`, `>150`, or a band of the decision table."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from cds_service.clinical.datum import Datum


class Interval(Datum, frozen=True):
    """A range of numbers; `None` is an open end at infinity. A plain value is a range with two equal ends."""

    low: Decimal | None
    high: Decimal | None
    low_closed: bool = True
    high_closed: bool = True

    @classmethod
    def point(cls, value: Decimal) -> Self:
        """The interval that holds *value* alone."""
        return cls(value, value)

    @property
    def is_point(self) -> bool:
        """Whether this is one exact value."""
        return self.low is not None and self.low == self.high

    @property
    def bound(self) -> Decimal:
        """The value of a point, otherwise the finite end of a half-open interval (the lower one of two)."""
        found = self.low if self.low is not None else self.high
        if found is None:
            raise ValueError("an interval needs a finite end")
        return found

    def scaled(self, factor: Decimal) -> Interval:
        """The interval in another unit; *factor* is positive."""
        return Interval(
            None if self.low is None else self.low * factor,
            None if self.high is None else self.high * factor,
            self.low_closed,
            self.high_closed,
        )

    def plus(self, other: Interval) -> Interval:
        """The interval of every possible sum."""
        return Interval(
            None if self.low is None or other.low is None else self.low + other.low,
            None if self.high is None or other.high is None else self.high + other.high,
            self.low_closed and other.low_closed,
            self.high_closed and other.high_closed,
        )

    def lies_below(self, other: Interval) -> bool:
        """Whether every number here is smaller than every number of *other*."""
        if self.high is None or other.low is None:
            return False
        if self.high == other.low:
            return not (self.high_closed and other.low_closed)
        return self.high < other.low

    def overlaps(self, other: Interval) -> bool:
        """Whether some number lies in both."""
        return not (self.lies_below(other) or other.lies_below(self))

    def is_under(self, cut: Decimal) -> bool:
        """Whether the whole interval is below *cut*."""
        return self.high is not None and (self.high < cut or (self.high == cut and not self.high_closed))

    def is_over(self, cut: Decimal) -> bool:
        """Whether the whole interval is above *cut*."""
        return self.low is not None and (self.low > cut or (self.low == cut and not self.low_closed))
