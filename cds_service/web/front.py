"""What stands before the application in `cds-service serve`: bodies that come in time, and no more calls than fit.

granian hands each request over as RSGI, on the event loop of the process. There its body is read, within a time and a
size, so that a slow client holds a connection and never a thread; then the application works on it in one of a fixed
number of threads. What is refused here goes through the application too, which gives it its status and headers.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cds_service.errors import BodyTooSlow, MalformedRequest, Overloaded, RequestError, TookTooLong
from cds_service.web import numbers
from cds_service.web.audit import RECEIVED
from cds_service.web.errors import REFUSED, body_too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from wsgiref.types import WSGIApplication, WSGIEnvironment

HEALTH = "/healthz"
UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class FrontLimits(NamedTuple):
    """Bytes, numbers of calls, and seconds."""

    max_body: int
    working: int
    waiting: int
    body_timeout: float
    deadline: float


class Head(Protocol):
    """The head of a request, as RSGI has it."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]


class Exchange(Protocol):
    """The body of a request and the way to answer it, as RSGI has it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Front:
    """One server process: an RSGI application around the WSGI one."""

    def __init__(self, application: WSGIApplication, limits: FrontLimits, close: Callable[[], None]) -> None:
        """Threads are started as they are needed; *close* is called when the process ends."""
        self._application = application
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.working, thread_name_prefix="call")
        self._taken_on = 0
        self._close = close

    async def __rsgi__(self, head: Head, exchange: Exchange) -> None:
        """Answer one request."""
        environment = _environment(head)
        try:
            async with asyncio.timeout(self._limits.deadline):
                answer = await self._answer(environment, exchange)
        except RequestError as refusal:
            answer = self._refuse(environment, refusal)
        except TimeoutError:
            answer = self._refuse(environment, TookTooLong("It took too long (CDS_REQUEST_DEADLINE): call again"))
        exchange.response_bytes(*answer)

    def __rsgi_del__(self, _: Any) -> None:
        """The process ends: write what waits to be written."""
        self._close()

    async def _answer(self, environment: WSGIEnvironment, exchange: Exchange) -> Answer:
        if environment["PATH_INFO"] == HEALTH:
            return _call(self._application, environment, b"")
        body = await self._body(environment, exchange)
        if self._taken_on >= self._limits.working + self._limits.waiting:
            raise Overloaded("The service has as many calls as it takes on: call again")
        self._taken_on += 1
        numbers.OPEN.inc()
        work = self._threads.submit(_call, self._application, environment, body)
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(work)

    def _done(self) -> None:
        self._taken_on -= 1
        numbers.OPEN.dec()

    async def _body(self, environment: WSGIEnvironment, exchange: Exchange) -> bytes:
        declared = environment.get("CONTENT_LENGTH", "")
        if not declared and "HTTP_TRANSFER_ENCODING" not in environment:
            return b""
        if declared.isdecimal() and int(declared) > self._limits.max_body:
            raise body_too_large()
        try:
            async with asyncio.timeout(self._limits.body_timeout):
                body = await self._pieces(exchange)
        except TimeoutError as error:
            raise BodyTooSlow("The body did not arrive in time (CDS_BODY_TIMEOUT): send it without pauses") from error
        if declared.isdecimal() and len(body) < int(declared):
            raise MalformedRequest("The body ended before its Content-Length: send it whole")
        return body

    async def _pieces(self, exchange: Exchange) -> bytes:
        body = bytearray()
        async for piece in exchange:
            body += piece
            if len(body) > self._limits.max_body:
                raise body_too_large()
        return bytes(body)

    def _refuse(self, environment: WSGIEnvironment, refusal: RequestError) -> Answer:
        status, headers, body = _call(self._application, {**environment, REFUSED: refusal}, b"")
        return Answer(status, [*headers, ("Connection", "close")], body)


def _call(application: WSGIApplication, environment: WSGIEnvironment, body: bytes) -> Answer:
    """Let *application* answer a request with *body*, whole."""
    environment = {**environment, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    environment.pop("HTTP_TRANSFER_ENCODING", None)  # the body is whole and has a length now
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        started.append((status, headers))

    pieces: Iterable[bytes] = application(environment, start_response)
    try:
        content = b"".join(pieces)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    status, headers = started[-1]
    return Answer(int(status[:3]), headers, content)


def _environment(head: Head) -> WSGIEnvironment:
    """The WSGI environment of a request (PEP 3333), without its body."""
    host, _, port = head.server.rpartition(":")
    environment: WSGIEnvironment = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": head.path.encode().decode("latin-1"),
        "QUERY_STRING": head.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{head.http_version}",
        "REMOTE_ADDR": head.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": head.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        RECEIVED: time.perf_counter(),
    }
    for name, value in head.headers.items():
        if "_" in name:
            continue  # It would pass for the header with a hyphen, which a proxy may have set.
        key = name.upper().replace("-", "_")
        key = key if key in UNPREFIXED else f"HTTP_{key}"
        environment[key] = f"{environment[key]},{value}" if key in environment else value
    return environment
