"""Discovery and the services (conformance rows 9 to 35)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from flask import Blueprint, Response, g, request

from cds_service.errors import WrongMediaType

if TYPE_CHECKING:
    from cds_service.hooks.service import Engine

blueprint = Blueprint("services", __name__, url_prefix="/cds-services")

_ENCODER = msgspec.json.Encoder()
JSON = "application/json"


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
    engine.registry.find(service_id)
    media_type = request.mimetype
    if media_type != JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        message = "Send the request as application/json"
        raise WrongMediaType(message)
    return _json(engine.answer(service_id, request.get_data(cache=False), g.call).response)
