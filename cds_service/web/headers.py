"""Headers of every answer: no sniffing, no caching, no framing, nothing loaded; https once https; no versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask, Response

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
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What an endpoint sets of its own stays. `Server` is there so that the server does not name itself."""
TWO_YEARS = "max-age=63072000"


def init_app(app: Flask, settings: Settings) -> None:
    """Put the headers on every answer, errors too."""
    secure = settings.tls_certificate is not None or (settings.public_url or "").startswith("https:")

    @app.after_request
    def _harden(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if secure:
            response.headers["Strict-Transport-Security"] = TWO_YEARS
        return response
