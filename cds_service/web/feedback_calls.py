"""Feedback (CDS Hooks 2.0, "Feedback"; rows 150 to 163): 200 once it is on the disk, and not before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import cast

from flask import Blueprint, Response, current_app, g, request

from cds_service.hooks.feedback_body import read_feedback
from cds_service.hooks.memory import FeedbackKeeper
from cds_service.hooks.service import Engine
from cds_service.web.media import JSON, check_json

blueprint = Blueprint("feedback", __name__, url_prefix="/cds-services")


@blueprint.post("/<service_id>/feedback")
def feedback(service_id: str) -> Response:
    """Keep what was done with cards of a service."""
    engine = cast("Engine", g.engine)
    g.service = engine.registry.find(service_id).id
    return kept(g.call.client, service_id, engine.today)


def kept(client: str, service_id: str, day: Callable[[], date], wait: float = 0) -> Response:
    """Keep the body of this call as feedback of *client*, given on *day*; what waits to be noted has *wait* seconds."""
    check_json()
    keeper = cast("FeedbackKeeper", current_app.extensions["cds_recorder"])
    with keeper.turn(client):
        items = read_feedback(request.get_data(cache=False))
        if items:
            if wait:
                keeper.flush(wait)
            keeper.save(client, service_id, items, day(), g.started)
    return Response(b"{}", mimetype=JSON)
