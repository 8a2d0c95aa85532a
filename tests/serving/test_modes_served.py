"""Modes of a service that runs: followed by every process of two machines, and bodies that nobody reads."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.serving import COMMAND, Served, environment, serving, until
from tests.support.wire import Wire, request
from tests.web.calls import TODAY, URL, golden

pytestmark = pytest.mark.served

PATIENCE = 60.0
LARGE = b"x" * 4_000_000
FOLLOWED = 5.0


def change(database: str, *words: str) -> None:
    """Change the mode by the command."""
    by = ("--by", "M. Example", "--why", "a test", "--yes")
    settings = environment({"feedback": True, "database_url": database})
    subprocess.run([COMMAND, "mode", *words, *by], env=settings, check=True, capture_output=True)


def cards(served: Served) -> int:
    """How many cards a chart shows, asked over a connection of its own."""
    response = requests.post(f"{served.url}{URL}", json=golden(), timeout=PATIENCE, headers={"Connection": "close"})
    assert response.status_code == 200
    return len(response.json()["cards"])


def test_every_process_follows(tmp_path: Path) -> None:
    """Two services with two processes each: each process says that it follows, and then no card comes of any."""
    database = f"sqlite:///{tmp_path}/cds.sqlite3"
    settings: dict[str, Any] = {"as_of": TODAY, "workers": 2, "feedback": True, "database_url": database}
    with serving(**settings) as first, serving(**settings) as second:
        assert cards(first) == cards(second) == 2
        change(database, "off")
        until(lambda: cards(first) == cards(second) == 0)
        until(lambda: all('event":"mode"' in log and log.count('"now":"off"') == 2 for log in (first.log, second.log)))
        assert [cards(served) for served in (first, second) for _ in range(20)] == [0] * 40
        change(database, "on")
        until(lambda: cards(first) == cards(second) == 2)


def test_body_that_nobody_reads() -> None:
    """With `off` a body larger than is read, half of one and none are 200 alike; the log has no fault."""
    with serving(as_of=TODAY, mode="off", feedback=False, max_body=100_000) as served:
        for body in (b"", b"{", LARGE):
            response = requests.post(f"{served.url}{URL}", data=body, timeout=PATIENCE)
            assert (response.status_code, response.json()) == (200, {"cards": []})
        assert requests.post(f"{served.url}{URL}-not", data=b"", timeout=PATIENCE).status_code == 404
        assert "error" not in served.log


@pytest.mark.parametrize("announced", ["Content-Length: 90000", "Transfer-Encoding: chunked"])
def test_body_that_nobody_reads_and_that_comes_in_pieces(announced: str) -> None:
    """With `off` a body of 90 KB is let come before the answer, by length or in chunks; one cut short is 200 too."""
    size = 45_000
    piece = b"x" * size if "Length" in announced else b"%x\r\n%s\r\n" % (size, b"x" * size)
    end = b"" if "Length" in announced else b"0\r\n\r\n"
    with serving(as_of=TODAY, mode="off", feedback=False, body_timeout=3) as served:
        with Wire(served.port) as wire:
            wire.send(request("POST", URL, announced), piece).socket.settimeout(0.1)
            with pytest.raises(TimeoutError):
                wire.answer()
            wire.socket.settimeout(PATIENCE)
            whole = wire.send(piece + end).whole()
        with Wire(served.port, timeout=PATIENCE) as wire:
            late = wire.send(request("POST", URL, announced), piece).whole()

    assert [(answer.status, answer.json) for answer in (whole, late)] == [(200, {"cards": []})] * 2


def test_body_that_nobody_reads_and_that_never_comes() -> None:
    """With `off` a body is waited for no longer than half of the call's time, whatever it may take otherwise: 200."""
    with (
        serving(as_of=TODAY, mode="off", feedback=False, body_timeout=60, request_deadline=1) as served,
        Wire(served.port, timeout=PATIENCE) as wire,
    ):
        answer = wire.send(request("POST", URL, "Content-Length: 9000"), b"{").whole()

    assert (answer.status, answer.json) == (200, {"cards": []})
