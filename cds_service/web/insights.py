"""The owner's page: `/insights` for people, `/insights.json` and `/insights.csv` for programs, plots as SVG.

Open while authentication is off; otherwise it asks for a token of its own (`CDS_INSIGHTS_TOKEN`), as a bearer token or
as the password of a browser's own dialogue, and without one it is not there.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
from flask import Blueprint, Response, abort, current_app, render_template, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from cds_service.errors import MalformedRequest, StoreUnavailable
from cds_service.feedback import tables
from cds_service.feedback.summary import Period, Summary, summarise
from cds_service.web import owner, plots
from cds_service.web.days import read_day
from cds_service.web.headers import policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from cds_service.feedback.recorder import Recorder
    from cds_service.hooks.service import Engine
    from cds_service.settings import Settings

USUAL_DAYS = 30
MOST_DAYS = 366
POLICY = policy("img-src 'self' data:", "style-src 'self'", "form-action 'self'")
PLOT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A plot carries its own styles; it is shown as an image, where no script runs."""


def init_app(app: Flask, settings: Settings, recorder: Recorder | None) -> bool:
    """Put the page on *app*, where there is something to show and somebody may see it; whether that is so."""
    page = Blueprint("insights", __name__)
    for rule, view in VIEWS.items():
        page.add_url_rule(rule, view_func=view)

    there = owner.guard(page, settings, settings.insights_token, kept=recorder is not None)
    app.register_blueprint(page)
    return there


def _page() -> Response:
    """The page."""
    summary = _summary()
    arguments: dict[str, Any] = {
        "from": summary.period.first,
        "to": summary.period.last,
        "client": summary.period.client,
    }
    shown = render_template(
        "insights.html",
        summary=summary,
        tables=tables.tables(summary),
        clients=summary.everybody,
        plots={name: url_for("insights._plot", name=name, **arguments) for name in plots.PLOTS},
        json=url_for("insights._json", **arguments),
        csv=url_for("insights._csv", **arguments),
    )
    return Response(shown, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


def _json() -> Response:
    """The same as JSON."""
    summary = _summary()
    period = {"from": str(summary.period.first), "to": str(summary.period.last), "client": summary.period.client}
    return Response(msgspec.json.encode({"period": period, **tables.tables(summary)}), mimetype="application/json")


def _csv() -> Response:
    """The same as CSV: one table after the other, each with its name and its head."""
    written = io.StringIO()
    writer = csv.writer(written)
    for name, rows in tables.tables(_summary()).items():
        writer.writerow([f"# {name}"])
        if rows:
            writer.writerow(rows[0])
            writer.writerows([["" if value is None else tables.cell(value) for value in row.values()] for row in rows])
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
    drawn = plots.PLOTS[name](_summary())
    return Response(drawn, mimetype="image/svg+xml", headers={"Content-Security-Policy": PLOT_POLICY})


def _style() -> Response:
    """The style sheet."""
    return Response(plots.STYLE.read_text(encoding="utf-8"), mimetype="text/css")


VIEWS: dict[str, Callable[..., Response]] = {
    "/insights": _page,
    "/insights.json": _json,
    "/insights.csv": _csv,
    "/insights/style.css": _style,
    "/insights/<name>.svg": _plot,
}


def _recorder() -> Recorder:
    return cast("Recorder", current_app.extensions["cds_recorder"])


def _summary() -> Summary:
    """The summary of the period that is asked for: `from`, `to`, `client`; the last 30 days of all, if nothing is."""
    engine = cast("Engine", current_app.extensions["cds_engine"])
    try:
        with _recorder().store.connect() as connection:
            return summarise(connection, _period(), engine.guidance.feedback)
    except SQLAlchemyError as error:
        message = "The database cannot be reached: there is nothing to show"
        raise StoreUnavailable(message) from error


def _period() -> Period:
    last = _day("to") or datetime.now(UTC).date()
    first = _day("from") or last - timedelta(days=USUAL_DAYS - 1)
    if not first <= last < first + timedelta(days=MOST_DAYS):
        message = f"from must not be after to, nor more than {MOST_DAYS} days before it"
        raise MalformedRequest(message)
    return Period(first, last, request.args.get("client") or None)


def _day(name: str) -> date | None:
    text = request.args.get(name)
    return read_day(name, text) if text else None
