"""`GET /metrics`: what the service does, for Prometheus; right across the server processes. Nothing of any patient.

The processes of `cds-service serve` write into one folder, and whichever is asked adds them up.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from flask import Blueprint, Response, g, request

from cds_service.errors import (
    BodyTooLarge,
    BodyTooSlow,
    MalformedRequest,
    Overloaded,
    RequestError,
    TookTooLong,
)
from cds_service.web import owner
from cds_service.web.audit import CALLED
from cds_service.web.errors import REFUSED

if TYPE_CHECKING:
    from flask import Flask

    from cds_service.clinical.guidance_types import Guidance
    from cds_service.settings import Settings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which the library shares numbers between processes."""
FEEDBACK = "feedback.feedback"
"""The endpoint of feedback, which is counted beside `CALLED`."""
UNKNOWN = "unknown"
"""The service where the address names none of ours: the client's own words are no label."""

REASONS: dict[type[RequestError], str] = {
    Overloaded: "full",
    TookTooLong: "deadline",
    BodyTooSlow: "slow-body",
    BodyTooLarge: "large-body",
    MalformedRequest: "cut-off-body",
}
"""Why the server refuses a call by itself (`web/front.py`), as it is counted."""


def init_app(app: Flask, settings: Settings, guidance: Guidance) -> None:
    """Put the page on *app*, and count its calls."""
    from cds_service.web import numbers  # noqa: PLC0415 - only in a process that counts, see there

    page = Blueprint("metrics", __name__)
    owner.guard(page, settings, settings.metrics_token)

    @page.get("/metrics")
    def _metrics() -> Response:
        return Response(numbers.written(), content_type=numbers.MEDIA_TYPE)

    app.register_blueprint(page)
    labels = (version("vitamin-d-magnesium-cds"), guidance.profile_name, settings.ckd_overlay, guidance.digest)
    numbers.BUILD.labels(*labels).set(1)

    @app.after_request
    def _count(response: Response) -> Response:
        service = g.get("service", UNKNOWN)
        if request.method == "OPTIONS":  # a browser asks whether it may call: that is no call
            return response
        if request.endpoint == CALLED:
            numbers.called(g.call, service, response.status_code, time.perf_counter() - g.started)
        elif request.endpoint == FEEDBACK:
            numbers.FEEDBACKS.labels(service, response.status_code).inc()
        if REFUSED in request.environ:
            numbers.REFUSED.labels(REASONS[type(request.environ[REFUSED])]).inc()
        if "refused" in g:
            numbers.TOKENS.labels(g.refused.check).inc()
        return response
