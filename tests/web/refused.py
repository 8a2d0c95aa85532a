"""One call for each kind of refusal, with its status and a word of the sentence that says what to mend."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.fixtures import SERVICE
from tests.web.calls import DISCOVERY, URL, Json, bundle, changed, golden, outcome, put, without

FIVE_MEGABYTES = 5 * 1024 * 1024
SURNAME = "Mustermann-0815"
"""Stands in every request below where a name would: no error may repeat it."""


@dataclass(frozen=True)
class Refused:
    """A call that the service refuses."""

    name: str
    status: int
    says: str
    body: Any = None
    method: str = "POST"
    url: str = URL
    content_type: str | None = "application/json"

    def call(self, client: FlaskClient, headers: Json | None = None) -> TestResponse:
        """Make the call."""
        data = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return client.open(self.url, method=self.method, data=data, content_type=self.content_type, headers=headers)


def _named() -> Json:
    request = golden()
    request["prefetch"]["patient"]["name"] = [{"family": SURNAME}]
    return request


def _stray(key: str) -> Json:
    stray = {"resourceType": "Observation", "status": "final", "subject": {"reference": f"Patient/{SURNAME}"}}
    return changed(**{key: bundle(stray)})


REFUSED = [
    Refused("not JSON", 400, "JSON", SURNAME.encode()),
    Refused("empty body", 400, "JSON", b""),
    Refused("NaN", 400, "JSON", json.dumps({**_named(), "x": float("nan")}).encode()),
    Refused("array", 400, "object", [_named()]),
    Refused("no hook", 400, "hook", {name: value for name, value in _named().items() if name != "hook"}),
    Refused("other hook", 400, "patient-view", {**_named(), "hook": "order-sign"}),
    Refused("no hookInstance", 400, "hookInstance", {**_named(), "hookInstance": None}),
    Refused("no context", 400, "context", {**_named(), "context": None}),
    Refused("no patientId", 400, "patientId", put(_named(), ("context", "patientId"), None)),
    Refused("patientId with a slash", 400, "patientId", put(_named(), ("context", "patientId"), f"Patient/{SURNAME}")),
    Refused("no userId", 400, "userId", put(_named(), ("context", "userId"), None)),
    Refused("prefetch a text", 400, "prefetch", {**_named(), "prefetch": SURNAME}),
    Refused(
        "authorization without server", 400, "fhirServer", {**_named(), "fhirAuthorization": {"access_token": SURNAME}}
    ),
    Refused("unknown service", 404, SERVICE, _named(), url=f"{DISCOVERY}/another"),
    Refused("unknown path", 404, "not found", _named(), url="/nothing/here"),
    Refused("root of a service", 404, "not found", _named(), url=f"{URL}/nothing"),
    Refused("GET of a service", 405, "POST", None, method="GET"),
    Refused("DELETE of a service", 405, "POST", _named(), method="DELETE"),
    Refused("POST to discovery", 405, "GET", _named(), url=DISCOVERY),
    Refused("no prefetch", 412, "vitaminD", {**_named(), "prefetch": None}),
    Refused("no magnesium", 412, "magnesium", without("magnesium")),
    Refused("null patient", 412, "patient", changed(patient=None)),
    Refused("failed key", 412, "OperationOutcome", changed(vitaminD={**outcome("error"), "id": SURNAME})),
    Refused("key a text", 412, "vitaminD", changed(vitaminD=SURNAME)),
    Refused("too large", 413, "CDS_MAX_BODY", b" " * FIVE_MEGABYTES),
    Refused("text", 415, "application/json", _named(), content_type="text/plain"),
    Refused("XML", 415, "application/json", b"<Patient/>", content_type="application/fhir+xml"),
    Refused("no media type", 415, "application/json", _named(), content_type=None),
    Refused("another Patient", 422, "patient", put(_named(), ("prefetch", "patient", "id"), SURNAME)),
    Refused("result of another patient", 422, "vitaminD", _stray("vitaminD")),
    Refused("calcium of another patient", 422, "chemistry", _stray("chemistry")),
]
