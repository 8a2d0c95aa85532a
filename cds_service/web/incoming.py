"""The request that is answered, with what becomes known of it on its way."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from wsgiref.types import WSGIEnvironment

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from cds_service.errors import RequestError
from cds_service.hooks.record import Call
from cds_service.hooks.service import Engine
from cds_service.trust.refusal import Untrusted

if TYPE_CHECKING:  # slow to import, and needed with tokens alone
    from cds_service.trust.tokens import Caller

PAST_FLASK = "cds_service.past_flask"
"""Where the environment says that a call of a service may go past Flask (`web/application.py`)."""
RECEIVED = "cds_service.received"
"""Where the environment holds when the server had the head of the request, by `time.perf_counter`."""
CALLED = "services.call"
"""The endpoint whose calls are counted, for the owner's page and the numbers, and traced."""
FEEDBACK = "feedback.feedback"
"""The endpoint of feedback, which is counted and traced beside it."""
LENGTH = re.compile("[0-9]{1,15}")
"""A length that is read as it is: Python refuses a number of thousands of digits, which not every server does."""


class Incoming:
    """A request; the `engine` answers it. Every one has a `number`, which is told to the caller too.

    `method` is in capital letters, `path` as WSGI has it.
    """

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
    endpoint: str | None = None
    """What answers it, by Flask's name."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        """Number it, and take note of when it came."""
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"].upper()
        self.path: str = environ["PATH_INFO"]
        self.started: float = environ.get(RECEIVED) or time.perf_counter()
        self.number = secrets.token_hex(16)
        self.call = Call()

    def body(self, most: int) -> bytes:
        """The body, whole: one of a declared length up to *most* is read as it is, any other as Werkzeug does it.

        Raises:
            HTTPException: it is too large, or ended before its length.
        """
        declared = self.environ.get("CONTENT_LENGTH", "")
        if not LENGTH.fullmatch(declared) or int(declared) > most or "HTTP_TRANSFER_ENCODING" in self.environ:
            return get_input_stream(self.environ, max_content_length=most).read()
        body: bytes = self.environ["wsgi.input"].read(int(declared))
        if len(body) < int(declared):
            raise ClientDisconnected
        return body


_ANSWERED: ContextVar[Incoming] = ContextVar("answered")
"""Not kept in its environment: each would keep the other, and the body, until cycles are looked for."""


@contextmanager
def answering(request: Incoming) -> Iterator[None]:
    """Inside the block *request* is the one that is answered in this thread."""
    token = _ANSWERED.set(request)
    try:
        yield
    finally:
        _ANSWERED.reset(token)


def incoming() -> Incoming:
    """The one that is answered in this thread, by Flask."""
    return _ANSWERED.get()
