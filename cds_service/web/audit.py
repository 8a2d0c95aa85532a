"""One line of the log for every call (row 182): who called what, when, and how it went; nothing of the patient.

`request` is told to the caller too, in `X-Request-ID`, so that a call can be found.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from flask import Flask, Response, g, request

from cds_service.hooks.memory import FeedbackKeeper
from cds_service.hooks.record import Call, plain

LOG = logging.getLogger("cds_service.audit")
RECEIVED = "cds_service.received"
"""Where the environment holds when the server had the head of the request, by `time.perf_counter`."""
CALLED = "services.call"
"""The endpoint whose calls are counted, for the owner's page and the numbers, and traced."""
FEEDBACK = "feedback.feedback"
"""The endpoint of feedback, which is counted and traced beside it."""
AUDITED = "/cds-services"


def init_app(app: Flask, keeper: FeedbackKeeper) -> None:
    """Number every request; write a line for each that is about the services; *keeper* counts calls."""

    @app.before_request
    def _begin() -> None:
        g.started = request.environ.get(RECEIVED) or time.perf_counter()
        g.request_id = secrets.token_hex(16)
        g.call = Call()

    @app.after_request
    def _end(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        if request.path.startswith(AUDITED) and request.method != "OPTIONS" and LOG.isEnabledFor(logging.INFO):
            LOG.info("call", extra={"fields": _line(response.status_code)})
        if request.endpoint == CALLED and g.get("service") is not None:
            keeper.called(_row(response.status_code))
            keeper.weighed(g.call.weighed)
        return response


def _milliseconds() -> float:
    started: float = g.started
    return round((time.perf_counter() - started) * 1000, 1)


def _row(status: int) -> dict[str, Any]:
    """The call as the owner's page counts it."""
    call: Call = g.call
    return {
        "client": call.client,
        "service": g.service,
        "status": status,
        "milliseconds": _milliseconds(),
        "cards": len(call.cards),
        **call.keys(),
    }


def _line(status: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"request": g.request_id, "endpoint": request.endpoint or "none", "status": status}
    fields["milliseconds"] = _milliseconds()
    if "trace" in g:
        fields["trace"] = g.trace
    if "caller" in g:
        fields["client"] = g.caller.client.id
        if g.caller.tenant is not None:
            fields["tenant"] = plain(g.caller.tenant)
    elif "refused" in g:
        fields["refused"] = g.refused.check
        if g.refused.client is not None:
            fields["client"] = g.refused.client
    call: Call = g.call
    return fields | call.told()
