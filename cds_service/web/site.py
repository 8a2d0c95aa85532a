"""What the pages for people share: style sheets and scripts under `/static`, and the links at their top."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

STATIC = Path(__file__).with_name("static")
TYPES = {".css": "text/css", ".js": "text/javascript"}
"""Named here: what the machine has registered may be wrong."""

blueprint = Blueprint("site", __name__)


def init_app(app: Flask, *, playground: bool, insights: bool) -> None:
    """Put the files on *app*; pages that are not there are not linked."""
    app.register_blueprint(blueprint)

    @app.context_processor
    def _links() -> dict[str, bool]:
        return {"playground_is_on": playground, "insights_is_on": insights}


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
