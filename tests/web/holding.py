"""Calls of the running service that are under way for as long as a test needs them: one waits, or one computes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests

from tests.support.loopback import Call
from tests.support.recording_server import RecordingServer, Reply, reply
from tests.support.serving import Served
from tests.support.wire import PATIENCE as PATIENT
from tests.web.calls import URL, Json, bundle, golden, without

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


@contextmanager
def busy(served: Served) -> Iterator[Future[requests.Response]]:
    """A call that computes for seconds, in a service that has one turn, no line, and `CDS_STRICT_FHIR`."""

    def insist() -> requests.Response:
        while (answer := post(served, costly(14_000))).status_code == 503:
            continue
        return answer

    with ThreadPoolExecutor() as threads:
        call = threads.submit(insist)
        while not call.done() and post(served, golden()).status_code != 503:
            continue
        yield call


def costly(drugs: int) -> Json:
    """The golden request with so many prescriptions, each of which takes a while to validate."""
    request = golden()
    prescription = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{request['context']['patientId']}"},
    }
    request["prefetch"]["medications"] = bundle(
        *(prescription | {"medicationCodeableConcept": {"text": f"omeprazole {number}"}} for number in range(drugs))
    )
    return request


def waits_for(fhir: RecordingServer) -> Json:
    """The golden request with nothing but the patient; the rest is to be fetched."""
    keys = [key for key in golden()["prefetch"] if key != "patient"]
    return {**without(*keys), "fhirServer": fhir.url()}


def post(served: Served, body: Any, **headers: str) -> requests.Response:
    """Call the service."""
    return requests.post(f"{served.url}{URL}", json=body, headers=headers, timeout=2 * PATIENT)
