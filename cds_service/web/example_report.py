"""`/docs/example-report`: the population report on the made-up patients, made when it is first asked for."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.metadata import version

from flask import Flask, Response

from cds_service.guidance import loading
from cds_service.playground import situations
from cds_service.shipped import folder
from cds_service.web.headers import policy

ADDRESS = "/docs/example-report"
AS_OF = date(2026, 3, 2)
"""The day that most of them are for."""
POLICY = policy("img-src data:", "style-src 'unsafe-inline'", "form-action 'none'")
"""The report brings its style with it: it is one file."""


def init_app(app: Flask) -> None:
    """Put the page on *app*."""
    app.add_url_rule(ADDRESS, endpoint="example_report", view_func=_page)


def _page() -> Response:
    """The report."""
    return Response(_made(), mimetype="text/html", headers={"Content-Security-Policy": POLICY})


@cache
def _made() -> str:
    from cds_service.population.example import example  # noqa: PLC0415 - slow to import, and few ever ask for the page

    found = situations.load(folder("fhir_fixtures")).all()
    of_charts = [one.body for one in found if one.as_of == AS_OF and b'"patient-view"' in one.body]
    return example(loading.load(), AS_OF, of_charts, version("vitamin-d-magnesium-cds"))
