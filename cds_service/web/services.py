"""Discovery and the services (conformance rows 9 to 35)."""

from __future__ import annotations

from functools import partial
from wsgiref.types import WSGIEnvironment

import msgspec
from flask import Blueprint, Response
from werkzeug.datastructures import Headers

from cds_service.hooks.answers import Cards
from cds_service.hooks.memory import FeedbackKeeper
from cds_service.hooks.registry import Registry
from cds_service.kept_modes import Modes
from cds_service.web.application import WebApplication
from cds_service.web.incoming import Incoming, incoming
from cds_service.web.media import JSON, check_json
from cds_service.web.modes import in_force

NO_CARDS = Cards([])
_ENCODER = msgspec.json.Encoder()


def init_app(app: WebApplication, modes: Modes, keeper: FeedbackKeeper) -> None:
    """Put them on *app*: which *modes* are in force is asked for each call, and *keeper* knows the patients' places."""
    most: int = app.config["MAX_CONTENT_LENGTH"]
    blueprint = Blueprint("services", __name__, url_prefix="/cds-services")

    @blueprint.get("")
    def discovery() -> Response:
        """The discovery document."""
        return _json(incoming().engine.registry.discovery())

    @blueprint.post("/<service_id>")
    def call(service_id: str) -> Response:
        """Call a service; its cards, or an error that says what to mend."""
        return cards(service_id, incoming())

    def cards(service_id: str, request: Incoming) -> Response:
        """The same, of a request that may have gone past Flask."""
        request.service = request.engine.registry.find(service_id).id
        if in_force(request, modes, keeper).is_off:
            return _json(NO_CARDS)
        check_json(request.environ)
        return _json(request.engine.answer(service_id, request.body(most), request.call).written)

    app.register_blueprint(blueprint)
    registry: Registry = app.extensions["cds_engine"].registry
    app.services |= {f"/cds-services/{service.id}": partial(cards, service.id) for service in registry.services}


class _Whole(Response):
    """A body of JSON that is sent as it is."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Its headers: there is no address in them that Werkzeug would have to make whole."""
        del environ
        return self.headers


def _json(body: object) -> Response:
    return _Whole(_ENCODER.encode(body), content_type=JSON, direct_passthrough=True)
