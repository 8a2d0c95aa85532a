"""The work on one call in a server process: it takes its turn, steps aside while it waits, and ends with its time.

The server gives every call a `Work`. So many calls are worked on at a time, and one large one among them. A call that
waits for a FHIR server steps aside, and another takes its turn; one that brings feedback leaves its own for good. When
its time is over the work is ended wherever it is `endable`: whatever it costs, it is not gone on with. Without a server
(a command, a test) nothing here does anything.

An end comes as an exception between two steps of Python code, as that of a signal does. So `endable` is only what
computes and holds nothing that others need: no lock, no connection, no file.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar

from cds_service.waiting import Room

LARGE = 256 * 1024
"""Bytes of a body from which on a call is large: it computes for long, and every other call beside it is slower."""


MOST_STEPS = 1_000_000
"""Python raises what was sent to a thread at one of its next few steps."""


class Ended(BaseException):
    """The time of the call is over, and the caller has been told."""


class _Instead(BaseException):
    """Comes in place of an end that has been taken back."""


class Turns:
    """How many calls of a process are worked on at a time, and how many more may be in line for it.

    Large ones compute one after the other: Python does no two at a time, and together they would slow down all others.
    """

    def __init__(self, at_once: int, in_line: int, *, several: bool = False) -> None:
        """Nobody is here yet. With *several* clients none is three quarters of all who are here."""
        most = at_once + in_line
        self.here = Room(max(1, most * 3 // 4) if several else most, most)
        self._all = threading.BoundedSemaphore(at_once)
        self._large = threading.Lock()

    def take(self, seconds: float, *, large: bool) -> None:
        """Wait for a turn.

        Raises:
            Ended: there was none in time.
        """
        end = time.monotonic() + seconds
        if large and not self._large.acquire(timeout=max(0.0, seconds)):
            raise Ended
        if not self._all.acquire(timeout=max(0.0, end - time.monotonic())):
            if large:
                self._large.release()
            raise Ended

    def give_back(self, *, large: bool) -> None:
        """It is another's turn."""
        self._all.release()
        if large:
            self._large.release()


class Work:
    """The work on one call, in one thread; `come`, `go` and `end` are for the server, which has it done."""

    def __init__(self, turns: Turns, seconds: float) -> None:
        """Its time begins now."""
        self.large = False
        """Whether it takes the turn of a large one."""
        self._turns = turns
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._who: str | None = None
        self._has_turn = self._over = False

    def left(self) -> float:
        """Seconds that are left of its time."""
        return self._until - time.monotonic()

    def come(self, who: str) -> None:
        """Get in line, for *who* calls.

        Raises:
            Full: there are as many as may be.
        """
        self._turns.here.take(who)
        self._who = who

    def go(self) -> None:
        """It is done, or was never begun; who has stepped aside does not count either."""
        if self._who is not None:
            self._turns.here.give_back(self._who)
            self._who = None

    def end(self) -> None:
        """End it at once where it is endable, and as soon as it is where it is not."""
        with self._lock:
            self._over = True
            if self._thread is not None:
                _raise(self._thread, Ended)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take a turn, and give it back at the end.

        Raises:
            Ended: there was none in time.
        """
        self._take()
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)
            self._give_back()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let another have the turn, and take one again at the end.

        Raises:
            Ended: there was none in time.
        """
        self.leave()
        try:
            yield
        finally:
            self._take()

    def leave(self) -> None:
        """Let another have the turn, for good."""
        self._give_back()
        self.go()

    def _take(self) -> None:
        self._turns.take(self.left(), large=self.large)
        self._has_turn = True

    def _give_back(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turns.give_back(large=self.large)

    @contextmanager
    def endable(self, *, really: bool = True) -> Iterator[None]:
        """What is done here can be ended; with *really* false it cannot, though what is around it can.

        Raises:
            Ended: the time is over.
        """
        outer = self._thread
        self._stand(threading.get_ident() if really else None)
        try:
            yield
        finally:
            self._stand(outer)

    def _stand(self, thread: int | None) -> None:
        with self._lock:
            self._thread = thread
            over = self._over
        if over:
            _take_back()
            raise Ended


_CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)
_NOTHING = nullcontext()


def left(seconds: float) -> float:
    """*seconds*, or what is left of the time of this call where that is less."""
    work = _CURRENT.get()
    return seconds if work is None else min(seconds, work.left())


def aside() -> AbstractContextManager[None]:
    """Wait for others here: another call has the turn meanwhile. It cannot be ended here."""
    return _aside(_CURRENT.get())


def leave() -> None:
    """From here on this call waits for others and computes next to nothing: another has the turn."""
    work = _CURRENT.get()
    if work is not None:
        work.leave()


def endable() -> AbstractContextManager[None]:
    """Compute here, and hold nothing: it ends with the time of the call."""
    work = _CURRENT.get()
    return _NOTHING if work is None else work.endable()


def unendable() -> AbstractContextManager[None]:
    """Do here, amid what is endable, what must not be left half-done."""
    work = _CURRENT.get()
    return _NOTHING if work is None else work.endable(really=False)


@contextmanager
def _aside(work: Work | None) -> Iterator[None]:
    if work is None:
        yield
        return
    with work.endable(really=False), work.aside():
        yield


def _raise(thread: int, what: type[BaseException]) -> None:
    """Raise *what* in *thread* at its next step, in place of what was to be raised there."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(what))


def _take_back() -> None:
    """An end may be on its way to this thread, and would come where it must not: let something else come, and here.

    Where nothing came instead, Python 3.11 would look for it at every step of every thread from then on.
    """
    with suppress(_Instead):
        _raise(threading.get_ident(), _Instead)
        for _ in range(MOST_STEPS):
            pass
