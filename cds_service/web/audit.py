"""One line of the log for every call (row 182): who called what, when, and how it went; nothing of the patient.

Its number is told to the caller too, in `X-Request-ID`, so that a call can be found.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from flask import Response

from cds_service.hooks.memory import CallRow, FeedbackKeeper
from cds_service.hooks.record import plain
from cds_service.web.application import WebApplication
from cds_service.web.incoming import CALLED, Incoming

LOG = logging.getLogger("cds_service.audit")
AUDITED = "/cds-services"


def init_app(app: WebApplication, keeper: FeedbackKeeper) -> None:
    """Write a line for each request that is about the services, and tell each its number; *keeper* counts calls."""

    def _end(request: Incoming, response: Response) -> None:
        status = response.status_code
        response.headers.add("X-Request-ID", request.number)
        milliseconds = round((time.perf_counter() - request.started) * 1000, 1)
        if request.path.startswith(AUDITED) and request.method != "OPTIONS" and LOG.isEnabledFor(logging.INFO):
            LOG.info("call", extra={"fields": _line(request, status, milliseconds)})
        if request.service is not None and request.endpoint == CALLED:
            call = request.call
            row = CallRow(call.client, request.service, status, milliseconds, len(call.cards), *call.keys())
            keeper.called(row, call.cards, call.quiet, call.weighed)

    app.ends.append(_end)


def _line(request: Incoming, status: int, milliseconds: float) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request": request.number,
        "endpoint": request.endpoint or "none",
        "status": status,
        "milliseconds": milliseconds,
    }
    if request.trace is not None:
        fields["trace"] = request.trace
    if request.caller is not None:
        fields["client"] = request.caller.client.id
        if request.caller.tenant is not None:
            fields["tenant"] = plain(request.caller.tenant)
    elif request.refused is not None:
        fields["refused"] = request.refused.check
        if request.refused.client is not None:
            fields["client"] = request.refused.client
    return fields | request.call.told()
