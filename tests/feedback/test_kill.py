"""A worker that is killed in mid-request while others take feedback."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.feedback.posting import Steady, kept
from tests.support.recording_server import RecordingServer
from tests.support.serving import Served, serving, until
from tests.support.wire import PATIENCE
from tests.web.calls import TODAY, golden
from tests.web.holding import IN_TIME, Held, post, waits_for

pytestmark = pytest.mark.served

CLIENTS = 3


def caller_of(port: int, workers: list[int]) -> int:
    """The worker that has a connection to *port* on loopback."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port:04X}") and line[3] == "01"}
    (found,) = [
        pid for pid in workers if sockets & {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    ]
    return found


def wait_for_workers(served: Served, count: int, gone: int) -> None:
    """Until *count* workers live, none of them the one that is gone, and the service answers."""

    def replaced() -> bool:
        workers = served.workers
        return len(workers) == count and gone not in workers

    until(replaced, "no other worker takes the place of the one that was killed")
    served.wait()


def wait_for_more(clients: list[Steady], more: int) -> None:
    """Until each of *clients* has so many more acknowledgements."""
    wanted = [len(client.acknowledged) + more for client in clients]
    until(
        lambda: all(len(client.acknowledged) >= least for client, least in zip(clients, wanted, strict=True)),
        "feedback is not acknowledged any more",
    )


def test_worker_killed_in_mid_request(tmp_path: Path) -> None:
    """A worker killed in mid-request closes that connection; no kept feedback is lost, and the service goes on."""
    database = f"sqlite:///{tmp_path / 'feedback.sqlite3'}"
    hold, stop = Held(), threading.Event()
    clients = [Steady(number) for number in range(CLIENTS)]
    settings = {"as_of": TODAY, "feedback": True, "database_url": database, "workers": 2, **IN_TIME}
    with serving(**settings) as served, RecordingServer(hold) as fhir, ThreadPoolExecutor() as threads:
        try:
            posting = [threads.submit(client.post_until, stop, served.url) for client in clients]
            held = threads.submit(post, served, waits_for(fhir))
            assert hold.arrived.wait(PATIENCE)
            wait_for_more(clients, 20)
            victim = caller_of(fhir.port, served.workers)
            os.kill(victim, signal.SIGKILL)
            with pytest.raises(requests.ConnectionError):
                held.result()
            wait_for_workers(served, 2, victim)
            wait_for_more(clients, 20)
            answer = post(served, golden())
        finally:
            stop.set()
            hold.released.set()
        for call in posting:
            call.result()
        for client in clients:
            client.finish(served.url)

    assert answer.status_code == 200
    assert answer.json()["cards"]
    assert kept(database) == sorted(card for client in clients for card in client.acknowledged)
