"""CORS (conformance row 179): browser-based clients, the public sandbox among them, on every route and every error."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import Response
from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import EnvironHeaders

from cds_service.web.application import WebApplication
from cds_service.web.incoming import Incoming

METHODS = ["GET", "POST", "OPTIONS"]
HEADERS = ["Authorization", "Content-Type"]
"""Spelt out: a `*` does not cover Authorization."""
TEN_MINUTES = 600


REGEX = re.compile(r"[\\*?^$\[\]()+|]")


def _anchored(origin: str) -> str:
    """An expression must match the whole origin: `http://localhost` never lets in `http://localhost.example`."""
    return f"^(?:{origin})$" if REGEX.search(origin) else origin


def init_app(app: WebApplication, origins: Iterable[str]) -> None:
    """Let *origins* call; the answer names the origin (that it varies by it says `web/headers.py`)."""
    options = get_cors_options(
        app,
        {
            "origins": [_anchored(origin) for origin in origins],
            "methods": METHODS,
            "allow_headers": HEADERS,
            "expose_headers": ["X-Request-ID", "Retry-After"],
            "max_age": TEN_MINUTES,
            "vary_header": False,
            "always_send": False,
            "allow_private_network": True,
        },
    )

    def _allow(request: Incoming, response: Response) -> None:
        if "HTTP_ORIGIN" not in request.environ:
            return  # most callers are no browsers
        for name, value in get_cors_headers(options, EnvironHeaders(request.environ), request.method).items():
            response.headers.add(name, value)
        response.vary.add("Origin")  # which stands beside what else it varies by, in one header

    app.ends.append(_allow)
