"""Headers of every answer: no sniffing, no caching, no framing, nothing loaded; https once https; no versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from cds_service.settings import Settings

NOTHING = ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'")


def policy(*more: str) -> str:
    """A content policy that allows nothing, but for what *more* says."""
    return "; ".join((*NOTHING, *more))


HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": policy("form-action 'none'"),
    "Referrer-Policy": "no-referrer",
    "Server": "cds-service",
    "Vary": "Origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What an endpoint sets of its own stays. `Server` is there so that the server does not name itself."""
VARY, ORIGIN = "vary", "Origin"
"""Every answer varies by the origin: a browser's has headers of its own (`web/cors.py`)."""
TWO_YEARS = "max-age=63072000"


def init_app(app: Flask, settings: Settings) -> None:
    """Put the headers on every answer, errors too."""
    secure = settings.tls_certificate is not None or (settings.public_url or "").startswith("https:")
    more = {**HEADERS, "Strict-Transport-Security": TWO_YEARS} if secure else HEADERS
    app.wsgi_app = Hardened(app.wsgi_app, more)  # type: ignore[method-assign]


class Hardened:
    """WSGI middleware: adds headers to the list that an answer ends as, which costs less than to add to Flask's."""

    def __init__(self, application: WSGIApplication, headers: Mapping[str, str]) -> None:
        """Wrap *application*; *headers* are added where it has not set its own."""
        self._application = application
        self._headers = [(name.lower(), (name, value)) for name, value in headers.items()]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, with the headers."""

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            own = {name.lower(): value for name, value in headers}
            if "origin" not in own.get(VARY, ORIGIN).lower():
                headers = [(name, f"{value}, {ORIGIN}" if name.lower() == VARY else value) for name, value in headers]
            return start_response(status, headers + [one for name, one in self._headers if name not in own], *error)

        return self._application(environ, start)
