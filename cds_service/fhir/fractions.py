"""The fraction rule (section 3.2): D2 and D3 of one specimen or one time are added; D3 alone is a lower bound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cds_service.clinical.factors import VITAMIN_D, VITAMIN_D2
from cds_service.clinical.facts import BLOCKED, EMPTY, USABLE, LabResult
from cds_service.clinical.numbers import spelled
from cds_service.clinical.states.results import in_one_order, interval_of
from cds_service.clinical.states.vitamin_d import LONE_D3, UNREADABLE_D2

RANK_SUM = 2
ORDER = (USABLE, BLOCKED, EMPTY)
Place = str | tuple[int, float]
"""Where a fraction may find its twin: a specimen, or a moment."""


@dataclass(frozen=True, slots=True)
class Fraction:
    """A D2 or D3 result and what ties it to its twin: specimen, or the panel it is a component of."""

    form: str
    result: LabResult
    specimen: str | None


def combine(fractions: Iterable[Fraction]) -> list[LabResult]:
    """The sum of each D3 with its D2, or the lone lower bound. D2 alone is never a total.

    A D3 whose D2 was measured twice with different values has two sums, which conflict (section 5).
    """
    listed = list(fractions)
    twins = _Twins(fraction for fraction in listed if fraction.form == "d2")
    return [total for fraction in listed if fraction.form == "d3" for total in _totals(fraction, twins)]


def _totals(d3: Fraction, twins: _Twins) -> list[LabResult]:
    alone = d3.result.changed(form=LONE_D3)
    found = twins.of(d3)
    if not found or found[0].kind is EMPTY or d3.result.kind is EMPTY:
        return [alone]
    if found[0].kind is BLOCKED:
        return [alone.changed(notes=(*alone.notes, UNREADABLE_D2))]
    if d3.result.interval is None:
        return [alone.changed(form="sum", recency=alone.recency._replace(code=RANK_SUM))]
    return [_sum(d3.result, twin) for twin in found]


class _Twins:
    """The D2 results by specimen and by time. What counts of one place is worked out once, however many D3 ask."""

    def __init__(self, found: Iterable[Fraction]) -> None:
        self._places: defaultdict[Place, list[LabResult]] = defaultdict(list)
        self._chosen: dict[tuple[Place, str], tuple[LabResult, ...]] = {}
        for twin in found:
            if twin.specimen is not None:
                self._places[twin.specimen].append(twin.result)
            if twin.result.day is not None:
                self._places[twin.result.recency[:2]].append(twin.result)

    def of(self, d3: Fraction) -> tuple[LabResult, ...]:
        """The D2 of the same specimen, else of the same effective time: the lowest and the highest of those that count.

        They do not depend on the order of entries (property 10).
        """
        moment = None if d3.result.day is None else d3.result.recency[:2]
        place = next((place for place in (d3.specimen, moment) if place is not None and place in self._places), None)
        if place is None:
            return ()
        key = (place, d3.result.family)
        if key not in self._chosen:
            self._chosen[key] = _lowest_and_highest(self._places[place], d3.result.family)
        return self._chosen[key]


def _lowest_and_highest(twins: list[LabResult], family: str) -> tuple[LabResult, ...]:
    """Of readable, same-unit and corrected ones first; one result where they say the same."""

    def rank(twin: LabResult) -> tuple[int, bool, int]:
        return ORDER.index(twin.kind), twin.family != family, twin.recency.status

    best = min(map(rank, twins))
    ordered = in_one_order((twin for twin in twins if rank(twin) == best), _by_value)
    lowest, highest = ordered[0], ordered[-1]
    return (lowest,) if lowest.interval == highest.interval else (lowest, highest)


def _by_value(twin: LabResult) -> tuple[bool, Decimal]:
    """Below detection first, since that counts as 0; then by value."""
    value = twin.interval
    return (value is not None and value.low is not None, Decimal(0) if value is None else value.bound)


def _sum(d3: LabResult, d2: LabResult) -> LabResult:
    """D2 + D3 in the unit family of the D3; below a detection limit counts as 0, unless both are."""
    first, second = interval_of(d3), interval_of(d2).scaled(_factor(d2, d3))
    total, below, also_below = first.plus(second), first.low is None, second.low is None
    if below != also_below:
        total = second if below else first
    notes = ["sum"] + (["below-detection"] if below or also_below else [])
    return d3.changed(
        form="sum",
        recency=d3.recency._replace(code=RANK_SUM, status=max(d3.recency.status, d2.recency.status)),
        interval=total,
        reported=None,
        text=spelled(total),
        unit=VITAMIN_D.unit(d3.family),
        notes=(*d3.notes, *(note for note in d2.notes if note not in d3.notes), *notes),
    )


def _factor(d2: LabResult, d3: LabResult) -> Decimal:
    if d2.family == d3.family:
        return Decimal(1)
    return VITAMIN_D2.factor if d3.family == "mass" else 1 / VITAMIN_D2.factor
