"""What the tests of the wire share: the golden request, small pieces of FHIR, and how an answer is read."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any

from fhir.resources.R4B.operationoutcome import OperationOutcome
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.fixtures import FOLDER, SERVICE

Json = dict[str, Any]

DISCOVERY = "/cds-services"
URL = f"{DISCOVERY}/{SERVICE}"
TODAY = date(2026, 3, 2)
PATIENT_ID = "patient-v02"
GOLDEN = "vector-v02-deficient-nmol-low-magnesium"
"""35 nmol/L and 0.72 mmol/L in a man of 45 with everything else known: both drugs are offered."""

REQUIRED = ("patient", "vitaminD", "magnesium")
OPTIONAL = ("chemistry", "kidney", "vitals", "conditions", "medications", "labOrders")
KEYS = REQUIRED + OPTIONAL
SEARCHES = KEYS[1:]

LOCAL = "http://localhost:8080"
"""Where the public sandbox runs on a developer's machine: a browser origin that may call."""

PATIENCE: dict[str, Any] = {"fhir_deadline": 30, "fhir_read_timeout": 30, "fhir_connect_timeout": 30}
"""Settings: no test waits that long for a FHIR server; a busy machine should not end one."""
AUTHORIZATION = {
    "access_token": "s3cr3t",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "cds-service",
}
"""A `fhirAuthorization` with which everything may be read."""

ISSUE_TYPES = frozenset(
    [
        "invalid",
        "structure",
        "required",
        "value",
        "invariant",
        "security",
        "login",
        "unknown",
        "expired",
        "forbidden",
        "suppressed",
        "processing",
        "not-supported",
        "duplicate",
        "multiple-matches",
        "not-found",
        "deleted",
        "too-long",
        "code-invalid",
        "extension",
        "too-costly",
        "business-rule",
        "conflict",
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
        "informational",
    ]
)
"""http://hl7.org/fhir/ValueSet/issue-type of R4."""

RESULTS = {"vitaminD": "25(OH)D", "magnesium": "Magnesium"}
"""The required keys with results, and how a card names the test."""

ANSWERED_OR_REFUSED = (200, 400, 412, 422)
"""The statuses a request in JSON may get; 500 is not among them."""


def golden(name: str = GOLDEN) -> Json:
    """A fresh copy of a golden request."""
    request: Json = json.loads(_golden_bytes(name))
    return request


@cache
def _golden_bytes(name: str) -> bytes:
    return (FOLDER / name / "request.json").read_bytes()


def changed(**prefetch: Any) -> Json:
    """The golden request with other values of the given prefetch keys."""
    request = golden()
    request["prefetch"].update(copy.deepcopy(prefetch))
    return request


def without(*keys: str) -> Json:
    """The golden request without some prefetch keys."""
    request = golden()
    for key in keys:
        del request["prefetch"][key]
    return request


def only_result(key: str, **elements: Any) -> Json:
    """The golden request with elements of the one Observation of *key* replaced; `None` takes one away."""
    request = golden()
    resource = request["prefetch"][key]["entry"][0]["resource"]
    for name, value in elements.items():
        if value is None:
            resource.pop(name, None)
        else:
            resource[name] = value
    return request


def post_to(client: FlaskClient, request: Json) -> TestResponse:
    """Post *request* to the service that *client* calls."""
    return client.post(URL, data=json.dumps(request).encode(), content_type="application/json")


def bundle(*resources: Any, **members: Any) -> Json:
    """A searchset Bundle of *resources*."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [{"resource": resource, "search": {"mode": "match"}} for resource in resources],
        **members,
    }


def observation(code: str, value: Any, unit: str, day: str = "2026-02-20", **elements: Any) -> Json:
    """A final result of the golden patient with a LOINC code."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": value, "unit": unit},
        **elements,
    }


def outcome(severity: str) -> Json:
    """An OperationOutcome as a FHIR server sends it."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}


def problem(response: TestResponse) -> str:
    """The sentence of an error body; the body must be a valid OperationOutcome of one error."""
    assert response.mimetype == "application/json"

    body = response.get_json()
    OperationOutcome.model_validate(body)
    (issue,) = body["issue"]
    assert issue["severity"] == "error"
    assert issue["code"] in ISSUE_TYPES
    sentence: str = issue["diagnostics"]
    assert sentence.strip()
    return sentence


def cards(response: TestResponse) -> list[Json]:
    """The cards of an answer, which must be a success."""
    assert response.status_code == 200, response.get_data(as_text=True)

    found: list[Json] = response.get_json()["cards"]
    return found


def topics(response: TestResponse) -> list[str]:
    """The topics of the cards of an answer."""
    return [card["source"]["topic"]["code"] for card in cards(response)]


def card(response: TestResponse, topic: str) -> Json:
    """The one card of *topic*."""
    (found,) = [found for found in cards(response) if found["source"]["topic"]["code"] == topic]
    return found


def meaning(response: TestResponse, but: Collection[str] = ("uuid",)) -> list[Json]:
    """The cards of an answer without what is new in each: the uuids, or all members named in *but*."""

    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: stripped(member) for name, member in value.items() if name not in but}
        return [stripped(member) for member in value] if isinstance(value, list) else value

    found: list[Json] = stripped(cards(response))
    return found


def is_refused(response: TestResponse) -> bool:
    """Whether it is a 4xx that says what to mend."""
    return 400 <= response.status_code < 500 and bool(problem(response))


def is_told(response: TestResponse, key: str) -> bool:
    """Whether the caller learns that the result of a required key could not be used."""
    if response.status_code != 200:
        return is_refused(response)
    return "unusable-result" in topics(response) and RESULTS[key] in card(response, "unusable-result")["summary"]


def suggestions(body: Json) -> Iterator[Json]:
    """Every suggestion of a response."""
    for found in body.get("cards", ()):
        yield from found.get("suggestions", ())


def actions(body: Json) -> Iterator[Json]:
    """Every action of a response."""
    for suggestion in suggestions(body):
        yield from suggestion["actions"]


def drugs(body: Json) -> frozenset[str]:
    """The drugs a response drafts orders of, by RxNorm ingredient: a dose may differ."""
    resources = [action["resource"] for action in actions(body)]
    return frozenset(
        resource["medicationCodeableConcept"]["coding"][0]["code"]
        for resource in resources
        if resource["resourceType"] == "MedicationRequest"
    )


def paths(value: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every member of a JSON value with its path."""
    yield where, value
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from paths(member, (*where, name))
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from paths(member, (*where, place))


def put(value: Any, where: Iterable[str | int], new: Any) -> Any:
    """A copy of a JSON value with *new* at the path *where*."""
    copied = copy.deepcopy(value)
    *parents, last = where
    target = copied
    for step in parents:
        target = target[step]
    target[last] = copy.deepcopy(new)
    return copied
