"""The service against real FHIR servers, as a client uses it (conformance rows 61 to 91)."""

from __future__ import annotations

import itertools
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from flask.testing import FlaskClient

from cds_service.hooks.completion import UNTOLD
from tests.peers.conftest import DAY, PEERS, TOKEN, client_of, hand_made, request_for
from tests.support import fhir_peers
from tests.support.fhir_peers import Front, Json
from tests.web.calls import KEYS, URL, meaning, observation, problem

pytestmark = pytest.mark.peers

AUTHORIZATION = {
    "access_token": TOKEN,
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "cds-service",
}
EXPLAIN = "example.vitamin-d-magnesium.explain"
SYNTHETIC = fhir_peers.synthetic_patients() or {}
IDS = [*PEERS, *SYNTHETIC]


@pytest.mark.parametrize("patient_id", IDS)
def test_prefetch_and_fetch_agree(
    client: FlaskClient, hapi: str, front: Front, resolve: Callable[[str, str, bool], Json], patient_id: str
) -> None:
    """Rows 61, 62, 74: full prefetch, by GET or POST, gives the cards of no prefetch with a token-guarded server."""
    secured = request_for(patient_id, fhirServer=front.url, fhirAuthorization=AUTHORIZATION)
    fetched = client.post(URL, json=secured)
    for post in (False, True):
        # Where HAPI cuts a page, the client sends its first one, with the next link it got.
        prefetch = {key: _moved(value, hapi, front.url) for key, value in resolve(hapi, patient_id, post).items()}
        assert meaning(client.post(URL, json={**secured, "prefetch": prefetch})) == meaning(fetched)
    assert len(front.seen) >= len(KEYS)
    assert {seen.status for seen in front.seen} == {200}


def test_all_synthetic_patients_are_here() -> None:
    """The thirty synthetic patients are tested wherever they are at hand."""
    if not SYNTHETIC:
        pytest.skip(f"no synthetic patients: set {fhir_peers.SYNTHETIC} to their folder")
    assert len(SYNTHETIC) == 30


def test_token_goes_with_every_call(client: FlaskClient, front: Front) -> None:
    """Rows 81, 86, 87: the token on each call of its request, none on the next without one, nothing afterwards."""
    client.post(URL, json=request_for(PEERS[0], fhirServer=front.url, fhirAuthorization=AUTHORIZATION))
    answered = time.monotonic()
    with_token = len(front.seen)
    refused = client.post(URL, json=request_for(PEERS[0], fhirServer=front.url))

    assert with_token == len(KEYS)
    assert {seen.authorization for seen in front.seen[:with_token]} == {f"Bearer {TOKEN}"}
    assert all(seen.at <= answered for seen in front.seen[:with_token])
    assert {(seen.authorization, seen.status) for seen in front.seen[with_token:]} == {(None, 401)}
    assert refused.status_code == 412
    assert UNTOLD in problem(refused)


def test_only_missing_keys_are_asked(
    client: FlaskClient, hapi: str, front: Front, resolve: Callable[[str, str, bool], Json]
) -> None:
    """Row 72: what was prefetched is not asked again."""
    prefetch = resolve(hapi, PEERS[0], False)  # noqa: FBT003
    del prefetch["kidney"], prefetch["medications"]
    request = request_for(PEERS[0], prefetch=prefetch, fhirServer=front.url, fhirAuthorization=AUTHORIZATION)
    client.post(URL, json=request)

    assert sorted(re.split(r"[/?]", seen.target)[2] for seen in front.seen) == ["MedicationRequest", "Observation"]


@pytest.mark.parametrize("patient_id", PEERS)
def test_subsets(client: FlaskClient, hapi: str, resolve: Callable[[str, str, bool], Json], patient_id: str) -> None:
    """Rows 61, 62, 72: with none, one, or all but one of the keys prefetched, the cards are those of full prefetch.

    All 512 subsets are in `tests/web/test_subsets.py`, against a faithful stand-in: here they would take ten minutes.
    """
    prefetch = resolve(hapi, patient_id, False)  # noqa: FBT003
    expected = meaning(client.post(URL, json=request_for(patient_id, prefetch=prefetch)))
    assert expected
    for size in (0, 1, len(KEYS) - 1):
        for chosen in itertools.combinations(KEYS, size):
            sent = {key: prefetch[key] for key in chosen}
            answer = client.post(URL, json=request_for(patient_id, prefetch=sent, fhirServer=hapi))
            assert meaning(answer) == expected, chosen


@pytest.fixture(scope="module")
def crowded(hapi: str) -> str:
    """A patient with more results than HAPI gives on one page, the oldest 25(OH)D on the last one."""
    patient = {"resourceType": "Patient", "id": "crowded", "gender": "male", "birthDate": "1970-01-01"}
    days = [f"20{year:02}-{month:02}-{day:02}" for year in range(10, 26) for month in range(1, 13) for day in (1, 15)]
    vitals = [observation("39156-5", 31.5, "kg/m2", day) for day in days]
    results = [observation("62292-8", 14 + place / 100, "ng/mL", day) for place, day in enumerate(days[-60:])]
    for place, resource in enumerate([*vitals, *results]):
        resource |= {"id": f"crowded-{place}", "subject": {"reference": "Patient/crowded"}}
    fhir_peers.load_at_once(hapi, [patient, *vitals, *results])
    return "crowded"


def test_pages(
    client: FlaskClient, front: Front, hapi: str, crowded: str, resolve: Callable[[str, str, bool], Json]
) -> None:
    """Row 70: HAPI cuts `_count` and names next pages without a type or a total; they are followed with the token."""
    first_pages = resolve(hapi, crowded, False)  # noqa: FBT003
    assert any(link["relation"] == "next" for link in first_pages["vitals"]["link"])
    assert "total" not in first_pages["vitals"]
    moved = {key: _moved(value, hapi, front.url) for key, value in first_pages.items()}
    request = request_for(crowded, fhirServer=front.url, fhirAuthorization=AUTHORIZATION, extension={EXPLAIN: True})
    fetched, completed = client.post(URL, json=request), client.post(URL, json={**request, "prefetch": moved})

    assert meaning(fetched) == meaning(completed)
    assert {key["state"] for key in _told(completed)} <= {"prefetched", "known none"}
    assert next(key for key in _told(fetched) if key["key"] == "vitals")["pages"] == 2
    assert {seen.authorization for seen in front.seen} == {f"Bearer {TOKEN}"}


def _moved(value: Json, hapi: str, front: str) -> Json:
    """*value* as a client behind the front has it."""
    links = [{**link, "url": link["url"].replace(hapi, front)} for link in value.get("link", ())]
    return {**value, "link": links} if links else value


def _told(answer: object) -> list[Json]:
    found: list[Json] = answer.get_json()["extension"][EXPLAIN]["prefetch"]  # type: ignore[attr-defined]
    return found


def test_unknown_and_deleted_patient(hapi: str) -> None:
    """Row 73: a patient the server does not have, or has no more, is 412; a server that the settings name is quoted."""
    client = client_of(fhir_servers=(hapi,))
    gone = {"resourceType": "Patient", "id": "gone"}
    fhir_peers.load(hapi, [gone])
    assert requests.delete(f"{hapi}/Patient/gone", timeout=60).status_code == 200
    unknown = client.post(URL, json=request_for("nobody", fhirServer=hapi))
    deleted = client.post(URL, json=request_for("gone", fhirServer=hapi))

    assert unknown.status_code == deleted.status_code == 412
    assert "answered 404" in problem(unknown)
    assert "answered 410" in problem(deleted)


@pytest.mark.parametrize("patient_id", PEERS)
def test_another_server(
    client: FlaskClient, medplum: str, resolve: Callable[[str, str, bool], Json], patient_id: str
) -> None:
    """Row 62: the same holds on a server of another make, which also gives the cards that HAPI's patients get."""
    prefetch = resolve(medplum, patient_id, False)  # noqa: FBT003
    fetched = client.post(URL, json=request_for(patient_id, fhirServer=medplum))

    assert meaning(fetched) == meaning(client.post(URL, json=request_for(patient_id, prefetch=prefetch)))
    assert meaning(fetched)


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The service as it is run, in a process of its own; its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "CDS_AS_OF": str(DAY), "CDS_FHIR_DEADLINE": "30", "CDS_FHIR_READ_TIMEOUT": "30"}
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        try:
            assert any(line.startswith(b"Open ") for line in process.stdout)
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def test_served(client: FlaskClient, served: str, hapi: str) -> None:
    """Row 74: over HTTP, with nothing prefetched, the answer is the same as in process."""
    request = request_for(PEERS[1], fhirServer=hapi)
    answer = requests.post(f"{served}{URL}", json=request, timeout=60)

    assert answer.status_code == 200
    assert [card["summary"] for card in answer.json()["cards"]] == [
        card["summary"] for card in meaning(client.post(URL, json=request))
    ]
    assert set(hand_made()) == set(PEERS)
