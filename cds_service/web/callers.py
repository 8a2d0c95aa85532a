"""Lets in who may call (rows 164 to 178): a bare 401 for everybody else, before anything is read.

All that is asked is in the head of a request: `cds-service serve` asks before it reads the body (`serving/door.py`),
and another server lets the application ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service.hooks.service import Engine
from cds_service.trust.rates import Rates
from cds_service.web.application import WebApplication
from cds_service.web.incoming import Incoming
from cds_service.web.slashes import AS_CALLED, meant

if TYPE_CHECKING:  # slow to import, and needed with tokens alone
    from limits import RateLimitItem

    from cds_service.trust.tokens import Caller, Sound, Verifier


GUARDED = "/cds-services"
CALLER = "cds_service.caller"
"""Where the environment holds who calls, where the server has let them in already."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may call, and what each client has by its id. `public_url` is what tokens must name (row 170)."""

    verifier: Verifier
    public_url: str
    engines: Mapping[str, Engine]
    rates: Mapping[str, RateLimitItem]
    counts: Rates = field(default_factory=Rates)

    def guards(self, environ: Mapping[str, Any]) -> bool:
        """Whether the call needs a token; a preflight carries none and is never guarded (row 179)."""
        path = meant(environ["PATH_INFO"])
        return environ["REQUEST_METHOD"] != "OPTIONS" and (path == GUARDED or path.startswith(f"{GUARDED}/"))

    def check(self, environ: Mapping[str, Any], *, awaited: bool = False) -> Sound:
        """Who calls, by the head of the call, or an error; see `Verifier.check`."""
        return self.verifier.check(
            environ.get("HTTP_AUTHORIZATION"), self._urls(environ), environ.get("HTTP_ORIGIN"), awaited=awaited
        )

    def let_in(self, environ: Mapping[str, Any]) -> Caller:
        """The same; all that has to be waited for is waited for here."""
        return self.counted(
            self.verifier.verify(environ.get("HTTP_AUTHORIZATION"), self._urls(environ), environ.get("HTTP_ORIGIN"))
        )

    def counted(self, caller: Caller) -> Caller:
        """*caller*, with one call more.

        Raises:
            TooManyCalls: it calls too often.
        """
        self.counts.count(caller.client.id, self.rates[caller.client.id])
        return caller

    def _urls(self, environ: Mapping[str, Any]) -> dict[str, None]:
        """The URL that is called, as it may be written: with one slash more or less, or as it was written."""
        as_called = environ.get(AS_CALLED, environ["PATH_INFO"]).encode("latin-1").decode(errors="replace")
        plain = f"{self.public_url}{meant(as_called)}"
        return dict.fromkeys((plain, f"{plain}/", f"{self.public_url}{as_called}"))


def init_app(app: WebApplication, trust: Trust | None) -> None:
    """Guard discovery, services and feedback."""

    def _let_in(request: Incoming) -> None:
        request.engine = app.extensions["cds_engine"]
        if trust is None or not trust.guards(request.environ):
            return
        request.caller = caller = request.environ.get(CALLER) or trust.let_in(request.environ)
        request.engine = trust.engines[caller.client.id]
        request.call.client = caller.client.id

    app.begins.append(_let_in)
