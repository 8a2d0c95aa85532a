"""The request that is answered, with what becomes known of it on its way.

Flask's own names for it (`request`, `g`) look it up anew at each use, which costs more than most of what is done with
it. So whoever needs several things of it asks for it once.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any, cast
from wsgiref.types import WSGIEnvironment

from flask import Flask, Request, request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.exceptions import ClientDisconnected

from cds_service.errors import RequestError
from cds_service.hooks.record import Call
from cds_service.hooks.service import Engine
from cds_service.trust.refusal import Untrusted

if TYPE_CHECKING:  # slow to import, and needed with tokens alone
    from cds_service.trust.tokens import Caller

RECEIVED = "cds_service.received"
"""Where the environment holds when the server had the head of the request, by `time.perf_counter`."""
LENGTH = re.compile("[0-9]{1,15}")
"""A length that is read as it is: Python refuses a number of thousands of digits, which not every server does."""


class Incoming(Request):
    """A request; the `engine` answers it. Every one has a `number`, which is told to the caller too."""

    engine: Engine
    caller: Caller | None = None
    """Who calls, where tokens are asked for."""
    refused: Untrusted | None = None
    """Why the caller was not let in."""
    refusal: RequestError | None = None
    """What the caller can mend."""
    service: str | None = None
    """The id of the service that is called, where there is such a one."""
    trace: str | None = None
    """The id of its trace, where traces are sent."""

    def __init__(self, environ: WSGIEnvironment, *options: Any, **more: Any) -> None:
        """Number it, and take note of when it came."""
        super().__init__(environ, *options, **more)
        self.started: float = environ.get(RECEIVED) or time.perf_counter()
        self.number = secrets.token_hex(16)
        self.call = Call()

    def body(self, most: int) -> bytes:
        """The body, whole: one of a declared length up to *most* is read as it is, any other as Flask does it.

        Raises:
            HTTPException: it is too large, or ended before its length.
        """
        declared = self.environ.get("CONTENT_LENGTH", "")
        if not LENGTH.fullmatch(declared) or int(declared) > most or "HTTP_TRANSFER_ENCODING" in self.environ:
            return self.get_data(cache=False)
        body: bytes = self.environ["wsgi.input"].read(int(declared))
        if len(body) < int(declared):
            raise ClientDisconnected
        return body


class NoSessions(SessionInterface):
    """Nobody has a session here: no cookie is read or set, and an empty one that takes nothing stands for all."""

    def __init__(self) -> None:
        """Flask would look for a key and make an empty one at every request."""
        self._none = self.null_session_class()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """The empty one."""
        del app, request
        return self._none


def incoming() -> Incoming:
    """The one that this thread answers."""
    return cast("Incoming", request._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
