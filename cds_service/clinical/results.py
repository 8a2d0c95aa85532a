"""Chooses among results of one analyte: newest first, ties, fresh or stale, passed over (sections 4.5 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import combinations, groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from cds_service.clinical.days import days_between
from cds_service.clinical.facts import Kind, LabResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from cds_service.clinical.interval import Interval


class Standing(StrEnum):
    """What the results of one analyte amount to."""

    NONE = "none"
    BLOCKED = "blocked"
    STALE = "stale"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Choice:
    """The newest result that decides, and what stands beside it.

    `newest` is the deciding result (for BLOCKED an untrusted one), `last_usable` the newest usable one of any age,
    `usable` all usable ones newest first, `passed_over` an empty result newer than the deciding one, `untrusted` the
    blocked results of the same time: both of two that conflict.
    """

    standing: Standing
    newest: LabResult | None = None
    last_usable: LabResult | None = None
    usable: tuple[LabResult, ...] = ()
    passed_over: LabResult | None = None
    untrusted: tuple[LabResult, ...] = ()


def age_in_days(result: LabResult, today: date) -> int:
    """Age of a dated *result*; a result of tomorrow is -1 day old."""
    if result.day is None:
        message = "an undated result has no age"
        raise ValueError(message)
    return days_between(result.day, today)


_recency = attrgetter("recency")


def newest_first(results: Iterable[LabResult]) -> list[LabResult]:
    """Dated results in the order of section 5: day, instant, code, status."""
    return sorted((result for result in results if result.day is not None), key=_recency)


def block(result: LabResult, problem: str) -> LabResult:
    """The same result, no longer trusted, because of *problem*."""
    return result._replace(kind=Kind.BLOCKED, problem=problem)


def block_future(results: Iterable[LabResult], today: date, future_days: int) -> list[LabResult]:
    """Block measurements dated more than *future_days* ahead of *today* (section 4.5)."""
    latest = -(today.toordinal() + future_days)
    return [
        block(result, "future") if result.recency.day < latest and result.kind is Kind.USABLE else result
        for result in results
    ]


def block_conflicts(ordered: list[LabResult], factor: Callable[[LabResult], Decimal]) -> list[LabResult]:
    """Block usable results that are tied in every respect and differ (section 5); *ordered* is newest first.

    *factor* brings the unit compared of a result to one that all families share. Of tied results the usable ones come
    first, so that an empty twin never hides a measurement.
    """
    settled: list[LabResult] = []
    for _, tied in groupby(ordered, _recency):
        group = list(tied)
        settled += group if len(group) == 1 else _settle_tie(group, factor)
    return settled


def _settle_tie(group: list[LabResult], factor: Callable[[LabResult], Decimal]) -> list[LabResult]:
    usable = [result for result in group if result.kind is Kind.USABLE]
    others = [result for result in group if result.kind is not Kind.USABLE]
    if not all(_agree(one, other, factor) for one, other in combinations(usable, 2)):
        usable = [block(result, "conflict") for result in usable]
    usable.sort(key=_safer_first)
    others.sort(key=lambda result: (result.kind is Kind.EMPTY, result.code, result.problem, result.unit, result.shown))
    return usable + others


def _agree(one: LabResult, other: LabResult, factor: Callable[[LabResult], Decimal]) -> bool:
    """Whether two tied results say the same; in two unit families they may differ by their rounding."""
    first, second = interval_of(one), interval_of(other)
    if one.family == other.family:
        return first == second
    if not (first.is_point and second.is_point) or one.step is None or other.step is None:
        return False
    slack = (one.step * factor(one) + other.step * factor(other)) / 2
    return abs(first.bound * factor(one) - second.bound * factor(other)) <= slack


def _safer_first(result: LabResult) -> tuple[object, ...]:
    """Of results that agree, the one with more doubts about it and without a range that would soften it."""
    doubts, softened = -len(result.notes), result.reference_low is not None
    return (result.family, result.code, result.unit, result.shown, doubts, softened, str(result))


def choose(
    ordered: list[LabResult],
    undated: list[LabResult],
    today: date,
    long_window: int,
    window: Callable[[LabResult], int],
) -> Choice:
    """Apply section 4.5 to *ordered* results, newest first.

    *window* is the freshness window of a usable result, *long_window* the one of blocked and empty results. A
    measurement without a date cannot be placed in time: it decides only where nothing dated was measured.
    """
    usable = tuple(result for result in ordered if result.kind is Kind.USABLE)
    last_usable = usable[0] if usable else None
    measured = next((result for result in ordered if result.kind is not Kind.EMPTY), None)
    passed_over = ordered[0] if ordered and ordered[0].kind is Kind.EMPTY else None
    in_window = [result for result in ordered if age_in_days(result, today) <= long_window]
    if in_window and all(result.kind is Kind.EMPTY for result in in_window):
        return Choice(Standing.BLOCKED, in_window[0], last_usable, usable, passed_over)
    if measured is None:
        lost = [block(result, "no-date") for result in undated if result.kind is not Kind.EMPTY]
        if not lost:
            return Choice(Standing.NONE, passed_over=passed_over)
        lost.sort(key=lambda result: (result.code, result.unit, result.shown))
        return Choice(Standing.BLOCKED, lost[0], untrusted=tuple(lost))
    if measured.kind is Kind.BLOCKED:
        standing = Standing.BLOCKED if age_in_days(measured, today) <= long_window else Standing.NONE
        moment = measured.recency[:2]
        same_time = (r for r in ordered if r.kind is Kind.BLOCKED and r.recency[:2] == moment)
        return Choice(standing, measured, last_usable, usable, passed_over, tuple(same_time))
    standing = Standing.FRESH if age_in_days(measured, today) <= window(measured) else Standing.STALE
    return Choice(standing, measured, last_usable, usable, passed_over)


INFINITE = Decimal("Infinity")
HEIGHT = {"<": 0, "<=": 1, "": 2, ">=": 3, ">": 4}
"""Of two results with the same number, which is the lower: `<7.5` before `7.5` before `>7.5`."""


def by_value(result: LabResult) -> tuple[object, ...]:
    """The lowest first, one unit family after the other."""
    return (result.family, interval_of(result).bound, HEIGHT[result.comparator], *_stricter_range(result))


def _stricter_range(result: LabResult) -> tuple[object, ...]:
    """Of the same value twice, the one whose own range is exceeded sooner; then any order, as long as it is one."""
    return (result.reference_high if result.reference_high is not None else INFINITE, str(result))


def highest_first(result: LabResult, per_mass: Decimal) -> tuple[object, ...]:
    """The highest first, in whatever unit; *per_mass* is a molar unit in the mass unit."""
    bound = interval_of(result).bound
    mass = bound if result.family == "mass" else bound * per_mass
    return (-mass, -HEIGHT[result.comparator], *_stricter_range(result))


def usable_results(
    results: Sequence[LabResult],
    today: date,
    future_days: int,
    tied: Callable[[LabResult], Any] = by_value,
) -> list[LabResult]:
    """Companions (section 4.5): usable results newest first; blocked, empty and future ones are passed over.

    Results that are still tied come in the order of *tied*, whatever the order of entries.
    """
    if not results:
        return []
    latest = -(today.toordinal() + future_days)
    usable = [r for r in results if r.kind is Kind.USABLE and r.day is not None and r.recency.day >= latest]
    usable.sort(key=_recency)
    if any(one.recency == other.recency for one, other in pairwise(usable)):
        usable.sort(key=tied)
        usable.sort(key=_recency)
    return usable


def within(result: LabResult | None, days: int, today: date) -> bool:
    """Whether there is a result and it is at most *days* old."""
    return result is not None and age_in_days(result, today) <= days


def interval_of(result: LabResult) -> Interval:
    """The value of a usable *result*."""
    if result.interval is None:
        message = "only a usable result has a value"
        raise ValueError(message)
    return result.interval


def untrusted_results(choice: Choice, problem: str) -> tuple[LabResult, ...]:
    """The results behind an undetermined state, so that a card can show what could not be used."""
    if not problem or choice.newest is None:
        return ()
    return choice.untrusted or (choice.newest,)
