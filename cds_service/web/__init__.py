"""HTTP: routes, limits, status codes, CORS. The only ring that knows Flask."""

from __future__ import annotations

import re
from functools import partial

from cds_service.hooks.memory import FORGETFUL, FeedbackKeeper
from cds_service.hooks.service import Engine
from cds_service.kept_modes import ALWAYS_ON, Modes
from cds_service.playground.trial import Playground
from cds_service.settings import Settings
from cds_service.web import (
    about_pages,
    audit,
    callers,
    cors,
    example_report,
    feedback_calls,
    headers,
    health,
    insights,
    openapi,
    order_pages,
    pages,
    playground_pages,
    services,
    site,
    status_codes,
)
from cds_service.web.application import WebApplication
from cds_service.web.callers import Trust
from cds_service.web.slashes import TolerantOfSlashes


def init_app(
    app: WebApplication,
    engine: Engine,
    settings: Settings,
    who: Trust | None = None,
    keeper: FeedbackKeeper = FORGETFUL,
    trials: Playground | None = None,
) -> None:
    """Put every blueprint and guard on *app*.

    *who* may call, or anybody; *keeper* keeps feedback; *trials* are for the playground, if there is one.
    Which modes are in force is known by what *app* has for it already, if anything is.
    """
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.extensions["cds_engine"] = engine
    app.extensions["cds_recorder"] = keeper
    app.extensions["cds_guarded"] = who is not None
    app.extensions["cds_trust"] = who
    modes: Modes = app.extensions.setdefault("cds_modes", ALWAYS_ON)
    services.init_app(app, modes, keeper)
    app.register_blueprint(feedback_calls.blueprint)
    health.init_app(app, keeper, who)
    seen = insights.init_app(app, settings, keeper)
    pages.init_app(app)
    example_report.init_app(app)
    about_pages.init_app(app, engine, settings)
    playground_pages.init_app(app, trials)
    order_pages.init_app(app, trials)
    site.init_app(app, playground=trials is not None, insights=seen, local=engine.guidance.local_digest)
    app.register_blueprint(openapi.blueprint)
    headers.init_app(app, settings)
    # What begins and ends each request, in this order: a trace begins first, and of its end the numbers come first.
    if settings.otlp_endpoint is not None:
        from cds_service.web import tracing  # noqa: PLC0415 - an extra, which may not be there

        tracing.init_app(app, settings, engine.guidance)
    from cds_service.web import metrics  # noqa: PLC0415 - only in a process that counts, see there

    metrics.init_app(app, settings, engine.guidance)
    modes.tell = partial(metrics.modes_are, modes)
    modes.tell()
    audit.init_app(app, keeper)
    cors.init_app(app, (*settings.cors_origins, *map(re.escape, who.verifier.clients.origins if who else ())))
    app.begins.append(status_codes.check_refused)
    callers.init_app(app, who)
    app.wsgi_app = TolerantOfSlashes(app.wsgi_app)  # type: ignore[method-assign]
