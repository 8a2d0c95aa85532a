"""Compares what was shown with what was held back: charts, cards, and what became of the next result.

A silent card is never dismissed and comes again at every chart. So cards are counted also once per topic, patient and
30 days from the first day of the period on. What became of results is told of topics that were shared: there a keyed
hash decided who saw cards, and nothing else differs but by chance.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select

from cds_service.clinical.states.bands import IN_RANGE
from cds_service.feedback.summary import DAY_MS, SMALL, SummaryPeriod, beginning
from cds_service.modes import Mode
from cds_service.store.tables import CONSIDERED, COURSE

WINDOW = 30 * DAY_MS
Z = 1.959964
"""For 95 in 100."""
OUTCOMES = ("ordered", "repeated", "back in range")


class Arm(NamedTuple):
    """By which mode a card was weighed, and whether it was shown."""

    mode: str
    shown: bool

    def __str__(self) -> str:
        """In words."""
        if self.mode == Mode.SHARE:
            return "share: shown" if self.shown else "share: silent"
        if self.mode == Mode.SILENT and self.shown:
            return "silent, critical shown"
        return "shown" if self.shown else "silent"


@dataclass
class ArmCounts:
    """Cards of one topic, or all, in one arm: all of them, once per patient and 30 days, by indicator; and charts."""

    cards: Counter[str] = field(default_factory=Counter)
    once: int = 0
    charts: int = 0


@dataclass
class Outcomes:
    """Of the patients of one arm, how many had a test ordered later, a later result, and one back in range."""

    patients: int = 0
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Comparison:
    """All of it. `charts` counts by arm, `topics` by topic and arm, `outcomes` by topic and whether it was shown."""

    charts: Mapping[Arm, ArmCounts]
    topics: Mapping[tuple[str, Arm], ArmCounts]
    outcomes: Mapping[str, Mapping[bool, Outcomes]]


class Difference(NamedTuple):
    """A difference of two shares in percentage points, and the bounds between which it lies with 95 % confidence."""

    points: float
    low: float
    high: float


def compare(connection: Connection, period: SummaryPeriod) -> Comparison:
    """Compare what was weighed in *period*."""
    within = period.of(CONSIDERED.c.at, CONSIDERED.c.client)
    topics: defaultdict[tuple[str, Arm], ArmCounts] = defaultdict(ArmCounts)
    arm = (CONSIDERED.c.mode, CONSIDERED.c.shown)
    cards = (
        select(CONSIDERED.c.topic, *arm, CONSIDERED.c.indicator, func.count())
        .where(within)
        .group_by(CONSIDERED.c.topic, *arm, CONSIDERED.c.indicator)
    )
    for topic, mode, shown, indicator, count in connection.execute(cards):
        topics[topic, Arm(mode, shown)].cards[indicator] = count
    window = (CONSIDERED.c.at - beginning(period)) / WINDOW
    once = (
        select(CONSIDERED.c.topic, *arm, CONSIDERED.c.client, CONSIDERED.c.patient, func.floor(window).label("window"))
        .where(within)
        .distinct()
        .subquery()
    )
    counted = select(once.c.topic, once.c.mode, once.c.shown, func.count()).group_by(
        once.c.topic, once.c.mode, once.c.shown
    )
    for topic, mode, shown, count in connection.execute(counted):
        topics[topic, Arm(mode, shown)].once = count
    charts: defaultdict[Arm, ArmCounts] = defaultdict(ArmCounts)
    for (_, of), counts in topics.items():
        charts[of].cards.update(counts.cards)
        charts[of].once += counts.once
    opened = select(*arm, func.count(CONSIDERED.c.chart.distinct())).where(within).group_by(*arm)
    for mode, shown, count in connection.execute(opened):
        charts[Arm(mode, shown)].charts = count
    return Comparison(dict(sorted(charts.items())), dict(sorted(topics.items())), _outcomes(connection, period))


def _outcomes(connection: Connection, period: SummaryPeriod) -> Mapping[str, Mapping[bool, Outcomes]]:
    """What became of the patients of shared topics, in the order of the topics."""
    found: defaultdict[str, dict[bool, Outcomes]] = defaultdict(lambda: {True: Outcomes(), False: Outcomes()})
    for topic, shown, happened in _patients(connection, period):
        outcomes = found[topic][shown]
        outcomes.patients += 1
        outcomes.counts.update(happened)
    return dict(sorted(found.items()))


def _patients(connection: Connection, period: SummaryPeriod) -> Iterator[tuple[str, bool, list[str]]]:
    """Each patient of a shared topic, from the first card on: the topic, whether it was shown, what happened."""
    first = _first_cards(period)
    later = and_(
        COURSE.c.patient == first.c.patient,
        COURSE.c.client == first.c.client,
        COURSE.c.analyte == first.c.analyte,
        COURSE.c.at > first.c.at,
    )
    query = (
        select(first, COURSE.c.band.label("next_band"), COURSE.c.result_day.label("next_day"))
        .add_columns(COURSE.c.ordered.label("next_ordered"))
        .join(COURSE, later, isouter=True)
        .order_by(first.c.id, COURSE.c.result_day, COURSE.c.at)
        .execution_options(yield_per=1000)
    )
    card, happened = None, _Happened()
    for row in connection.execute(query):
        if card is None or row.id != card.id:
            if card is not None:
                yield card.topic, card.shown, happened.told()
            card, happened = row, _Happened()
        if row.next_day is not None:
            happened.see(row)
    if card is not None:
        yield card.topic, card.shown, happened.told()


def _first_cards(period: SummaryPeriod):  # type: ignore[no-untyped-def]  # noqa: ANN202 - SQLAlchemy's own type
    """The first card of each topic and patient in *period* that a share decided on."""
    shared = and_(
        period.of(CONSIDERED.c.at, CONSIDERED.c.client), CONSIDERED.c.mode == Mode.SHARE, CONSIDERED.c.analyte != ""
    )
    ids = (
        select(func.min(CONSIDERED.c.id))
        .where(shared)
        .group_by(CONSIDERED.c.topic, CONSIDERED.c.client, CONSIDERED.c.patient)
    )
    return select(CONSIDERED).where(CONSIDERED.c.id.in_(ids)).subquery()


class _Happened:
    """What was seen after a card; its rows come in the order of the results' days."""

    def __init__(self) -> None:
        self._found: dict[str, bool] = {}

    def see(self, row) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a row of SQLAlchemy has no type
        """A later state of the analyte; only the next result counts as back in range."""
        if row.next_ordered and not row.ordered:
            self._found["ordered"] = True
        if row.next_day > row.result_day and "repeated" not in self._found:
            self._found["repeated"] = True
            self._found["back in range"] = row.next_band in IN_RANGE[row.analyte]

    def told(self) -> list[str]:
        """The outcomes that happened."""
        return [outcome for outcome, so in self._found.items() if so]


def difference(shown: int, of_shown: int, silent: int, of_silent: int) -> Difference | None:
    """How much more often it happened where cards were shown; `None` where a count could point at a person.

    The bounds are Newcombe's, made of Wilson's for each share: they hold for small counts and shares near 0 and 100.
    """
    for part, whole in ((shown, of_shown), (silent, of_silent)):
        if whole < SMALL or 0 < part < SMALL or 0 < whole - part < SMALL:
            return None
    (p, low_p, high_p), (q, low_q, high_q) = _wilson(shown, of_shown), _wilson(silent, of_silent)
    down = math.hypot(p - low_p, high_q - q)
    up = math.hypot(high_p - p, q - low_q)
    return Difference(*(round(100 * value, 1) for value in (p - q, p - q - down, p - q + up)))


def _wilson(part: int, whole: int) -> tuple[float, float, float]:
    share = part / whole
    middle = (share + Z * Z / (2 * whole)) / (1 + Z * Z / whole)
    half = Z * math.sqrt(share * (1 - share) / whole + Z * Z / (4 * whole * whole)) / (1 + Z * Z / whole)
    return share, middle - half, middle + half
