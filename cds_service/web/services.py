"""Discovery and the services (conformance rows 9 to 35)."""

from __future__ import annotations

from typing import cast

import msgspec
from flask import Blueprint, Response, g, request

from cds_service.hooks.answers import Cards
from cds_service.hooks.service import Engine
from cds_service.web.media import JSON, check_json
from cds_service.web.modes import in_force

blueprint = Blueprint("services", __name__, url_prefix="/cds-services")

NO_CARDS = Cards([])
_ENCODER = msgspec.json.Encoder()


def _engine() -> Engine:
    """The engine by which this caller is answered."""
    return cast("Engine", g.engine)


def _json(body: object) -> Response:
    return Response(_ENCODER.encode(body), mimetype=JSON)


@blueprint.get("")
def discovery() -> Response:
    """The discovery document."""
    return _json(_engine().registry.discovery())


@blueprint.post("/<service_id>")
def call(service_id: str) -> Response:
    """Call a service; its cards, or an error that says what to mend."""
    engine = _engine()
    g.service = engine.registry.find(service_id).id
    if in_force().is_off:
        return _json(NO_CARDS)
    check_json()
    return _json(engine.answer(service_id, request.get_data(cache=False), g.call).written)
