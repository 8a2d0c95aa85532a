"""Chooses among results of one analyte: newest first, ties, fresh or stale, passed over (sections 4.5 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import combinations, groupby
from operator import attrgetter
from typing import Any, Generic, TypeVar

from cds_service.clinical.datum import Datum
from cds_service.clinical.days import days_between
from cds_service.clinical.factors import Conversion
from cds_service.clinical.facts import BLOCKED, EMPTY, USABLE, LabResult, OwnRange
from cds_service.clinical.interval import Interval

B = TypeVar("B")
"""The bands of an analyte."""


class Standing(StrEnum):
    """What the results of one analyte amount to: none to read, none that can be used, one too old, one to act on."""

    NONE = "none"
    UNDETERMINED = "undetermined"
    STALE = "stale"
    FRESH = "fresh"


NONE, UNDETERMINED, STALE, FRESH = Standing
"""Names of their own, as those of `Kind` are."""


class Analyte(Datum, Generic[B], frozen=True):
    """How results of 25(OH)D or of magnesium are judged.

    `band` is the band of a usable result, `None` where it cannot be told. `alarms` are the bands that no unusable
    result takes away. `window` is for how many days a usable result of this band is fresh, given all usable ones;
    `long_window` the same for blocked and empty results. `oldest` is the age in days beyond which a usable result
    counts as none. `factor` brings the unit compared of a result to one that all unit families share.
    """

    band: Callable[[LabResult], B | None]
    alarms: frozenset[B]
    window: Callable[[LabResult, B | None, Sequence[LabResult]], int]
    long_window: Callable[[Sequence[LabResult]], int]
    factor: Callable[[LabResult], Decimal]
    future_days: int
    oldest: int | None = None


class Judged(Datum, Generic[B], frozen=True):
    """The result that decides, and what stands beside it.

    `result` is the deciding one (for UNDETERMINED an untrusted one), `band` its band. `problem` is why nothing can be
    told, `untrusted` the results behind that. `beside` are results that cannot be used and stand against the deciding
    one, which is an alarm and stays. `usable` are all dated usable results newest first, `passed_over` an empty one
    newer than the deciding one, `undated` the usable ones without a date.
    """

    standing: Standing
    result: LabResult | None = None
    band: B | None = None
    problem: str = ""
    untrusted: tuple[LabResult, ...] = ()
    beside: tuple[LabResult, ...] = ()
    usable: tuple[LabResult, ...] = ()
    passed_over: LabResult | None = None
    undated: tuple[LabResult, ...] = ()

    @property
    def last(self) -> LabResult | None:
        """The newest usable result of any age: the deciding one, where that can be banded."""
        if self.band is not None:
            return self.result
        return self.usable[0] if self.usable else None

    @property
    def driving(self) -> LabResult | None:
        """The result that a state is told by: the deciding one, else the newest usable one."""
        return self.last if self.result is None else self.result

    def state(self, otherwise: Mapping[Standing, B]) -> B:
        """The band of a fresh result, or what it is *otherwise*."""
        if self.standing is FRESH and self.band is not None:
            return self.band
        return otherwise[self.standing]


class Contested(Datum, frozen=True):
    """A usable result, and those of its moment that cannot be used and say something else."""

    claim: LabResult
    against: tuple[LabResult, ...]


def judge(results: Iterable[LabResult], analyte: Analyte[B], today: date) -> Judged[B]:
    """Say what *results* amount to on *today*."""
    checked = block_future(results, today, analyte.future_days)
    ordered, contested = _settle_ties(newest_first(checked), analyte.factor)
    undated = sorted([r for r in checked if r.day is None and r.kind is not EMPTY], key=_as_shown)
    usable = tuple([result for result in ordered if result.kind is USABLE])
    dated = _judge_dated(ordered, usable, contested, analyte, today)
    found = dated.changed(
        usable=usable,
        passed_over=ordered[0] if ordered and ordered[0].kind is EMPTY else None,
        undated=tuple([result for result in undated if result.kind is USABLE]),
    )
    return _beside_undated(found, undated, analyte)


def _judge_dated(
    ordered: list[LabResult],
    usable: Sequence[LabResult],
    contested: dict[tuple[object, ...], Contested],
    analyte: Analyte[B],
    today: date,
) -> Judged[B]:
    measured = next((result for result in ordered if result.kind is not EMPTY), None)
    newest = ordered[0] if ordered else None
    if newest is not None and newest is not measured:
        long_window = analyte.long_window(usable)
        if within(newest, long_window, today) and not within(measured, long_window, today):  # all in it are empty
            return Judged(UNDETERMINED, newest, problem="empty", untrusted=(newest,))
    if measured is None:
        return Judged(NONE)
    if measured.kind is USABLE:
        return _judge_usable(measured, usable, analyte, today)
    dispute = contested.get(measured.recency)
    if dispute is not None:
        claimed = _judge_usable(dispute.claim, [dispute.claim, *usable], analyte, today)
        if claimed.band in analyte.alarms:
            return claimed.changed(beside=dispute.against)
    if not within(measured, analyte.long_window(usable), today):
        return Judged(NONE)
    moment = measured.recency[:2]
    untrusted = tuple(r for r in ordered if r.kind is BLOCKED and r.recency[:2] == moment)
    return Judged(UNDETERMINED, measured, problem=measured.problem, untrusted=untrusted)


def _judge_usable(result: LabResult, usable: Sequence[LabResult], analyte: Analyte[B], today: date) -> Judged[B]:
    """A usable result; one too old that cannot be banded leaves nothing to read, rather than something stale."""
    age, band = age_in_days(result, today), analyte.band(result)
    fresh = age <= analyte.window(result, band, usable)
    if band is None:
        if not fresh:
            return Judged(NONE)
        return Judged(UNDETERMINED, result, problem="interval", untrusted=(result,))
    if analyte.oldest is not None and age > analyte.oldest:
        return Judged(NONE)
    return Judged(FRESH if fresh else STALE, result, band)


def _beside_undated(found: Judged[B], undated: Sequence[LabResult], analyte: Analyte[B]) -> Judged[B]:
    """A result without a date decides nothing, but one of another band leaves nothing to rely on (section 5)."""
    if found.standing is UNDETERMINED:
        return found
    if found.standing is NONE:
        differing = tuple(undated)
    else:
        differing = tuple([result for result in found.undated if analyte.band(result) != found.band])
    if not differing:
        return found
    if found.band in analyte.alarms and found.standing is not NONE:
        return found.changed(beside=found.beside + differing)
    lost = tuple(block(result, "no-date") for result in differing)
    return found.changed(standing=UNDETERMINED, result=lost[0], band=None, problem="no-date", untrusted=lost, beside=())


def age_in_days(result: LabResult, today: date) -> int:
    """Age of a dated *result*; a result of tomorrow is -1 day old."""
    if result.day is None:
        raise ValueError("an undated result has no age")
    return days_between(result.day, today)


_recency = attrgetter("recency")


def in_one_order(results: Iterable[LabResult], key: Callable[[LabResult], Any]) -> list[LabResult]:
    """By *key*; those that share theirs by all that they hold, so that the order of entries decides nothing.

    To write down all that a result holds takes longer than all else that is done with it: only those are asked.
    """
    found: list[LabResult] = []
    for _, group in groupby(sorted(results, key=key), key):
        alike = list(group)
        found += alike if len(alike) == 1 else sorted(alike, key=str)
    return found


def newest_first(results: Iterable[LabResult]) -> list[LabResult]:
    """Dated results in the order of section 5: day, instant, code, status."""
    return sorted([result for result in results if result.day is not None], key=_recency)


def _has_ties(results: Sequence[LabResult]) -> bool:
    """Whether any of *results* are tied in every respect of section 5: most never are."""
    return len({result.recency for result in results}) < len(results)


def block(result: LabResult, problem: str) -> LabResult:
    """The same result, no longer trusted, because of *problem*."""
    return result.changed(kind=BLOCKED, problem=problem)


def block_future(results: Iterable[LabResult], today: date, future_days: int) -> list[LabResult]:
    """Block measurements dated more than *future_days* ahead of *today* (section 4.5)."""
    latest = -(today.toordinal() + future_days)
    return [
        block(result, "future") if result.recency.day < latest and result.kind is USABLE else result
        for result in results
    ]


def _settle_ties(
    ordered: list[LabResult], factor: Callable[[LabResult], Decimal]
) -> tuple[list[LabResult], dict[tuple[object, ...], Contested]]:
    """Block measurements that are tied in every respect and differ (section 5); *ordered* is newest first.

    Of tied results the usable ones come first, so that an empty twin never hides a measurement. Also given back, by
    moment: the usable result where usable ones agree and only those that cannot be used differ.
    """
    if not _has_ties(ordered):
        return ordered, {}
    settled: list[LabResult] = []
    contested: dict[tuple[object, ...], Contested] = {}
    for moment, tied in groupby(ordered, _recency):
        group = list(tied)
        if len(group) == 1:
            settled += group
            continue
        usable = in_one_order((result for result in group if result.kind is USABLE), _safer_first)
        blocked = [result for result in group if result.kind is BLOCKED]
        if not _agree(usable, factor):
            usable = [block(result, "conflict") for result in usable]
        elif usable and (against := _against(usable, blocked)):
            contested[moment] = Contested(usable[0], against)
            usable = [block(result, "conflict") for result in usable]
            blocked = [block(result, "conflict") for result in blocked]
        empty = [result for result in group if result.kind is EMPTY]
        settled += [*usable, *sorted(blocked, key=_as_shown), *sorted(empty, key=_as_shown)]
    return settled, contested


def _against(usable: Sequence[LabResult], blocked: Iterable[LabResult]) -> tuple[LabResult, ...]:
    """Those that cannot be used and say another number; the same number is a repeat without its unit."""
    said = {(result.reported, result.comparator) for result in usable if result.reported is not None}
    return tuple(result for result in blocked if (result.reported, result.comparator) not in said)


def _agree(usable: Sequence[LabResult], factor: Callable[[LabResult], Decimal]) -> bool:
    """Whether tied results say the same: equal in one unit family, in two within their rounding.

    Results of one family agree only if they are equal, so each family is told by one value and its smallest rounding:
    the work grows with the results, not with their pairs.
    """
    families: dict[str, tuple[Interval, Decimal | None, Decimal]] = {}
    for result in usable:
        value, step = interval_of(result), result.step
        first, smallest, scale = families.setdefault(result.family, (value, step, factor(result)))
        if first != value:
            return False
        if step is None or (smallest is not None and step < smallest):
            families[result.family] = (first, step, scale)
    return all(_touch(one, other) for one, other in combinations(families.values(), 2))


def _touch(one: tuple[Interval, Decimal | None, Decimal], other: tuple[Interval, Decimal | None, Decimal]) -> bool:
    """Whether two values may be one, each rounded in its own unit."""
    (first, step, scale), (second, other_step, other_scale) = one, other
    if step is None or other_step is None or not (first.is_point and second.is_point):
        return False
    slack = (step * scale + other_step * other_scale) / 2
    return abs(first.bound * scale - second.bound * other_scale) <= slack


def _safer_first(result: LabResult) -> tuple[object, ...]:
    """Of results that agree, the one without a range that would soften it, then the one with more doubts about it."""
    softened = result.reference_low is not None or result.reference_high is not None
    return (softened, -len(result.notes), result.family, result.code, result.unit, result.shown)


def _as_shown(result: LabResult) -> tuple[object, ...]:
    """Any order that does not depend on the order of entries."""
    return (result.code, result.problem, result.unit, result.shown)


def own_range(
    ranges: Iterable[OwnRange], *, age: int | None, sex: str | None, pregnant: bool
) -> tuple[Decimal | None, Decimal | None]:
    """The laboratory's own range for this patient, low and high; none where several that differ remain (4.6)."""
    found = {
        (r.low, r.high)
        for r in ranges
        if r.sex in (None, sex) and (pregnant or not r.pregnancy) and _holds_age(r, age)
    }  # fmt: skip
    return found.pop() if len(found) == 1 else (None, None)


def _holds_age(found: OwnRange, age: int | None) -> bool:
    if found.age_low is None and found.age_high is None:
        return True
    if age is None:
        return False
    return (found.age_low is None or found.age_low <= age) and (found.age_high is None or age <= found.age_high)


INFINITE = Decimal("Infinity")
HEIGHT = {"<": 0, "<=": 1, "": 2, ">=": 3, ">": 4}
"""Of two results with the same number, which is the lower: `<7.5` before `7.5` before `>7.5`."""


def by_value(result: LabResult) -> tuple[object, ...]:
    """The lowest first, one unit family after the other."""
    return (result.family, interval_of(result).bound, HEIGHT[result.comparator], _stricter_range(result))


def _stricter_range(result: LabResult) -> Decimal:
    """Of the same value twice, the one whose own range is exceeded sooner."""
    return result.reference_high if result.reference_high is not None else INFINITE


def highest_first(result: LabResult, units: Conversion) -> tuple[object, ...]:
    """The highest first, in whatever of the *units* of its analyte."""
    mass = interval_of(result).bound * units.in_mass(result.family)
    return (-mass, -HEIGHT[result.comparator], _stricter_range(result))


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
    usable = [r for r in results if r.kind is USABLE and r.day is not None and r.recency.day >= latest]
    usable.sort(key=_recency)
    if _has_ties(usable):
        usable = in_one_order(usable, tied)
        usable.sort(key=_recency)
    return usable


def within(result: LabResult | None, days: int, today: date) -> bool:
    """Whether there is a result and it is at most *days* old."""
    return result is not None and age_in_days(result, today) <= days


def interval_of(result: LabResult) -> Interval:
    """The value of a usable *result*."""
    if result.interval is None:
        raise ValueError("only a usable result has a value")
    return result.interval
