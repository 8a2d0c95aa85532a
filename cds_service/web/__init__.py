"""HTTP: routes, limits, status codes, CORS. The only ring that knows Flask."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cds_service.web import (
    audit,
    cors,
    errors,
    feedback,
    headers,
    health,
    insights,
    metrics,
    openapi,
    pages,
    playground,
    services,
    site,
    trust,
)
from cds_service.web.slashes import TolerantOfSlashes

if TYPE_CHECKING:
    from flask import Flask

    from cds_service.feedback.recorder import Recorder
    from cds_service.hooks.service import Engine
    from cds_service.playground.trial import Playground
    from cds_service.settings import Settings
    from cds_service.web.trust import Trust


def init_app(
    app: Flask,
    engine: Engine,
    settings: Settings,
    who: Trust | None = None,
    recorder: Recorder | None = None,
    trials: Playground | None = None,
) -> None:
    """Put every blueprint and guard on *app*.

    *who* may call, or anybody; *recorder* keeps feedback, or nobody; *trials* are for the playground, if there is one.
    """
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.extensions["cds_engine"] = engine
    app.extensions["cds_recorder"] = recorder
    app.extensions["cds_guarded"] = who is not None
    app.extensions["cds_trust"] = who
    app.register_blueprint(services.blueprint)
    app.register_blueprint(feedback.blueprint)
    app.register_blueprint(health.blueprint)
    seen = insights.init_app(app, settings, recorder)
    pages.init_app(app)
    playground.init_app(app, trials)
    site.init_app(app, playground=trials is not None, insights=seen)
    app.register_blueprint(openapi.blueprint)
    headers.init_app(app, settings)
    cors.init_app(app, (*settings.cors_origins, *map(re.escape, who.verifier.clients.origins if who else ())))
    audit.init_app(app, recorder)
    metrics.init_app(app, settings, engine.guidance)
    if settings.otlp_endpoint is not None:
        from cds_service.web import tracing  # noqa: PLC0415 - an extra, which may not be there

        tracing.init_app(app, settings, engine.guidance)
    errors.init_app(app)
    trust.init_app(app, who)
    app.wsgi_app = TolerantOfSlashes(app.wsgi_app)  # type: ignore[method-assign]
