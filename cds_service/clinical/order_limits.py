"""The rows of the order hooks as guidance (`order_rows.toml`): their topics, switches and numbers."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from cds_service.clinical.datum import Datum


class OrderTopic(Datum, frozen=True):
    """A topic of the order hooks: what it is called, and the sources its cards link."""

    display: str
    links: tuple[str, ...] = ()


class Row(Datum, frozen=True, kw_only=True):
    """One row: its topic, and whether it speaks while an order is written (`select`) and before it is signed."""

    source: str
    topic: str
    select: bool = True
    sign: bool = True

    @property
    def has_numbers(self) -> bool:
        """Whether it has limits of its own."""
        return any(field.type is int for field in structs.fields(self))


class KidneyRow(Row, frozen=True, kw_only=True):
    """O2a: a test is not asked for again within so many days."""

    magnesium_days: int
    kidney_days: int


class DoubtRow(Row, frozen=True, kw_only=True):
    """O2b: from which age the kidneys are in doubt, and for how many days a result takes the doubt away."""

    age_from: int
    days: int


class DoseRow(Row, frozen=True, kw_only=True):
    """O5: IU at a time and a day, days between doses."""

    single_above: int
    per_day_above: int
    days_below: int
    often_single: int
    often_days_below: int
    weekly_single: int


class TotalRow(Row, frozen=True, kw_only=True):
    """O8: IU a day of all products together."""

    per_day_above: int
    warning_above: int


class TooSoonRow(Row, frozen=True, kw_only=True):
    """O10: so many days before its time a test is not too soon."""

    tolerance_days: int


class WrongTestRow(Row, frozen=True, kw_only=True):
    """O11: the LOINC codes of the test that is not for vitamin D stores."""

    codes: tuple[str, ...]


class OrderRows(Datum, frozen=True):
    """Every row by its id."""

    O1: Row
    O2a: KidneyRow
    O2b: DoubtRow
    O2c: Row
    O3: Row
    O4: Row
    O5: DoseRow
    O6: Row
    O7: Row
    O8: TotalRow
    O10: TooSoonRow
    O11: WrongTestRow
    O13: Row
    O13r: Row

    def each(self) -> Iterator[tuple[str, Row]]:
        """Each row with its id."""
        return zip(ROW_IDS, structs.astuple(self), strict=True)


ROW_IDS = OrderRows.__struct_fields__
ALWAYS_ON = frozenset({"O1", "O3", "O4"})
"""Rows that no setting switches off."""
MOST_CARDS = 3
"""An answer of the order hooks has no more cards (part 6), but critical ones always stay."""
