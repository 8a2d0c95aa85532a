"""Vitamin D orders and the course they make (sections 7.4 and 9.3): current or ended, dose class, S, month 3."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from operator import attrgetter

from cds_service.clinical.datum import Datum
from cds_service.clinical.days import add_days, days_between, whole_months
from cds_service.clinical.facts import Dose, MedicationOrder
from cds_service.clinical.limits import TherapyLimits

NUTRITIONAL, ACTIVE_FORM = "nutritional-vitd", "active-vitd"
COMBINATION = "combination"
"""The group of products that hold calcium and vitamin D."""
CATABOLISM, MALABSORPTION = "vitd-catabolism", "vitd-malabsorption"
GLUCOCORTICOIDS = "glucocorticoids"


class Course(Datum, frozen=True):
    """The course-grade order that counts, `s` the start of its chain, `month3` the day month 3 is reached.

    `s` and `month3` are `None` where the start is unknown; `ended` is `None` while the order is current.
    """

    order: MedicationOrder
    s: date | None
    month3: date | None
    ended: date | None


class Therapy(Datum, frozen=True):
    """What the patient takes now, and the vitamin D course (sections 7.4 and 9.3). IU a day.

    `standing` are the current orders and the drafts, of any set; `unresolved` says that one of them could be any drug.
    """

    standing: tuple[MedicationOrder, ...]
    unresolved: bool
    course: Course | None
    daily_total: Decimal
    high_dose: bool
    intermittent_d2: MedicationOrder | None
    recent_d2: bool

    by_set: Mapping[str, tuple[MedicationOrder, ...]]
    today: date

    def taking(self, drug_set: str) -> tuple[MedicationOrder, ...]:
        """The current orders of *drug_set*."""
        return self.by_set.get(drug_set, ())

    def with_current(self, orders: tuple[MedicationOrder, ...]) -> Therapy:
        """The same, where *orders* are current and no others; the course and the totals stay."""
        standing = (*orders, *[o for o in self.standing if o.status == "draft"])
        return self.changed(standing=standing, unresolved=_holds_unresolved(standing), by_set=_by_set(orders))

    def first(self, *drug_sets: str) -> MedicationOrder | None:
        """The first current order of any of *drug_sets*, in that order."""
        for drug_set in drug_sets:
            if drug_set in self.by_set:
                return self.by_set[drug_set][0]
        return None


def assess(orders: Sequence[MedicationOrder], limits: TherapyLimits, today: date) -> Therapy:
    """Derive the therapy from all orders."""
    listed = _in_order({o.told: o for o in reversed(orders)}.values())
    current = [o for o in listed if is_current(o, today)]
    standing = (*current, *[o for o in listed if o.status == "draft"])
    by_set = _by_set(current)
    nutritional = [o for o in listed if NUTRITIONAL in o.sets]
    taken = by_set.get(NUTRITIONAL, ())
    doses = [o.dose for o in distinct(taken) if o.dose is not None]
    total = sum([dose.per_day for dose in doses], Decimal(0))
    return Therapy(
        standing=standing,
        unresolved=_holds_unresolved(standing),
        course=_course(nutritional, limits, today),
        daily_total=total,
        high_dose=total > limits.high_per_day or any(dose.single >= limits.high_single for dose in doses),
        intermittent_d2=_intermittent_d2(taken, limits),
        recent_d2=any(_is_recent_d2(o, limits, today) for o in nutritional),
        by_set=by_set,
        today=today,
    )


def _holds_unresolved(orders: Iterable[MedicationOrder]) -> bool:
    return any(o.unresolved for o in orders)


def _by_set(orders: Iterable[MedicationOrder]) -> Mapping[str, tuple[MedicationOrder, ...]]:
    found: defaultdict[str, list[MedicationOrder]] = defaultdict(list)
    for order in orders:
        for drug_set in order.sets:
            found[drug_set].append(order)
    return {drug_set: tuple(listed) for drug_set, listed in found.items()}


def _in_order(orders: Iterable[MedicationOrder]) -> list[MedicationOrder]:
    """By name, and by all else only where some share theirs."""
    listed = sorted(orders, key=attrgetter("name"))
    return listed if len({order.name for order in listed}) == len(listed) else sorted(listed, key=order_key)


def order_key(order: MedicationOrder) -> tuple[str, ...]:
    """An order of its own, so that the order of entries decides nothing."""
    facts = (order.start, order.dose, order.status, order.bounds_end, order.supply_end, order.unresolved)
    return (order.name, *map(str, facts), *sorted(order.sets), *sorted(order.groups))


Same = tuple[str, frozenset[str], Dose | None]
"""What identical orders have in common, which count once (section 7.4): the drug, the dose and the interval."""


def same(order: MedicationOrder) -> Same:
    """What makes another order identical to *order*."""
    return order.name, order.groups, order.dose


def distinct(orders: Iterable[MedicationOrder]) -> list[MedicationOrder]:
    """Identical orders count once."""
    return list({same(order): order for order in orders}.values())


def is_current(order: MedicationOrder, today: date) -> bool:
    """Whether *order* is active, and not over."""
    return order.status == "active" and not is_past(order, today)


def is_past(order: MedicationOrder, today: date) -> bool:
    """An active order whose stated bounds are past has ended; its supply does not count (section 9.3)."""
    return order.bounds_end is not None and order.bounds_end < today


def end_of(order: MedicationOrder, limits: TherapyLimits, today: date) -> date | None:
    """The day *order* ended, `None` while it is current or where nothing tells (section 9.3)."""
    if order.status == "active":
        return order.bounds_end if is_past(order, today) else None
    stated = order.bounds_end or order.supply_end
    if stated is None and order.start is not None:
        stated = add_days(order.start, limits.course_days_unstated)
    return None if stated is None else min(stated, today)


def is_course_grade(order: MedicationOrder, limits: TherapyLimits) -> bool:
    """At least 2,000 IU a day, or a single dose of at least 50,000 IU, or a dose that is not known (section 9.3).

    Calcium with vitamin D of unknown dose is maintenance: its usual dose is small.
    """
    if order.dose is None:
        return COMBINATION not in order.groups
    return order.dose.per_day >= limits.course_per_day or order.dose.single >= limits.course_single


def is_supplement(order: MedicationOrder, limits: TherapyLimits) -> bool:
    """Below 800 IU a day, taken more often than weekly."""
    if is_course_grade(order, limits) or order.dose is None:
        return False
    return order.dose.per_day < limits.maintenance_per_day and order.dose.interval_days < limits.intermittent_days


def _course(nutritional: list[MedicationOrder], limits: TherapyLimits, today: date) -> Course | None:
    graded = [o for o in nutritional if o.status != "draft" and is_course_grade(o, limits)]
    candidates = [o for o in graded if _counts_as_course(o, limits, today)]
    if not candidates:
        return None
    best = min(candidates, key=lambda o: _preference(o, today))
    start = best.start
    if start is not None:
        start = _chain_start(best, graded, limits, today)
    month3 = None if start is None else add_days(start, limits.month3_days)
    return Course(best, start, month3, end_of(best, limits, today))


def _counts_as_course(order: MedicationOrder, limits: TherapyLimits, today: date) -> bool:
    if is_current(order, today):
        return True
    end = end_of(order, limits, today)
    return end is not None and days_between(end, today) <= limits.course_counts_days


def _preference(order: MedicationOrder, today: date) -> tuple[bool, Decimal, int]:
    """A current order before an ended one, then the most IU a day (unknown lowest), then the earliest start."""
    per_day = Decimal(-1) if order.dose is None else order.dose.per_day
    start = order.start.toordinal() if order.start is not None else 10**7
    return (not is_current(order, today), -per_day, start)


def _chain_start(order: MedicationOrder, graded: list[MedicationOrder], limits: TherapyLimits, today: date) -> date:
    """The earliest start reached backwards through course-grade orders with gaps of at most 90 days (S)."""
    start = order.start
    if start is None:
        raise ValueError("a chain begins at a known start")
    spans = [(end_of(o, limits, today) or date.max, o.start) for o in graded if o.start is not None]
    for end, first in sorted(spans, reverse=True):  # the latest end first: once a gap is too long, all that follow are
        if days_between(end, start) > limits.chain_gap_days:
            break
        start = min(start, first)
    return start


def _intermittent_d2(taken: Iterable[MedicationOrder], limits: TherapyLimits) -> MedicationOrder | None:
    """INT2: a current ergocalciferol with seven days or more between doses; the earliest start first."""
    found = [
        o for o in taken
        if "d2" in o.groups and o.dose is not None and o.dose.interval_days >= limits.intermittent_days
    ]  # fmt: skip
    return min(found, key=lambda o: o.start.toordinal() if o.start else 10**7, default=None)


def _is_recent_d2(order: MedicationOrder, limits: TherapyLimits, today: date) -> bool:
    """An ergocalciferol order that is current, or ended at most 180 days ago or on an unknown day (section 3.2)."""
    if "d2" not in order.groups or order.status == "draft":
        return False
    if is_current(order, today):
        return True
    end = end_of(order, limits, today)
    return end is None or days_between(end, today) <= limits.recent_d2_days


def lowers_vitamin_d(therapy: Therapy, limits: TherapyLimits) -> MedicationOrder | None:
    """A current drug of `vitd-catabolism` or `vitd-malabsorption`; a glucocorticoid from three months on (7.3)."""
    found = therapy.first(CATABOLISM, MALABSORPTION)
    if found is not None:
        return found
    for order in therapy.taking(GLUCOCORTICOIDS):
        if order.start is None or whole_months(order.start, therapy.today) >= limits.glucocorticoid_months:
            return order
    return None
