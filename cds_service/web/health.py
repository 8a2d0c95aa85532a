"""Health: `GET /healthz` says that the process serves."""

from __future__ import annotations

from flask import Blueprint, Response

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is up; nothing else is asked."""
    return Response('{"status":"ok"}', mimetype="application/json")
