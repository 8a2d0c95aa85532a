"""What the pages for people share: style sheets and scripts under `/static`, and the links at their top."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, abort

STATIC = Path(__file__).with_name("static")
TYPES = {".css": "text/css", ".js": "text/javascript"}
"""Named here: what the machine has registered may be wrong."""

blueprint = Blueprint("site", __name__)


def init_app(app: Flask, *, playground: bool, insights: bool, local: str) -> None:
    """Put the files on *app*; pages that are not there are not linked. *local* is the digest of local guidance."""
    app.register_blueprint(blueprint)

    @app.context_processor
    def _links() -> dict[str, bool | str]:
        return {"playground_is_on": playground, "insights_is_on": insights, "local_guidance": local}


@blueprint.get("/static/<path:name>")
def static(name: str) -> Response:
    """One file."""
    files = _files()
    if name not in files:
        abort(404)
    return Response(files[name], mimetype=TYPES[Path(name).suffix])


@cache
def _files() -> Mapping[str, bytes]:
    """Every file that is served, by its name: nothing else can be asked for."""
    return {
        file.relative_to(STATIC).as_posix(): file.read_bytes() for file in STATIC.rglob("*") if file.suffix in TYPES
    }
