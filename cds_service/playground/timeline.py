"""25(OH)D and magnesium over time in one picture, with the bands of the profile: numbers to draw, and as a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from cds_service.clinical.factors import MAGNESIUM, VITAMIN_D
from cds_service.clinical.facts import Family, Kind, LabResult, PatientFacts, Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.playground import bands
from cds_service.playground.bands import Span

WIDTH, HEIGHT, DAYS = 400, 116, 18
"""Of each plot; both share the days below them."""
LEFT, RIGHT, TOP, BOTTOM = 36, 8, 18, 4
LINE = 9
"""The least height between two numbers."""
MOST_POINTS = 100
SHORTEST = timedelta(days=365)
VITAMIN_D_TOP: dict[Family, Decimal] = {"mass": Decimal(60), "molar": Decimal(150)}
MAGNESIUM_TOP, MAGNESIUM_FLOOR = Decimal("1.2"), Decimal("0.4")
"""Nothing is to be seen below the floor, unless a result lies there."""
HEADROOM = Decimal("1.08")


class Shade(NamedTuple):
    """A band in the plot: from `top` over `height`, with its name where there is room for it."""

    name: str
    shade: str
    top: float
    height: float


class Point(NamedTuple):
    """A result in the plot and in the table. `open`: it is a limit, such as <4."""

    x: float
    y: float
    day: date
    shown: str
    open: bool


class Tick(NamedTuple):
    """A mark at an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One analyte over time."""

    name: str
    unit: str
    shades: tuple[Shade, ...]
    points: tuple[Point, ...]
    across: tuple[Tick, ...]
    upwards: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    days: int = DAYS
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM

    @property
    def line(self) -> str:
        """The points in order of time, for a line through them."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)


class _Frame:
    """From days and values to places in the plot."""

    def __init__(self, first: date, last: date, most: Decimal, least: Decimal = Decimal(0)) -> None:
        self.first = first
        self.days = max(1, (last - first).days)
        self.most = most
        self.least = least

    def x(self, day: date) -> float:
        share = (day - self.first).days / self.days
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: Decimal) -> float:
        share = float((min(max(value, self.least), self.most) - self.least) / (self.most - self.least))
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)


def plots(facts: PatientFacts, guidance: Guidance, today: date, unplaced: Collection[str] = ()) -> tuple[Plot, Plot]:
    """The two plots; their days are the same, so that they can be read one above the other.

    *unplaced* are the keys of results whose newest value the rules could not place in a band: it is not drawn as if.
    """
    vitamin_d = _placed(_dated(facts.vitamin_d, today), Source.VITAMIN_D in unplaced)
    magnesium = _placed(_dated(facts.magnesium, today), Source.MAGNESIUM in unplaced)
    first = min([day for day, _ in (*vitamin_d, *magnesium)], default=today)
    first = min(first, today - SHORTEST)
    family = vitamin_d[-1][1].family if vitamin_d else "mass"
    return (
        _vitamin_d(vitamin_d, family, guidance, first, today),
        _magnesium(magnesium, guidance, first, today),
    )


def _dated(results: Iterable[LabResult], today: date) -> list[tuple[date, LabResult]]:
    """Usable results with a day that is not to come, oldest first; the newest where there are very many."""
    found = [
        (result.day, result)
        for result in results
        if result.kind is Kind.USABLE and result.interval is not None and result.day is not None and result.day <= today
    ]
    return sorted(found, key=lambda one: (one[0], one[1].recency.instant * -1))[-MOST_POINTS:]


def _placed(results: list[tuple[date, LabResult]], unplaced: bool) -> list[tuple[date, LabResult]]:  # noqa: FBT001
    """The *results* without the newest, where it is a number that is not to be believed; a limit is drawn as open."""
    return results[:-1] if unplaced and results and _is_point(results[-1][1]) else results


def _vitamin_d(
    results: list[tuple[date, LabResult]], family: Family, guidance: Guidance, first: date, today: date
) -> Plot:
    values = [_in_family(result, family) for _, result in results]
    frame = _Frame(first, today, max([VITAMIN_D_TOP[family], *(value * HEADROOM for value in values)]))
    spans = bands.vitamin_d(guidance, family)
    return _plot("25(OH)D", VITAMIN_D.unit(family), frame, spans, list(zip(results, values, strict=True)), today)


def _magnesium(results: list[tuple[date, LabResult]], guidance: Guidance, first: date, today: date) -> Plot:
    values = [result.interval.bound for _, result in results if result.interval is not None]
    least = MAGNESIUM_FLOOR if min(values, default=MAGNESIUM_TOP) > MAGNESIUM_FLOOR else Decimal(0)
    frame = _Frame(first, today, max([MAGNESIUM_TOP, *(value * HEADROOM for value in values)]), least)
    spans = bands.magnesium(guidance)
    return _plot("Magnesium", MAGNESIUM.molar, frame, spans, list(zip(results, values, strict=True)), today)


def _in_family(result: LabResult, family: Family) -> Decimal:
    """The value in the unit of *family*, for the plot alone: the logic compares each result in its own (section 4)."""
    value = result.interval.bound if result.interval is not None else Decimal(0)
    if result.family == family:
        return value
    return value * VITAMIN_D.factor if family == "mass" else value / VITAMIN_D.factor


def _plot(
    name: str,
    unit: str,
    frame: _Frame,
    spans: Iterable[Span],
    results: list[tuple[tuple[date, LabResult], Decimal]],
    today: date,
) -> Plot:
    shades = []
    marks = {frame.least}
    for name_of_band, shade, low, high in spans:
        if low >= frame.most or low == high:
            continue
        upper = frame.most if high is None else min(high, frame.most)
        top = frame.y(upper)
        shades.append(Shade(name_of_band, shade, top, round(frame.y(low) - top, 1)))
        marks |= {max(low, frame.least)}
    points = [
        Point(frame.x(day), frame.y(value), day, f"{result.shown} {result.unit}".strip(), not _is_point(result))
        for (day, result), value in results
    ]
    return Plot(
        name,
        unit,
        tuple(shades),
        tuple(points),
        tuple(_days(frame, today)),
        tuple(_apart(Tick(frame.y(mark), f"{mark.normalize():f}") for mark in sorted(marks))),
    )


def _apart(ticks: Iterable[Tick]) -> Iterable[Tick]:
    """The *ticks*, from below, whose numbers do not run into one another; the band's name tells the rest."""
    last = float(HEIGHT)
    for tick in ticks:
        if last - tick.at >= LINE:
            yield tick
            last = tick.at


def _is_point(result: LabResult) -> bool:
    return result.interval is not None and result.interval.is_point


def _days(frame: _Frame, today: date) -> Iterable[Tick]:
    for quarter in range(5):
        day = frame.first + timedelta(days=round(frame.days * quarter / 4))
        yield Tick(frame.x(day), f"{day:%b %Y}" if day != today else str(today))
