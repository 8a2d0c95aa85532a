"""The door of a server process: who calls is asked by the head alone, before the body is read or a turn is taken.

Tokens are checked in threads of their own. A call whose client's keys are on their way waits on the event loop, in no
thread, and so many for one client: a client whose server does not answer holds nobody else. A call whose token is being
noted waits there too, for two seconds at the most.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from wsgiref.types import WSGIEnvironment

from cds_service.store.patience import WRITE
from cds_service.trust.keys import KeysAwaited
from cds_service.trust.tokens import Caller, Sound
from cds_service.waiting import Full, Room
from cds_service.web.callers import Trust

THREADS = 4
"""Tokens that are checked at a time: that computes."""
AWAITING, TOGETHER = 64, 1024
"""Calls that wait for the keys of one client, and of all."""


class Door:
    """Lets callers in by *trust*."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door")
        self._awaiting = Room(AWAITING, TOGETHER)

    @property
    def several(self) -> bool:
        """Whether there is more than one client."""
        return len(self._trust.engines) > 1

    async def let_in(self, environment: WSGIEnvironment) -> Caller | None:
        """Who calls; `None` where everybody may.

        Raises:
            Untrusted: the caller may not call.
            RequestError: it calls too often, or it cannot be known now.
        """
        if not self._trust.guards(environment):
            return None
        sound = await self._sound(environment)
        await _ended(sound.first_time, WRITE)
        return self._trust.counted(sound.let_in(0))

    async def _sound(self, environment: WSGIEnvironment) -> Sound:
        try:
            return await self._check(environment, awaited=False)
        except KeysAwaited as keys:
            with suppress(Full), self._awaiting.taken(keys.client):
                await _ended(keys.flight, keys.seconds)
            return await self._check(environment, awaited=True)

    async def _check(self, environment: WSGIEnvironment, *, awaited: bool) -> Sound:
        check = self._threads.submit(self._trust.check, environment, awaited=awaited)
        return await asyncio.wrap_future(check)


async def _ended(future: Future[Any], seconds: float) -> None:
    """Wait so long for the end of *future*, which others may wait for too; how it ended is asked of it afterwards."""
    ending = asyncio.wrap_future(future)
    ending.add_done_callback(asyncio.Future.exception)  # an error that nobody asks for would be in the log
    await asyncio.wait({ending}, timeout=seconds)
