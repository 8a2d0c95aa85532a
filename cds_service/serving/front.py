"""What stands before the application in `cds-service serve`: who may call, bodies that fit, and no more calls than fit.

granian hands each request over as RSGI, on the event loop of the process. Its head is judged there, the caller let in
(`serving/door.py`), the body read (`serving/bodies.py`); then the application works on it in a thread, when it is its
turn (`work.py`). What is refused here goes through the application too, which gives it its status and headers.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple
from wsgiref.types import WSGIApplication, WSGIEnvironment

from cds_service.errors import ClientGone, Overloaded, RequestError, TookTooLong, let_go
from cds_service.hooks.memory import ANYONE
from cds_service.serving import heads
from cds_service.serving.bodies import Bodies, BodyLimits, Held, RsgiExchange
from cds_service.serving.heads import Head
from cds_service.trust.refusal import Untrusted
from cds_service.waiting import Full
from cds_service.web import metrics
from cds_service.web.callers import CALLER
from cds_service.web.modes import IN_FORCE, Unread
from cds_service.web.status_codes import REFUSED
from cds_service.work import LARGE, Ended, Turns, Work

if TYPE_CHECKING:  # slow to import, and needed with tokens alone
    from cds_service.serving.door import Door
    from cds_service.trust.tokens import Caller


HEALTH = "/healthz"
TAKING_BODIES = ("cds-services", "playground")
"""Where a body can be posted to; no other is read."""


OVERLOADED = "The service has as many calls as it takes on: call again"
SOON = 0.05
"""Seconds in which nearly every call is answered: until then nobody asks whether its client is still there."""


class FrontLimits(NamedTuple):
    """How many calls are worked on at a time, wait for their turn, and wait for others; and the seconds of each."""

    working: int
    waiting: int
    aside: int
    deadline: float


class WholeAnswer(NamedTuple):
    """A whole answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Front:
    """One server process: an RSGI application around the WSGI one."""

    def __init__(
        self,
        application: WSGIApplication,
        limits: FrontLimits,
        bodies: BodyLimits,
        door: Door | None,
        unread: Unread,
        close: Callable[[], None],
    ) -> None:
        """Threads are started as they are needed; *close* is called when the process ends."""
        self._unread = unread
        self._application = application
        self._limits = limits
        several = door is not None and door.several
        self._bodies = Bodies(bodies, several=several)
        self._door = door
        self._turns = Turns(limits.working, limits.waiting, several=several)
        self._threads = ThreadPoolExecutor(limits.working + limits.waiting + limits.aside, thread_name_prefix="call")
        self._close = close

    async def __rsgi__(self, head: Head, exchange: RsgiExchange) -> None:
        """Answer one request."""
        environment = heads.environment_of(head)
        work = Work(self._turns, self._limits.deadline)
        try:
            async with asyncio.timeout(self._limits.deadline):
                answer = await self._answer(environment, exchange, work)
        except ClientGone as gone:
            work.end()
            answer = self._refuse(environment, gone)  # for the log and the numbers
        except (RequestError, Untrusted) as refusal:
            answer = self._refuse(environment, refusal)
        except (TimeoutError, Ended):
            work.end()
            answer = self._refuse(environment, TookTooLong("It took too long (CDS_REQUEST_DEADLINE): call again"))
        exchange.response_bytes(*answer)

    def __rsgi_del__(self, _: Any) -> None:
        """The process ends: write what waits to be written."""
        self._close()

    async def _answer(self, environment: WSGIEnvironment, exchange: RsgiExchange, work: Work) -> WholeAnswer:
        heads.check(environment)
        if environment["PATH_INFO"] == HEALTH:
            return _call(self._application, environment, b"")
        try:
            caller = await self._let_in(environment)
        except (RequestError, Untrusted):
            await self._bodies.pass_over(environment, exchange)
            raise
        environment[CALLER] = caller
        who = ANYONE if caller is None else caller.client.id
        held = self._bodies.held(who)
        try:
            body = await self._body(environment, exchange, held, who) if _takes_body(environment) else b""
            working = self._begin(environment, body, work, who)
        except BaseException:
            held.let_go()
            raise
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        working.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done, work, held, over))
        watching = loop.call_later(SOON, _watch, over, exchange)
        try:
            await over
        finally:
            watching.cancel()
            working.cancel()  # where it has not begun it is taken back: nobody waits for it any more
        return working.result()

    async def _body(self, environment: WSGIEnvironment, exchange: RsgiExchange, held: Held, who: str) -> bytes:
        mode = environment[IN_FORCE] = self._unread.asked(environment, who)
        if mode is None or not mode.is_off:
            return await self._bodies.read(environment, exchange, held)
        await self._bodies.throw_away(exchange, self._limits.deadline / 2)
        return b""

    async def _let_in(self, environment: WSGIEnvironment) -> Caller | None:
        if self._turns.here.full:  # before the token, which is good for one call
            raise Overloaded(OVERLOADED)
        return None if self._door is None else await self._door.let_in(environment)

    def _begin(self, environment: WSGIEnvironment, body: bytes, work: Work, who: str) -> Future[WholeAnswer]:
        try:
            work.come(who)
        except Full as full:
            raise Overloaded(OVERLOADED) from full
        work.large = len(body) >= LARGE
        metrics.OPEN.inc()  # before a thread has it, which may be asked for the numbers
        try:
            return self._threads.submit(self._in_turn, environment, body, work)
        except RuntimeError as error:  # the machine has no thread left
            metrics.OPEN.dec()
            work.end()  # if another thread takes it on
            work.go()
            raise Overloaded(OVERLOADED) from error

    def _in_turn(self, environment: WSGIEnvironment, body: bytes, work: Work) -> WholeAnswer:
        with work.turn():
            return _call(self._application, environment, body)

    def _done(self, work: Work, held: Held, over: asyncio.Future[None]) -> None:
        """What the call held was held until now, also where nobody waited for it any more."""
        work.go()
        held.let_go()
        metrics.OPEN.dec()
        if not over.done():
            over.set_result(None)

    def _refuse(self, environment: WSGIEnvironment, refusal: RequestError | Untrusted) -> WholeAnswer:
        status, headers, body = _call(self._application, {**environment, REFUSED: refusal}, b"")
        let_go(refusal)
        return WholeAnswer(status, [*headers, ("Connection", "close")], body)


def _watch(over: asyncio.Future[None], exchange: RsgiExchange) -> None:
    """From now on *over* ends with `ClientGone` as soon as whoever called has gone away."""

    def leave(_: asyncio.Future[None]) -> None:
        if not over.done():
            over.set_exception(ClientGone("Whoever called has gone away before the answer"))

    gone = asyncio.ensure_future(exchange.client_disconnect())
    gone.add_done_callback(leave)
    over.add_done_callback(lambda _: gone.cancel())


def _call(application: WSGIApplication, environment: WSGIEnvironment, body: bytes) -> WholeAnswer:
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
    return WholeAnswer(int(status[:3]), headers, content)


def _takes_body(environment: WSGIEnvironment) -> bool:
    path: str = environment["PATH_INFO"]
    return environment["REQUEST_METHOD"] == "POST" and path.lstrip("/").startswith(TAKING_BODIES)
