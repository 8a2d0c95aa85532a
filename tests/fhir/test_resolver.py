"""Names that are looked up by a time: one that hangs holds one thread, and nobody who wants another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cds_service.fhir.resolver import Lookups

LONG = 60.0
"""Seconds that no test takes."""


class Resolver:
    """The machine's resolver, which hangs for every name that begins with `hanging`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.over = threading.Event()

    def __call__(self, host: str, *_: Any, **__: Any) -> list[Any]:
        """Answer, or hang until it is over."""
        self.asked.append(host)
        if host.startswith("hanging") and not self.over.wait(LONG):
            raise AssertionError
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "there is no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("10.0.0.1", "10.0.0.2")] * 2


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """It is let go at the end."""
    found = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", found)
    yield found
    found.over.set()


def test_addresses_in_their_order(resolver: Resolver) -> None:
    """All addresses are told, each once; a name that is not there is an error."""
    names = Lookups()

    assert names.look_up("well", LONG) == ("10.0.0.1", "10.0.0.2")
    with pytest.raises(socket.gaierror):
        names.look_up("unknown", LONG)
    assert resolver.asked == ["well", "unknown"]


def test_name_that_hangs_holds_one_thread(resolver: Resolver) -> None:
    """Whoever asks for it gives up in time; it is looked up once, others at once, and in the end it is answered."""
    names = Lookups()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            names.look_up("hanging", 0.01)
    assert names.look_up("well", LONG)
    with ThreadPoolExecutor() as threads:
        patient = threads.submit(names.look_up, "hanging", LONG)
        resolver.over.set()
        assert patient.result(LONG)

    assert resolver.asked.count("hanging") in (1, 2)  # the patient one may come after the first was answered


def test_so_many_at_a_time(resolver: Resolver) -> None:
    """With as many under way as may be, another name is not waited for; once they are over it is looked up."""
    names = Lookups(most=2)
    for host in ("hanging-1", "hanging-2"):
        with pytest.raises(TimeoutError):
            names.look_up(host, 0.01)
    with pytest.raises(TimeoutError):
        names.look_up("well", LONG)
    assert resolver.asked == ["hanging-1", "hanging-2"]

    resolver.over.set()
    for host in ("hanging-1", "hanging-2"):
        assert names.look_up(host, LONG)
    assert names.look_up("well", LONG)
