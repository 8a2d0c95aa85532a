"""Plots as SVG, by the template `plot.svg`: lines over time, and bars, of tables with a gap where nothing is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from flask import render_template

WIDTH, NARROW, HEIGHT = 760, 360, 320
"""Pixels; a plot for a telephone is drawn narrow, so that its letters stay as large."""
LEFT, RIGHT, TOP, BOTTOM = 48, 20, 18, 30
BAR_LEFT = 10
BAR, GAP, LABEL, ROW = 14, 12, 16, 16
"""Heights: of a bar, of the room between two groups, of the name above a group, of a row of names of colours."""
LETTER = 7.2
"""The width of a letter, about."""
COLORS = ("#0b6e99", "#c2571a", "#4d7c0f", "#7c3f98", "#a8324a", "#5b6470")
SHADE = "#e8ebee"
MOST_BARS, MOST_STEPS, DAYS_NAMED = 12, 5, 6
ARMS = ("shown", "silent", "share: shown", "share: silent")
"""What cards were, as the comparison has it; a critical one that stayed is beside them in the table alone."""
NOTHING = "nothing in this period"
SHADED, MASKED, UNTOLD = "shaded: too few to be told", "<5, ?: too few to be told", "?"
PART = "part"
"""The key of a row that has a sign although its count is told: some of it is not."""
SIGN = 24
"""The width of a sign that stands for a bar."""
Tables = Mapping[str, list[dict[str, Any]]]
Points = Sequence[tuple[float, float | None]]


class PlotText(NamedTuple):
    """Words in a plot."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    color: str = ""


class PlotBar(NamedTuple):
    """A bar, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    color: str
    shown: str


class PlotLine(NamedTuple):
    """A line, as the path of an SVG."""

    path: str
    color: str


@dataclass
class Drawing:
    """What the template draws, in its pixels."""

    width: int = WIDTH
    height: int = HEIGHT
    top: int = TOP
    guides: list[str] = field(default_factory=list)
    texts: list[PlotText] = field(default_factory=list)
    bars: list[PlotBar] = field(default_factory=list)
    lines: list[PlotLine] = field(default_factory=list)

    def name(self, names: Iterable[str], left: float = LEFT, note: str = "") -> None:
        """Write the *names* of the colours and a *note* at the top, in as many rows as it takes; the plot is below."""
        at, row = left, TOP
        for name, color in [*zip(names, COLORS, strict=False), *([(note, "")] if note else [])]:
            wide = LETTER * len(name) + 16
            if at > left and at + wide > self.width:
                at, row = left, row + ROW
            self.texts.append(PlotText(round(at, 1), row, name, color=color))
            at += wide
        self.top = row + ROW


def lines(
    series: Mapping[str, Points],
    across: Sequence[tuple[float, str]],
    title: str = "",
    *,
    width: int = WIDTH,
    hidden: Iterable[float] = (),
) -> Drawing:
    """A line for each of *series*, from 0 upwards; *across* are the marks below, *hidden* places are not told."""
    drawing = Drawing(width)
    drawing.texts += [PlotText(width - RIGHT, TOP, title, "end")] if title else []
    hidden = list(hidden)
    drawing.name(series, note=SHADED if hidden else "")
    known = [value for points in series.values() for _, value in points if value is not None]
    step, steps = _steps(max(known, default=0))
    low, high = across[0][0], max(across[-1][0], across[0][0] + 1)

    def x(at: float) -> float:
        return round(LEFT + (at - low) / (high - low) * (width - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / (step * steps) * (HEIGHT - drawing.top - BOTTOM), 1)

    for at in hidden:
        left, right = max(x(at - 0.5), LEFT), min(x(at + 0.5), width - RIGHT)
        place = PlotBar(left, drawing.top, round(right - left, 1), HEIGHT - BOTTOM - drawing.top, SHADE, SHADED)
        drawing.bars.append(place)
    if not any(known) and not drawing.bars:
        drawing.texts.append(PlotText(width / 2, HEIGHT / 2, NOTHING, "middle"))
    for mark in (step * n for n in range(steps + 1)):
        drawing.guides.append(f"M{LEFT} {y(mark)}H{width - RIGHT}")
        drawing.texts.append(PlotText(LEFT - 6, y(mark) + 4, _number(mark), "end"))
    drawing.texts += [PlotText(x(at), HEIGHT - BOTTOM + 18, text, "middle") for at, text in across]
    for color, points in zip(COLORS, series.values(), strict=False):
        placed = [None if value is None else f"{x(at)} {y(value)}" for at, value in points]
        parts = [f"{'L' if before else 'M'}{place}" for before, place in pairwise([None, *placed]) if place]
        drawing.lines.append(PlotLine(" ".join(f"{part}h0" if part[0] == "M" else part for part in parts), color))
    return drawing


def bars(
    rows: Sequence[Mapping[str, Any]], label: str, names: Sequence[str], *, stacked: bool = False, width: int = WIDTH
) -> Drawing:
    """A group of bars for each of *rows*, named by its *label*: the columns *names*, *stacked* or below one another."""
    values = [[_told(row[name]) for name in names] for row in rows]
    longest = [sum(group) if stacked else max(group) for group in values]
    step, steps = _steps(max(longest, default=0))
    room = LABEL + BAR * (1 if stacked else len(names)) + GAP
    signs = [[_sign(row[name]) or row.get(PART, "") for name in names] for row in rows]
    most_signs = max((sum(map(bool, row)) if stacked else any(row) for row in signs), default=0)
    right = width - RIGHT - SIGN * most_signs
    drawing = Drawing(width)
    drawing.name(names, BAR_LEFT, MASKED if most_signs else "")
    drawing.height = drawing.top + room * max(1, len(rows)) + BOTTOM

    def x(value: float) -> float:
        return round(BAR_LEFT + value / (step * steps) * (right - BAR_LEFT), 1)

    for mark in (step * n for n in range(steps + 1)):
        drawing.guides.append(f"M{x(mark)} {drawing.top}V{drawing.height - BOTTOM}")
        drawing.texts.append(PlotText(x(mark), drawing.height - BOTTOM + 18, _number(mark), "middle"))
    if not rows:
        drawing.texts.append(PlotText(width / 2, drawing.top + room / 2, NOTHING, "middle"))
    for place, (row, group, masked) in enumerate(zip(rows, values, signs, strict=True)):
        y, begin = drawing.top + room * place + LABEL, 0.0
        drawing.texts.append(PlotText(BAR_LEFT, y - 4, str(row[label])))
        after = x(sum(group)) + 4 if stacked else 0.0
        for name, color, value, sign in zip(names, COLORS, group, masked, strict=False):
            wide = round(x(begin + value) - x(begin), 1)
            drawing.bars.append(PlotBar(x(begin), y, wide, BAR, color, f"{row[label]}, {name}: {_number(value)}"))
            if sign:
                drawing.texts.append(PlotText(after or x(value) + 4, y + BAR - 3, sign, color=color))
                after += SIGN if stacked else 0
            begin, y = (begin + value, y) if stacked else (begin, y + BAR)
    return drawing


def drawn(drawing: Drawing) -> str:
    """*drawing* as SVG, which follows the reader's colour scheme by itself."""
    return render_template("plot.svg", plot=drawing)


def _steps(most: float) -> tuple[float, int]:
    """The step of an axis up to *most*, which is 1, 2 or 5 and zeros, and how many: whole numbers, as counts are."""
    least = max(most / MOST_STEPS, 1)
    tens = 10 ** math.floor(math.log10(least))
    step: float = next(tens * digit for digit in (1, 2, 5, 10) if tens * digit >= least)
    return step, max(1, math.ceil(most / step))


def _number(value: float) -> str:
    return f"{value:,.10g}"


def _told(value: object) -> float:
    """A count; one that is not told is drawn as none."""
    return value if isinstance(value, int | float) else 0


def _sign(value: object) -> str:
    """What stands for a bar whose count is too small to be told; nothing, where it is told."""
    return "" if isinstance(value, int | float) else str(value or UNTOLD)


def _calls(tables: Tables, width: int) -> Drawing:
    """Calls and cards of each day."""
    days = tables["days"]
    names = ("calls", "cards")
    series = {
        name: [(at, row[name] if isinstance(row[name], int) else None) for at, row in enumerate(days)] for name in names
    }
    hidden = [at for at, row in enumerate(days) if not all(isinstance(row[name], int) for name in names)]
    named = range(0, len(days), max(1, len(days) // (DAYS_NAMED * width // WIDTH)))
    across = [*((at, days[at]["day"][5:]) for at in named), (len(days) - 1, "")]
    return lines(series, across, width=width, hidden=hidden)


def _topics(tables: Tables, width: int) -> Drawing:
    """What became of the cards of each topic."""
    names = ("accepted", "overridden", "ignored (unknown)", "quieted")
    return bars(tables["topics"][:MOST_BARS], "topic", names, stacked=True, width=width)


def _reasons(tables: Tables, width: int) -> Drawing:
    """How often each reason was given."""
    times: dict[str, float] = {}
    signs: dict[str, str] = {}
    for row in tables["reasons"]:
        times[row["reason"]] = times.get(row["reason"], 0) + _told(row["times"])
        signs[row["reason"]] = signs.get(row["reason"]) or _sign(row["times"])
    ordered = sorted(times.items(), key=lambda pair: -pair[1])
    rows = [{"reason": name, "times": count, PART: signs[name]} for name, count in ordered]
    return bars(rows, "reason", ("times",), width=width)


def _latency(tables: Tables, width: int) -> Drawing:
    """The percentiles of the time of a call, for each client."""
    return bars(tables["clients"][:MOST_BARS], "client", ("p50 ms", "p95 ms", "p99 ms"), width=width)


def _modes(tables: Tables, width: int) -> Drawing:
    """Shown and silent cards of each topic, once per patient and 30 days."""
    topics: dict[str, dict[str, Any]] = {}
    for row in tables["mode topics"]:
        arms = topics.setdefault(row["topic"], {"topic": row["topic"], **dict.fromkeys(ARMS, 0)})
        arms[row["cards were"]] = row["once per patient and 30 days"]
    return bars(list(topics.values())[:MOST_BARS], "topic", ARMS, width=width)


def _outcomes(tables: Tables, width: int) -> Drawing:
    """What became of the next result, in per cent of those who saw the card and of those who did not."""
    rows = [{**row, "what": f"{row['topic']}: {row['next result']}"} for row in tables["mode outcomes"]]
    return bars(rows[:MOST_BARS], "what", ("shown %", "silent %"), width=width)


PLOTS: Mapping[str, Callable[[Tables, int], Drawing]] = {
    "calls": _calls,
    "topics": _topics,
    "reasons": _reasons,
    "latency": _latency,
    "modes": _modes,
    "outcomes": _outcomes,
}
"""The plots of the owner's page."""
