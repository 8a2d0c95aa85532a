"""The owner's page: `/insights` for people, `/insights.json` and `/insights.csv` for programs, plots as SVG.

Open while authentication is off; otherwise it asks for a token of its own (`CDS_INSIGHTS_TOKEN`), as a bearer token or
as the password of a browser's own dialogue, and without one it is not there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast

import msgspec
from flask import Blueprint, Flask, Response, abort, current_app, render_template, request, url_for

from cds_service.errors import MalformedRequest
from cds_service.hooks.memory import FeedbackKeeper, Told
from cds_service.hooks.service import Engine
from cds_service.kept_modes import Modes
from cds_service.settings import Settings
from cds_service.web import owner, plots
from cds_service.web.asked_days import read_day
from cds_service.web.headers import policy

USUAL_DAYS = 30
MOST_DAYS = 366
POLICY = policy("img-src 'self' data:", "style-src 'self'", "form-action 'self'")
PLOT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A plot carries its own styles; it is shown as an image, where no script runs."""


class Asked(NamedTuple):
    """Days, the last one included, in UTC; and one client, or all."""

    first: date
    last: date
    client: str | None


def init_app(app: Flask, settings: Settings, keeper: FeedbackKeeper) -> bool:
    """Put the page on *app*, where there is something to show and somebody may see it; whether that is so."""
    page = Blueprint("insights", __name__)
    for rule, view in VIEWS.items():
        page.add_url_rule(rule, view_func=view)

    there = owner.guard(page, settings, settings.insights_token, kept=keeper.keeps)
    app.register_blueprint(page)
    return there


def _page() -> Response:
    """The page."""
    period, told = _told()
    arguments: dict[str, Any] = {"from": period.first, "to": period.last, "client": period.client}
    shown = render_template(
        "insights.html",
        period=period,
        tables=told.tables,
        clients=told.clients,
        plots={name: url_for("insights._plot", name=name, **arguments) for name in plots.PLOTS},
        narrow=plots.NARROW,
        wide=plots.WIDTH,
        empty=not any(row["calls"] != 0 for row in told.tables["days"]) and not told.tables["topics"],
        json=url_for("insights._json", **arguments),
        csv=url_for("insights._csv", **arguments),
        modes=_modes(),
    )
    return Response(shown, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


def _json() -> Response:
    """The same as JSON."""
    period, told = _told()
    asked = {"from": str(period.first), "to": str(period.last), "client": period.client}
    return Response(
        msgspec.json.encode({"period": asked, "mode": _modes(), **told.tables}), mimetype="application/json"
    )


def _csv() -> Response:
    """The same as CSV: one table after the other, each with its name and its head."""
    written = io.StringIO()
    writer = csv.writer(written)
    for name, rows in _told()[1].tables.items():
        writer.writerow([f"# {name}"])
        if rows:
            writer.writerow(rows[0])
            writer.writerows([["" if value is None else cell(value) for value in row.values()] for row in rows])
        writer.writerow([])
    return Response(
        written.getvalue(),
        mimetype="text/csv",
        headers={"Content-Disposition": 'attachment; filename="insights.csv"'},
    )


def _plot(name: str) -> Response:
    """One plot."""
    if name not in plots.PLOTS:
        abort(404)
    _, told = _told()
    width = plots.NARROW if "narrow" in request.args else plots.WIDTH
    drawn = plots.drawn(plots.PLOTS[name](told.tables, width))
    return Response(drawn, mimetype="image/svg+xml", headers={"Content-Security-Policy": PLOT_POLICY})


def _modes() -> dict[str, object]:
    """The mode in force, and the changes in the database that it comes from."""
    modes = cast("Modes", current_app.extensions["cds_modes"])
    return {"in force": modes.told(), "changes": [change.told() for change in modes.known.counting.values()]}


VIEWS: dict[str, Callable[..., Response]] = {
    "/insights": _page,
    "/insights.json": _json,
    "/insights.csv": _csv,
    "/insights/<name>.svg": _plot,
}


def _told() -> tuple[Asked, Told]:
    """What is told of the period that is asked for: `from`, `to`, `client`; the last 30 days of all, if nothing is."""
    engine = cast("Engine", current_app.extensions["cds_engine"])
    keeper = cast("FeedbackKeeper", current_app.extensions["cds_recorder"])
    period = _period()
    return period, keeper.told(*period, engine.guidance.feedback)


def _period() -> Asked:
    last = _day("to") or datetime.now(UTC).date()
    first = _day("from") or last - timedelta(days=USUAL_DAYS - 1)
    if not first <= last < first + timedelta(days=MOST_DAYS):
        raise MalformedRequest(f"from must not be after to, nor more than {MOST_DAYS} days before it")
    return Asked(first, last, request.args.get("client") or None)


def cell(value: object) -> object:
    """A value for a spreadsheet: a text that it could take for a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" else value


def _day(name: str) -> date | None:
    text = request.args.get(name)
    return read_day(name, text) if text else None
