"""CORS (conformance row 179): browser-based clients, the public sandbox among them, on every route and every error."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import Flask, Response
from flask_cors import cross_origin

from cds_service.web.incoming import incoming

METHODS = ["GET", "POST", "OPTIONS"]
HEADERS = ["Authorization", "Content-Type"]
"""Spelt out: a `*` does not cover Authorization."""
TEN_MINUTES = 600


REGEX = re.compile(r"[\\*?^$\[\]()+|]")


def _anchored(origin: str) -> str:
    """An expression must match the whole origin: `http://localhost` never lets in `http://localhost.example`."""
    return f"^(?:{origin})$" if REGEX.search(origin) else origin


def init_app(app: Flask, origins: Iterable[str]) -> None:
    """Let *origins* call; the answer names the origin (that it varies by it says `web/headers.py`)."""
    allow = cross_origin(
        origins=[_anchored(origin) for origin in origins],
        methods=METHODS,
        allow_headers=HEADERS,
        expose_headers=["X-Request-ID", "Retry-After"],
        max_age=TEN_MINUTES,
        vary_header=True,
        always_send=False,
        allow_private_network=True,
        automatic_options=False,
    )

    @app.after_request
    def _allow(response: Response) -> Response:
        if "HTTP_ORIGIN" not in incoming().environ:
            return response  # most callers are no browsers
        answer = allow(lambda: response)()
        answer.vary.add("Origin")  # which stands beside what else it varies by, in one header
        return answer
