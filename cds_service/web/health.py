"""Health: `GET /healthz` says that the process serves, `GET /readyz` whether it may be sent calls, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from flask import Blueprint, Response, current_app
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.feedback.recorder import Recorder
    from cds_service.hooks.service import Engine
    from cds_service.web.trust import Trust

blueprint = Blueprint("health", __name__)

OK, AWAY = "ok", "cannot be reached"


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is up; nothing else is asked."""
    return Response('{"status":"ok"}', mimetype="application/json")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether this process may be sent calls; 503 where not.

    Guidance is ready, or the process would not have started. Without a database cards are served all the same, and
    feedback is refused; but where tokens are asked for, nobody is let in, so the process is not ready.
    """
    engine = cast("Engine", current_app.extensions["cds_engine"])
    recorder = cast("Recorder | None", current_app.extensions["cds_recorder"])
    who = cast("Trust | None", current_app.extensions["cds_trust"])
    parts = {"guidance": f"ok: {engine.guidance.profile_name}"}
    if recorder is not None:
        parts["feedback"] = _state(recorder.store.ping)
    if who is not None:
        parts["tokens"] = _state(who.verifier.seen.ping)
    ready = parts.get("tokens", OK) == OK
    body = msgspec.json.encode({"status": "ready" if ready else "not ready", "parts": parts})
    return Response(body, status=200 if ready else 503, mimetype="application/json")


def _state(ping: Callable[[], None]) -> str:
    try:
        ping()
    except SQLAlchemyError:
        return AWAY
    return OK
