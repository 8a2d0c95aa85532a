"""Room and places: whoever waits for one host takes nothing of what is for another."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack

import pytest

from cds_service.waiting import Full, Places, Room

LONG = 60.0
"""Seconds that no test takes."""


def test_room() -> None:
    """Nobody takes more than is for each, all together no more than there is, and what is given back is there again."""
    room = Room(each=6, together=10)
    room.take("a", 6)
    with pytest.raises(Full):
        room.take("a")
    room.take("b", 4)
    with pytest.raises(Full):
        room.take("c")
    room.give_back("a", 6)
    room.take("c", 6)


def test_room_is_left_as_it_was_by_who_finds_none() -> None:
    """Whoever finds no room has taken nothing."""
    room = Room(each=2, together=2)
    for _ in range(5):
        with pytest.raises(Full):
            room.take("a", 3)
    with room.taken("a"), room.taken("a"), pytest.raises(Full), room.taken("a"):
        pytest.fail("taken")


def test_hosts_that_hang_leave_others_their_places() -> None:
    """With all places at two hosts taken, a third has its own; a fourth finds none and is told at once."""
    places = Places(each=2, line=1)
    with ExitStack() as held:
        for host in ("a", "a", "b", "b", "c", "c"):
            held.enter_context(places.place(host, 0))
        with pytest.raises(Full), places.place("d", 0):
            pytest.fail("placed")


def test_line() -> None:
    """A call stands in line for its place; who finds the line full is told at once, who has no patience soon."""
    places = Places(each=1, line=1)

    def stand() -> str:
        try:
            with places.place("a", LONG):
                return "placed"
        except Full:
            return "full"

    with ThreadPoolExecutor() as threads:
        with places.place("a", 0):
            with pytest.raises(Full), places.place("a", 0.01):
                pytest.fail("placed")
            two = {threads.submit(stand), threads.submit(stand)}
            done, standing = wait(two, LONG, FIRST_COMPLETED)
            assert [call.result() for call in done] == ["full"]
        assert [call.result(LONG) for call in standing] == ["placed"]
