"""Bodies under way: each within a time and a size, and all of them together no more bytes than fit.

A body counts from its first byte until its call is over, since all that is made of it lives as long. It is read on the
event loop, so that a slow client holds a connection and never a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import NamedTuple, Protocol
from wsgiref.types import WSGIEnvironment

from cds_service.errors import BodyTooSlow, MalformedRequest, NoRoom
from cds_service.waiting import Full, Room
from cds_service.web import metrics
from cds_service.web.status_codes import body_too_large

PASSED_OVER, PASSING = 64 * 1024, 1.0
"""Bytes that are announced of a body that is refused and yet let come, and the seconds in which it must."""


class RsgiExchange(Protocol):
    """The body of a request and the way to answer it, as RSGI has it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""

    def client_disconnect(self) -> Awaitable[None]:
        """What is over when the client has gone away."""


class BodyLimits(NamedTuple):
    """Bytes of one body and of all, and the seconds in which one must be there."""

    one: int
    together: int
    seconds: float


class Held:
    """The bytes of one body, taken from the room that there is for all."""

    def __init__(self, room: Room, who: str) -> None:
        self._room, self._who, self._bytes = room, who, 0

    def grow(self, count: int) -> None:
        """Hold more.

        Raises:
            NoRoom: it does not fit.
        """
        try:
            self._room.take(self._who, count)
        except Full as full:
            raise NoRoom("The service holds as many bodies as it has room for (CDS_MAX_BODIES): call again") from full
        self._bytes += count
        metrics.BODIES.inc(count)

    def let_go(self) -> None:
        """The call is over."""
        self._room.give_back(self._who, self._bytes)
        metrics.BODIES.dec(self._bytes)
        self._bytes = 0


class Bodies:
    """Reads the bodies of one process."""

    def __init__(self, limits: BodyLimits, *, several: bool) -> None:
        """None is under way. Of *several* clients each may hold half of what all may, or one body."""
        self._limits = limits
        each = max(limits.one, limits.together // 2) if several else limits.together
        self._room = Room(each, limits.together)

    def held(self, client: str) -> Held:
        """Where the body of a call of *client* is counted."""
        return Held(self._room, client)

    async def read(self, environment: WSGIEnvironment, exchange: RsgiExchange, held: Held) -> bytes:
        """The body that the head in *environment* announces, whole.

        Raises:
            RequestError: it is too large, too slow, cut off, or there is no room for it.
        """
        declared = environment.get("CONTENT_LENGTH", "")
        if not declared and "HTTP_TRANSFER_ENCODING" not in environment:
            return b""
        length = int(declared) if declared.isdecimal() else None
        if length is not None and length > self._limits.one:
            raise body_too_large()
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._pieces(exchange, held, length)
        except TimeoutError as error:
            raise BodyTooSlow("The body did not arrive in time (CDS_BODY_TIMEOUT): send it without pauses") from error
        if length is not None and len(body) < length:
            raise MalformedRequest("The body ended before its Content-Length: send it whole")
        return body

    async def pass_over(self, environment: WSGIEnvironment, exchange: RsgiExchange) -> None:
        """Let a small body come and keep nothing of it, so that a client that sends it whole can read its refusal.

        To close a connection on which something still comes would take the answer with it.
        """
        declared = environment.get("CONTENT_LENGTH", "")
        if not declared.isdecimal() or int(declared) > PASSED_OVER or "HTTP_EXPECT" in environment:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(PASSING):
                async for _ in exchange:
                    continue

    async def throw_away(self, exchange: RsgiExchange, seconds: float) -> None:
        """Let a body come within its size and time, *seconds* at most, and keep nothing of it: no answer needs it.

        Where more of it may come the connection is closed on it, and the client may not see its answer.
        """
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, self._limits.seconds)):
                async for piece in exchange:
                    size += len(piece)
                    if size > self._limits.one:
                        return

    async def _pieces(self, exchange: RsgiExchange, held: Held, length: int | None) -> bytes:
        """All of it; one that has come in its *length* is whole, and its end need not be waited for as well."""
        pieces: list[bytes] = []
        size = 0
        async for piece in exchange:
            size += len(piece)
            if size > self._limits.one:
                raise body_too_large()
            held.grow(len(piece))
            pieces.append(piece)
            if size == length:
                break
        return b"".join(pieces)
