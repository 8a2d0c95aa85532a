"""25(OH)D and magnesium over time, with the bands of the profile: numbers for a plot, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cds_service.clinical.bands import D, M, edges_in_force
from cds_service.clinical.facts import Kind
from cds_service.clinical.vitamin_d_state import NG_PER_NMOL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.clinical.facts import Family, LabResult, PatientFacts
    from cds_service.clinical.guidance_types import Guidance

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 30
MOST_POINTS = 100
SHORTEST = timedelta(days=365)
VITAMIN_D_UNITS: dict[Family, str] = {"mass": "ng/mL", "molar": "nmol/L"}
VITAMIN_D_TOP: dict[Family, Decimal] = {"mass": Decimal(60), "molar": Decimal(150)}
MAGNESIUM_TOP = Decimal("1.3")
HEADROOM = Decimal("1.08")
NAMES = {
    D.DEF: ("deficient", "low"), D.INS: ("insufficient", "lowish"), D.OK: ("adequate", "fine"),
    D.NOBAND: ("no band", "none"), D.HIGH: ("high", "highish"), D.TOX: ("toxic", "high"),
    M.SEV: ("severely low", "low"), M.LOW: ("low", "lowish"), M.LAT: ("low-normal", "edge"),
    M.NORM: ("in range", "fine"), M.HIGH: ("high", "highish"), M.VHIGH: ("very high", "high"),
}  # fmt: skip
"""Each band in words, and how it is shaded."""


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

    def __init__(self, first: date, last: date, most: Decimal) -> None:
        self.first = first
        self.days = max(1, (last - first).days)
        self.most = most

    def x(self, day: date) -> float:
        share = (day - self.first).days / self.days
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: Decimal) -> float:
        share = float(min(value, self.most) / self.most)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)


def plots(facts: PatientFacts, guidance: Guidance, today: date) -> tuple[Plot, Plot]:
    """The two plots; their days are the same, so that they can be read one above the other."""
    vitamin_d, magnesium = _dated(facts.vitamin_d, today), _dated(facts.magnesium, today)
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


def _vitamin_d(
    results: list[tuple[date, LabResult]], family: Family, guidance: Guidance, first: date, today: date
) -> Plot:
    edges = edges_in_force(guidance.profile, None, family, indicated=False, pth_normal=False)
    values = [_in_family(result, family) for _, result in results]
    frame = _Frame(first, today, max([VITAMIN_D_TOP[family], *(value * HEADROOM for value in values)]))
    spans = [(band, span.low or Decimal(0), span.high) for band, span in edges.bands()]
    return _plot("25(OH)D", VITAMIN_D_UNITS[family], frame, spans, list(zip(results, values, strict=True)), today)


def _magnesium(results: list[tuple[date, LabResult]], guidance: Guidance, first: date, today: date) -> Plot:
    limits = guidance.limits.mg
    values = [result.interval.bound for _, result in results if result.interval is not None]
    frame = _Frame(first, today, max([MAGNESIUM_TOP, *(value * HEADROOM for value in values)]))
    edges = [edge.mmol_L for edge in (limits.severe, limits.low, limits.latent, limits.normal_to, limits.very_high)]
    spans = list(zip((M.SEV, M.LOW, M.LAT, M.NORM, M.HIGH, M.VHIGH), [Decimal(0), *edges], [*edges, None], strict=True))
    return _plot("Magnesium", "mmol/L", frame, spans, list(zip(results, values, strict=True)), today)


def _in_family(result: LabResult, family: Family) -> Decimal:
    """The value in the unit of *family*, for the plot alone: the logic compares each result in its own (section 4)."""
    value = result.interval.bound if result.interval is not None else Decimal(0)
    if result.family == family:
        return value
    return value * NG_PER_NMOL if family == "mass" else value / NG_PER_NMOL


def _plot(
    name: str,
    unit: str,
    frame: _Frame,
    spans: Iterable[tuple[D | M, Decimal, Decimal | None]],
    results: list[tuple[tuple[date, LabResult], Decimal]],
    today: date,
) -> Plot:
    shades = []
    marks = {Decimal(0)}
    for band, low, high in spans:
        if low >= frame.most or low == high:
            continue
        upper = frame.most if high is None else min(high, frame.most)
        top = frame.y(upper)
        shades.append(Shade(*NAMES[band], top, round(frame.y(low) - top, 1)))
        marks |= {low}
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
        tuple(Tick(frame.y(mark), f"{mark.normalize():f}") for mark in sorted(marks)),
    )


def _is_point(result: LabResult) -> bool:
    return result.interval is not None and result.interval.is_point


def _days(frame: _Frame, today: date) -> Iterable[Tick]:
    for quarter in range(5):
        day = frame.first + timedelta(days=round(frame.days * quarter / 4))
        yield Tick(frame.x(day), f"{day:%b %Y}" if day != today else str(today))
