"""The work on one call: its turn, stepping aside, and its end, whatever it computes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from cds_service import work
from cds_service.waiting import Full
from cds_service.work import Ended, Turns, Work
from tests.support.fixtures import ROOT
from tests.support.for_each import for_each

LONG = 60.0
"""Seconds that no test takes."""


def _computes_for_ever(begun: threading.Event, within: AbstractContextManager[None]) -> None:
    with within:
        begun.set()
        while True:
            sum(range(100))


def _in_thread(threads: ThreadPoolExecutor, call: Work, does: Any, *arguments: Any) -> Future[Any]:
    def run() -> Any:
        with call.turn():
            return does(*arguments)

    return threads.submit(run)


def test_what_computes_is_ended() -> None:
    """Work that would compute for ever is over as soon as it is ended, and its turn is another's."""
    turns, begun = Turns(1, 0), threading.Event()
    first, second = Work(turns, LONG), Work(turns, LONG)
    with ThreadPoolExecutor() as threads:
        computing = _in_thread(threads, first, lambda: _computes_for_ever(begun, work.endable()))
        assert begun.wait(LONG)
        first.end()
        with pytest.raises(Ended):
            computing.result(LONG)

        assert _in_thread(threads, second, lambda: "done").result(LONG) == "done"


def test_what_holds_something_is_not_ended() -> None:
    """What must not be left half-done is done; the work is ended as soon as it goes on to compute."""
    call, begun, let = Work(Turns(1, 0), LONG), threading.Event(), threading.Event()
    done: list[str] = []

    def hold() -> None:
        with work.endable():
            with work.unendable():
                begun.set()
                let.wait(LONG)
                done.append("held")
            done.append("computed")

    with ThreadPoolExecutor() as threads:
        holding = _in_thread(threads, call, hold)
        assert begun.wait(LONG)
        call.end()
        let.set()
        with pytest.raises(Ended):
            holding.result(LONG)

    assert done == ["held"]


def test_thread_that_was_ended_works_again() -> None:
    """A thread whose work was ended is no worse for it: nothing of the end is left for the next call."""
    turns = Turns(1, 0)
    with ThreadPoolExecutor(1) as threads:
        for _ in range(50):
            call, begun = Work(turns, LONG), threading.Event()
            computing = _in_thread(threads, call, _computes_for_ever, begun, call.endable())
            assert begun.wait(LONG)
            call.end()
            with pytest.raises(Ended):
                computing.result(LONG)
            assert threads.submit(lambda: sum(range(10_000))).result(LONG) == 49_995_000


TRACED = """
import sys
from cds_service.work import Ended, Turns, Work

call = Work(Turns(1, 0), 60.0)
try:
    with call.endable(), call.endable(really=False):
        call.end()
except Ended:
    sys.settrace(lambda *_: None)
    print(sum(map(abs, range(3))), (lambda: "traced")())
"""


@pytest.mark.served
def test_nothing_is_left_of_an_end() -> None:
    """After an end that was taken back Python looks for none: 3.11 would be slower, and hang where calls are traced."""
    command, environment = [sys.executable, "-c", TRACED], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=LONG, check=True)

    assert done.stdout == b"3 traced\n"


def test_aside() -> None:
    """Who waits for others lets the next have the turn, and goes on when it is theirs again."""
    turns, waiting, let = Turns(1, 0), threading.Event(), threading.Event()
    first, second = Work(turns, LONG), Work(turns, LONG)
    first.come("a")

    def wait() -> str:
        with work.aside():
            waiting.set()
            let.wait(LONG)
        return "went on"

    with ThreadPoolExecutor() as threads:
        going_on = _in_thread(threads, first, wait)
        assert waiting.wait(LONG)
        second.come("a")  # there is room in line, too
        assert _in_thread(threads, second, lambda: "meanwhile").result(LONG) == "meanwhile"
        second.go()
        let.set()
        assert going_on.result(LONG) == "went on"


def test_line_has_an_end() -> None:
    """So many are worked on or in line and no more; whoever goes makes room for one."""
    turns = Turns(1, 1)
    first, second, third = (Work(turns, LONG) for _ in range(3))
    first.come("a")
    second.come("a")
    assert turns.here.full
    with pytest.raises(Full):
        third.come("b")
    first.go()
    first.go()
    third.come("b")


def test_no_client_is_all_there_is() -> None:
    """Of several clients one may be three quarters of those who are here; the last quarter is for the others."""
    turns = Turns(2, 6, several=True)
    for _ in range(6):
        Work(turns, LONG).come("a")
    with pytest.raises(Full):
        Work(turns, LONG).come("a")
    for client in ("b", "c"):
        Work(turns, LONG).come(client)


@for_each("large", [False, True])
def test_no_turn_in_time(*, large: bool) -> None:
    """Who gets no turn before the time is over does not begin, and takes no turn from anybody."""
    turns = Turns(1, 9)
    first, late = Work(turns, LONG), Work(turns, 0.0)
    late.large = large
    with first.turn(), pytest.raises(Ended), late.turn():
        pytest.fail("begun")
    with first.turn():
        pass


def test_large_ones_leave_turns_to_others() -> None:
    """Of eight turns large calls have one: seven are for those that are soon done."""
    turns = Turns(8, 9)
    calls = [Work(turns, 0.05) for _ in range(9)]
    for call in calls[:2]:
        call.large = True
    with calls[0].turn():
        with pytest.raises(Ended), calls[1].turn():
            pytest.fail("begun")
        for _ in range(7):
            turns.take(0.05, large=False)
        with pytest.raises(Ended):
            turns.take(0.05, large=False)


def test_without_a_server() -> None:
    """A command has no deadline and no turn: all is done as it stands."""
    with work.endable(), work.unendable(), work.aside():
        assert work.left(1.5) == 1.5
