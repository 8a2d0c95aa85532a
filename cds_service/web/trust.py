"""Lets in who may call (rows 164 to 178): a bare 401 for everybody else, before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Response, g, request

from cds_service.trust.rates import Rates
from cds_service.trust.refusal import Untrusted
from cds_service.web.slashes import AS_CALLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask
    from limits import RateLimitItem

    from cds_service.hooks.service import Engine
    from cds_service.trust.tokens import Verifier

GUARDED = "/cds-services"


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may call, and what each client has by its id. `public_url` is what tokens must name (row 170)."""

    verifier: Verifier
    public_url: str
    engines: Mapping[str, Engine]
    rates: Mapping[str, RateLimitItem]
    counts: Rates = field(default_factory=Rates)


def init_app(app: Flask, trust: Trust | None) -> None:
    """Guard discovery, services and feedback; a preflight carries no token and is never guarded (row 179)."""
    app.register_error_handler(Untrusted, _refuse)

    @app.before_request
    def _let_in() -> None:
        g.engine = app.extensions["cds_engine"]
        if trust is None or request.method == "OPTIONS" or not _guarded(request.path):
            return
        g.caller = caller = trust.verifier.verify(
            request.headers.get("Authorization"), _urls(trust.public_url), request.headers.get("Origin")
        )
        trust.counts.count(caller.client.id, trust.rates[caller.client.id])
        g.engine = trust.engines[caller.client.id]
        g.call.client = caller.client.id


def _guarded(path: str) -> bool:
    return path == GUARDED or path.startswith(f"{GUARDED}/")


def _urls(public_url: str) -> dict[str, None]:
    """The URL that is called, as it may be written: with one slash more or less, or as it was written."""
    plain = f"{public_url}{request.path}"
    as_called = request.environ.get(AS_CALLED, request.path)
    return dict.fromkeys((plain, f"{plain}/", f"{public_url}{as_called}"))


def _refuse(refusal: Untrusted) -> Response:
    """Row 169: nothing is said about what was wrong; the log names the check."""
    g.refused = refusal
    return Response(status=401, mimetype="text/plain", headers={"WWW-Authenticate": "Bearer"})
