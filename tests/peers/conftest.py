"""Fixtures: real FHIR servers with patients in them, and a client that resolves the published templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.support import fhir_peers
from tests.support.fhir_peers import Front, Json
from tests.support.fixtures import SERVICE, engine, renamed

DAY = date(2026, 11, 20)
TOKEN = "a-token-of-one-request"  # noqa: S105 - made up
PEERS = ("ckd-g3-high-phosphate-hold", "primary-hyperparathyroidism-calcium-old", "kidney-transplant-deficient")


def hand_made() -> dict[str, list[Json]]:
    """Patients from situations, which any checkout has."""
    return {situation: renamed(situation) for situation in PEERS}


@pytest.fixture(scope="session")
def patients() -> dict[str, list[Json]]:
    """The synthetic patients where they are at hand, and those made from situations."""
    return {**hand_made(), **(fhir_peers.synthetic_patients() or {})}


@pytest.fixture(scope="session")
def hapi(patients: dict[str, list[Json]]) -> Iterator[str]:
    """A HAPI server with the patients on it."""
    reason = fhir_peers.missing("java", "javac", "mvn")
    if reason is not None:
        pytest.skip(reason)
    with fhir_peers.hapi() as url:
        for resources in patients.values():
            fhir_peers.load_at_once(url, resources)
        yield url


@pytest.fixture(scope="session")
def medplum() -> Iterator[str]:
    """A Medplum server with the patients made from situations on it."""
    reason = fhir_peers.missing("node", "npm")
    if reason is not None:
        pytest.skip(reason)
    with fhir_peers.medplum() as url:
        for resources in hand_made().values():
            fhir_peers.load(url, resources)
        yield url


@pytest.fixture
def front(hapi: str) -> Iterator[Front]:
    """HAPI behind a front that demands the token."""
    with Front(hapi, TOKEN).running() as found:
        yield found


def client_of(**settings: Any) -> FlaskClient:
    """The service with these *settings*, and with time to spare for a server that has just started."""
    patient = Settings(as_of=DAY, fhir_deadline=30, fhir_connect_timeout=10, fhir_read_timeout=30, **settings)
    return create_app(patient).test_client()


@pytest.fixture(scope="session")
def client() -> FlaskClient:
    """The service, where no server is named."""
    return client_of()


@pytest.fixture(scope="session")
def queries() -> dict[str, str]:
    """The published templates."""
    prefetch = engine(DAY).registry.find(SERVICE).prefetch
    return {key.value: query for key, query in prefetch.items()}


def request_for(patient_id: str, **members: Any) -> Json:
    """A request for a patient."""
    return {
        "hook": "patient-view",
        "hookInstance": "5f8f4d9e-3c9e-4e06-9a4e-1f4f8f4b6a10",
        "context": {"patientId": patient_id, "userId": "Practitioner/p"},
        **members,
    }


@pytest.fixture(scope="session")
def resolve(queries: dict[str, str]) -> Callable[[str, str, bool], Json]:
    """Resolve the templates as a client does: by GET as they stand, or by POST as the public sandbox does."""

    def resolved(url: str, patient_id: str, post: bool) -> Json:  # noqa: FBT001 - the one thing it may do otherwise
        found = {}
        for key, template in queries.items():
            query = template.replace("{{context.patientId}}", patient_id)
            path, mark, parameters = query.partition("?")
            if post and mark:
                form = dict(part.split("=", 1) for part in sorted(parameters.split("&")))
                answer = requests.post(f"{url}/{path}/_search", data=form, timeout=60)
            else:
                answer = requests.get(f"{url}/{query}", timeout=60)
            assert answer.status_code == 200, (key, answer.text[:300])
            found[key] = answer.json()
        return found

    return resolved
