"""Feedback (CDS Hooks 2.0, "Feedback"; rows 150 to 163): 200 once it is on the disk, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app, g, request

from cds_service.errors import UnknownService
from cds_service.hooks.feedback import read_feedback
from cds_service.web.media import check_json

if TYPE_CHECKING:
    from cds_service.feedback.recorder import Recorder
    from cds_service.hooks.service import Engine

blueprint = Blueprint("feedback", __name__, url_prefix="/cds-services")


@blueprint.post("/<service_id>/feedback")
def feedback(service_id: str) -> Response:
    """Keep what was done with cards of a service."""
    engine = cast("Engine", g.engine)
    g.service = engine.registry.find(service_id).id
    recorder = cast("Recorder | None", current_app.extensions["cds_recorder"])
    if recorder is None:
        message = "Feedback is not kept here (CDS_FEEDBACK)"
        raise UnknownService(message)
    check_json()
    items = read_feedback(request.get_data(cache=False))
    if items:
        recorder.save(g.call.client, service_id, items, engine.today())
    return Response(b"{}", mimetype="application/json")
