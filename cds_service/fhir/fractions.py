"""The fraction rule (section 3.2): D2 and D3 of one specimen or one time are added; D3 alone is a lower bound."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.clinical.facts import Kind, LabResult
from cds_service.clinical.interval import Interval
from cds_service.clinical.numbers import spelled
from cds_service.clinical.vitamin_d_state import LONE_D3, UNREADABLE_D2

if TYPE_CHECKING:
    from collections.abc import Iterable

NG_PER_NMOL_D2 = Decimal("0.41265")
"""1 nmol/L of 25(OH)D2 in ng/mL: it has its own molar mass (section 4.1)."""
RANK_SUM = 2


@dataclass(frozen=True, slots=True)
class Fraction:
    """A D2 or D3 result and what ties it to its twin: specimen, or the panel it is a component of."""

    form: str
    result: LabResult
    specimen: str | None


def combine(fractions: Iterable[Fraction]) -> list[LabResult]:
    """One result for each D3: the sum with its D2, or the lone lower bound. D2 alone is never a total."""
    listed = list(fractions)
    twins = [fraction for fraction in listed if fraction.form == "d2"]
    return [_total(fraction, twins) for fraction in listed if fraction.form == "d3"]


def _total(d3: Fraction, twins: list[Fraction]) -> LabResult:
    alone = d3.result._replace(form=LONE_D3)
    twin = _twin(d3, twins)
    if twin is None or twin.result.kind is Kind.EMPTY or d3.result.kind is Kind.EMPTY:
        return alone
    if twin.result.kind is Kind.BLOCKED:
        return alone._replace(notes=(*alone.notes, UNREADABLE_D2))
    if d3.result.interval is None or twin.result.interval is None:
        return alone._replace(form="sum", recency=alone.recency._replace(code=RANK_SUM))
    return _sum(d3.result, twin.result)


def _twin(d3: Fraction, twins: list[Fraction]) -> Fraction | None:
    """The D2 of the same specimen, else of the same effective time; readable and same-unit ones first."""
    same_specimen = [t for t in twins if d3.specimen is not None and t.specimen == d3.specimen]
    same_time = [
        t for t in twins
        if d3.result.day is not None and t.result.recency[:2] == d3.result.recency[:2]
    ]  # fmt: skip
    order = (Kind.USABLE, Kind.BLOCKED, Kind.EMPTY)
    candidates = same_specimen or same_time
    return min(
        candidates,
        key=lambda t: (
            order.index(t.result.kind),
            t.result.family != d3.result.family,
            t.result.recency.status,
            t.result.code,
            t.result.shown,
        ),
        default=None,
    )


def _sum(d3: LabResult, d2: LabResult) -> LabResult:
    """D2 + D3 in the unit family of the D3; below a detection limit counts as 0, unless both are."""
    first, second = _value(d3), _value(d2).scaled(_factor(d2, d3))
    limits = [value.low is None for value in (first, second)]
    if all(limits):
        total = Interval(None, first.bound + second.bound, high_closed=False)
    elif any(limits):
        total = second if limits[0] else first
    else:
        total = first.plus(second)
    notes = ["sum"] + (["below-detection"] if any(limits) else [])
    unit = "ng/mL" if d3.family == "mass" else "nmol/L"
    return d3._replace(
        form="sum",
        recency=d3.recency._replace(code=RANK_SUM, status=max(d3.recency.status, d2.recency.status)),
        interval=total,
        reported=None,
        text=spelled(total),
        unit=unit,
        notes=(*d3.notes, *(note for note in d2.notes if note not in d3.notes), *notes),
    )


def _value(result: LabResult) -> Interval:
    if result.interval is None:
        message = "only a usable fraction has a value"
        raise ValueError(message)
    return result.interval


def _factor(d2: LabResult, d3: LabResult) -> Decimal:
    if d2.family == d3.family:
        return Decimal(1)
    if d3.family == "mass":
        return NG_PER_NMOL_D2
    return 1 / NG_PER_NMOL_D2
