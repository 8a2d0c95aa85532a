"""Calls of the running service that a FHIR server holds for as long as a test needs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests

from tests.support.recording_server import Call, RecordingServer, Reply, reply
from tests.support.serving import Served
from tests.support.wire import PATIENCE as PATIENT
from tests.web.calls import URL, Json, golden, without

IN_TIME: dict[str, Any] = {"fhir_deadline": 60, "fhir_read_timeout": 60, "request_deadline": 600}
"""Settings: nothing ends a call but the FHIR server's answer."""


class Held:
    """A FHIR server that answers nothing until it is let go."""

    def __init__(self) -> None:
        self.arrived, self.released = threading.Event(), threading.Event()

    def __call__(self, _: Call) -> Reply:
        """Wait, then know nothing."""
        self.arrived.set()
        self.released.wait(2 * PATIENT)
        return reply({"resourceType": "OperationOutcome"}, 404)


@contextmanager
def held(served: Served) -> Iterator[Future[requests.Response]]:
    """A call that the FHIR server holds until the block ends."""
    hold = Held()
    with RecordingServer(hold) as fhir, ThreadPoolExecutor() as threads:
        try:
            call = threads.submit(post, served, waits_for(fhir))
            assert hold.arrived.wait(PATIENT)
            yield call
        finally:
            hold.released.set()


def waits_for(fhir: RecordingServer) -> Json:
    """The golden request with nothing but the patient; the rest is to be fetched."""
    keys = [key for key in golden()["prefetch"] if key != "patient"]
    return {**without(*keys), "fhirServer": fhir.url()}


def post(served: Served, body: Any, **headers: str) -> requests.Response:
    """Call the service."""
    return requests.post(f"{served.url}{URL}", json=body, headers=headers, timeout=2 * PATIENT)
