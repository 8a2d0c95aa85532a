"""A call with nothing prefetched beside the slowest query that it makes: what fetching takes beyond waiting."""

from __future__ import annotations

import time

import msgspec
import requests

from tests.support.fault_server import Call, FaultServer, faithful

QUERY = 0.1
"""Seconds after which the FHIR server answers each query, as a hospital's own does on a good day."""
CALLS, WARM_UP = 20, 3


def ratios(url: str, body: bytes) -> list[float]:
    """Each call at *url* in times of its slowest query, which serves what is prefetched in *body*."""
    asked = msgspec.json.decode(body)
    values, patient = asked.pop("prefetch"), asked["context"]["patientId"]
    address, _, name = url.rpartition("/")
    services = requests.get(address, timeout=20).json()["services"]
    queries = next(service["prefetch"] for service in services if service["id"] == name)
    waits: list[float] = []
    found = []

    def answered_late(call: Call) -> None:
        began = time.perf_counter()
        call.server.closing.wait(QUERY)
        faithful(call)
        waits.append(time.perf_counter() - began)

    with FaultServer(values, queries, patient) as server, requests.Session() as session:
        server.on_all(answered_late)
        asked["fhirServer"] = server.url
        for _ in range(WARM_UP + CALLS):
            waits.clear()
            began = time.perf_counter()
            session.post(url, json=asked, timeout=20).raise_for_status()
            found.append((time.perf_counter() - began) / max(waits))
    return found[WARM_UP:]
