"""Numbers of the running service: right across its processes."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
import requests

from tests.support.serving import serving
from tests.support.wire import PATIENCE as PATIENT
from tests.support.wire import ask, request
from tests.web.calls import TODAY, URL, golden
from tests.web.holding import IN_TIME, busy, held, post

pytestmark = pytest.mark.served

CALLS = 40
SUCCESSES = 'cds_requests_total{service="vitamin-d-magnesium",status="200"}'


def test_processes_are_added_up():
    """Of forty calls to two processes, whichever is asked tells forty."""
    with serving(as_of=TODAY, feedback=False, workers=2) as served:
        for _ in range(CALLS):
            assert requests.post(served.url + URL, json=golden(), timeout=30).status_code == 200
        told = {counted(served.url, SUCCESSES) for _ in range(8)}

    assert told == {CALLS}


def test_open_calls_are_told():
    """A call that is worked on is open until it is answered; the question for the numbers is one itself."""
    with serving(as_of=TODAY, feedback=False, **IN_TIME) as served:
        with held(served) as call:
            during = counted(served.url, "cds_open_calls")
        call.result()
        after = counted(served.url, "cds_open_calls")

    assert (during, after) == (2, 1)


def test_open_calls_of_a_killed_process_are_forgotten():
    """A process that is killed in the middle of a call leaves no open call behind."""
    with serving(as_of=TODAY, feedback=False, **IN_TIME) as served:
        (worker,) = served.workers
        with held(served) as call:
            assert counted(served.url, "cds_open_calls") == 2
            os.kill(worker, signal.SIGKILL)
            with pytest.raises(requests.ConnectionError):
                call.result()
        served.wait()

        assert counted(served.url, "cds_open_calls") == 1


def test_calls_that_do_not_fit_are_told():
    """Beyond the calls that fit, each refusal counts as full; a body that does not come as slow."""
    limits: dict[str, Any] = {"threads": 1, "waiting": 0, "body_timeout": 0.5, "strict_fhir": True}
    with serving(as_of=TODAY, feedback=False, **limits, **IN_TIME) as served:
        with busy(served) as call:
            assert post(served, golden()).status_code == 503
            call.result()
        served.wait()
        head = request("POST", URL, "Content-Type: application/json", "Content-Length: 100")
        assert ask(served.port, head, timeout=PATIENT).status == 408

        assert counted(served.url, 'cds_refused_calls_total{reason="full"}') >= 1
        assert counted(served.url, 'cds_refused_calls_total{reason="slow-body"}') == 1


def counted(url: str, name: str) -> int:
    """A number, as it is told on a connection of its own."""
    text = requests.get(f"{url}/metrics", timeout=30, headers={"Connection": "close"}).text
    found = re.search(rf"^{re.escape(name)} ([0-9.]+)$", text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))
