"""Plots of the owner's page, drawn as SVG by pygal: no script, nothing fetched."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.feedback.tables import client_rows, day_rows, numbers, reason_rows, topic_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cds_service.feedback.summary import Summary

STYLE = Path(__file__).parent / "static" / "insights.css"
LOOK: dict[str, Any] = {
    "background": "#ffffff",
    "plot_background": "#ffffff",
    "foreground": "#30363d",
    "foreground_strong": "#1b1f24",
    "foreground_subtle": "#6e7781",
    "guide_stroke_color": "#d8dee4",
    "major_guide_stroke_color": "#d8dee4",
    "colors": ("#0b6e99", "#c2571a", "#4d7c0f", "#7c3f98", "#a8324a", "#5b6470"),
    "font_family": "system-ui, sans-serif",
}
COMMON: dict[str, Any] = {
    "js": [],
    "height": 320,
    "width": 760,
    "legend_at_bottom": True,
    "pretty_print": False,
    "disable_xml_declaration": True,
    "no_data_text": "Nothing yet",
    "show_x_guides": False,
    "truncate_label": -1,
    "truncate_legend": -1,
}


@cache
def _library() -> Any:
    """pygal, imported when it is first needed: a service that is only called starts without it.

    It puts a finder of its own before every later import of the process, for plug-ins; that is taken away again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # the finder is written for an older Python
        import pygal  # noqa: PLC0415
        import pygal.style  # noqa: PLC0415
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    return pygal


def _chart(kind: str, **options: Any) -> Any:
    pygal = _library()
    return getattr(pygal, kind)(**{**COMMON, "style": pygal.style.Style(**LOOK), **options})


def calls_and_cards(summary: Summary) -> bytes:
    """Calls and cards of each day."""
    rows = day_rows(summary)
    chart = _chart("Line", show_minor_x_labels=False, x_label_rotation=0, dots_size=2)
    days = [row["day"][5:] for row in rows]
    chart.x_labels = days
    chart.x_labels_major = days[:: max(1, len(days) // 6)]
    chart.add("calls", numbers(row["calls"] for row in rows))
    chart.add("cards", numbers(row["cards"] for row in rows))
    return _drawn(chart)


def topics(summary: Summary) -> bytes:
    """What became of the cards of each topic."""
    rows = topic_rows(summary)[:12]
    chart = _chart("HorizontalStackedBar", height=120 + 34 * max(1, len(rows)))
    chart.x_labels = [row["topic"] for row in reversed(rows)]
    for name in ("accepted", "overridden", "ignored (unknown)", "quieted"):
        chart.add(name, numbers(row[name] for row in reversed(rows)))
    return _drawn(chart)


def reasons(summary: Summary) -> bytes:
    """How often each reason was given."""
    times: dict[str, int] = {}
    for row, count in zip(reason_rows(summary), numbers(row["times"] for row in reason_rows(summary)), strict=True):
        times[row["reason"]] = times.get(row["reason"], 0) + (count or 0)
    ordered = sorted(times.items(), key=lambda pair: pair[1])
    chart = _chart("HorizontalBar", height=120 + 34 * max(1, len(ordered)), show_legend=False)
    chart.x_labels = [name for name, _ in ordered]
    chart.add("times", [count for _, count in ordered])
    return _drawn(chart)


def latency(summary: Summary) -> bytes:
    """The percentiles of the time of a call, for each client."""
    rows = client_rows(summary)[:12]
    chart = _chart("Bar", x_label_rotation=0)
    chart.x_labels = [row["client"] for row in rows]
    for name in ("p50 ms", "p95 ms", "p99 ms"):
        chart.add(name, [row[name] for row in rows])
    return _drawn(chart)


def _drawn(chart: Any) -> bytes:
    drawn: bytes = chart.render()
    return drawn


PLOTS: Mapping[str, Callable[[Summary], bytes]] = {
    "calls": calls_and_cards,
    "topics": topics,
    "reasons": reasons,
    "latency": latency,
}
