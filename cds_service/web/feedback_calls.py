"""Feedback (CDS Hooks 2.0, "Feedback"; rows 150 to 163): 200 once it is on the disk, and not before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import cast

from flask import Blueprint, Response, current_app

from cds_service.hooks.feedback_body import read_feedback
from cds_service.hooks.memory import FeedbackKeeper
from cds_service.web.incoming import incoming
from cds_service.web.media import JSON, check_json

blueprint = Blueprint("feedback", __name__, url_prefix="/cds-services")


@blueprint.post("/<service_id>/feedback")
def feedback(service_id: str) -> Response:
    """Keep what was done with cards of a service."""
    request = incoming()
    request.service = request.engine.registry.find(service_id).id
    return kept(request.call.client, service_id, request.engine.today)


def kept(client: str, service_id: str, day: Callable[[], date], wait: float = 0) -> Response:
    """Keep the body of this call as feedback of *client*, given on *day*; what waits to be noted has *wait* seconds."""
    request = incoming()
    check_json(request.environ)
    keeper = cast("FeedbackKeeper", current_app.extensions["cds_recorder"])
    with keeper.turn(client):
        items = read_feedback(request.body(current_app.config["MAX_CONTENT_LENGTH"]))
        if items:
            if wait:
                keeper.flush(wait)
            keeper.save(client, service_id, items, day(), request.started)
    return Response(b"{}", mimetype=JSON)
