"""HTTP: routes, limits, status codes, CORS. The only ring that knows Flask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.web import cors, errors, health, services
from cds_service.web.slashes import TolerantOfSlashes

if TYPE_CHECKING:
    from flask import Flask

    from cds_service.hooks.service import Engine
    from cds_service.settings import Settings


def init_app(app: Flask, engine: Engine, settings: Settings) -> None:
    """Put every blueprint and guard on *app*."""
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.extensions["cds_engine"] = engine
    app.register_blueprint(services.blueprint)
    app.register_blueprint(health.blueprint)
    errors.init_app(app)
    cors.init_app(app, settings)
    app.wsgi_app = TolerantOfSlashes(app.wsgi_app)  # type: ignore[method-assign]
