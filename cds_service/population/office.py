"""What an office day would look like: twenty charts drawn at random, a hundred times."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from statistics import quantiles
from typing import NamedTuple

CHARTS = 20
DAYS = 100
SEED = 20
"""The same charts give the same report."""


class Spread(NamedTuple):
    """What is usual over the days, and what one day in ten has less or more of."""

    low: int
    usual: int
    high: int


class Office(NamedTuple):
    """Cards, charts with a warning or a critical card, and charts without any, of a day."""

    cards: Spread
    warnings: Spread
    without: Spread


def office_day(charts: Mapping[tuple[int, int], int], limit: int) -> Office | None:
    """The days of an office whose *charts* are counted by cards and urgent cards; `None` where there are too few.

    Charts that are rarer than *limit* are drawn as the next commoner kind, so that no day depends on a small count.
    """
    kinds = _no_rare_ones(charts, limit)
    if sum(kinds.values()) < CHARTS:
        return None
    drawing = random.Random(SEED)  # noqa: S311 - nothing is secret
    days = [drawing.sample(list(kinds), CHARTS, counts=list(kinds.values())) for _ in range(DAYS)]
    return Office(
        cards=_spread(sum(cards for cards, _ in day) for day in days),
        warnings=_spread(sum(urgent > 0 for _, urgent in day) for day in days),
        without=_spread(sum(cards == 0 for cards, _ in day) for day in days),
    )


def _no_rare_ones(charts: Mapping[tuple[int, int], int], limit: int) -> dict[tuple[int, int], int]:
    kinds: dict[tuple[int, int], int] = {}
    rare = 0
    for kind in sorted(charts):
        together = charts[kind] + rare
        if together < limit:
            rare = together
        else:
            kinds[kind], rare = together, 0
    if rare and kinds:
        kinds[max(kinds)] += rare
    return kinds


def _spread(days: Iterable[int]) -> Spread:
    tenths = quantiles(days, n=10, method="inclusive")
    return Spread(round(tenths[0]), round(tenths[4]), round(tenths[8]))
