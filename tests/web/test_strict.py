"""`CDS_STRICT_FHIR` (design contract): resources that are not valid FHIR R4 are 422, with all that is wrong with them.

It is for finding out what a new EHR really sends, so a problem says where and what, and never holds a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.examples import every
from tests.support.fixtures import Situation, situations
from tests.support.for_each import for_each
from tests.support.recording_server import RecordingServer, Reply, Store, next_page, reply
from tests.web.calls import (
    KEYS,
    PATIENCE,
    SEARCHES,
    TODAY,
    URL,
    Json,
    bundle,
    changed,
    golden,
    meaning,
    observation,
    outcome,
    paths,
    post_to,
    problem,
    put,
    without,
)
from tests.web.conftest import Post

SECRET = "Mustermann0815"  # noqa: S105 - a name, that no answer may repeat
NUMBER = 8150815
BAD_PATIENT = {**golden()["prefetch"]["patient"], "birthDate": SECRET}
BAD_RESULT = observation("62292-8", 14, "ng/mL", issued=SECRET)


@pytest.fixture(scope="module")
def strict() -> FlaskClient:
    """The service that is strict."""
    return create_app(Settings(as_of=TODAY, strict_fhir=True, **PATIENCE)).test_client()


def _problems(response: TestResponse) -> list[str]:
    """The sentences of a 422, which is a valid OperationOutcome with one issue for each."""
    assert response.status_code == 422, response.get_data(as_text=True)
    assert response.mimetype == "application/json"

    body = response.get_json()
    OperationOutcome.model_validate(body)
    assert {(issue["severity"], issue["code"]) for issue in body["issue"]} == {("error", "structure")}
    found = [issue["diagnostics"] for issue in body["issue"]]
    assert [sentence for sentence in found if "\n" in sentence] == []
    return found


def _at(found: list[str]) -> list[str]:
    """Where the problems are, without what is said of them."""
    return sorted(": ".join(sentence.split(": ")[:2]) for sentence in found)


def test_valid(post: Post, strict: FlaskClient) -> None:
    """A valid request gets the same cards."""
    assert meaning(post(golden())) == meaning(post_to(strict, golden()))


@for_each("situation", situations()[::9], ids=lambda situation: situation.name)
def test_golden_requests(situation: Situation, answers: dict[str, Json]) -> None:
    """Golden requests are valid, and get the same cards."""
    chosen = {
        "as_of": situation.as_of,
        "profile": situation.expected.get("profile", "magnesium-aware"),
        "ckd_overlay": situation.expected.get("ckdOverlay", "kdoqi-2003"),
        "max_cards": situation.expected.get("maxCards", 4),
    }
    client = create_app(Settings(strict_fhir=True, **chosen)).test_client()
    response = client.post(URL, data=situation.body, content_type="application/json")

    assert response.status_code == 200
    assert [card["summary"] for card in answers[situation.name]["cards"]] == [
        card["summary"] for card in response.get_json()["cards"]
    ]


def test_as_ever(strict: FlaskClient) -> None:
    """Rows 27 to 77: what is no fault of a resource is answered as ever: none, a strange key, a lost or failed one."""
    for key in SEARCHES:
        for none in (None, bundle()):
            assert post_to(strict, changed(**{key: none})).status_code == 200
    assert post_to(strict, changed(somebodyElses={"resourceType": "Patient", "birthDate": 5})).status_code == 200
    assert post_to(strict, {**changed(patient=BAD_PATIENT), "hook": None}).status_code == 400
    for request in (without("magnesium"), changed(magnesium=outcome("error"))):
        assert "magnesium" in problem(post_to(strict, request))


ALL_WRONG = {
    "patient": ["prefetch.patient: Patient.birthDate"],
    "vitaminD": [
        "prefetch.vitaminD: Bundle.entry[0].resource.issued",
        "prefetch.vitaminD: Bundle.entry[2].resource.status",
    ],
    "conditions": ["prefetch.conditions: Bundle.entry[0].resource.subject"],
    "labOrders": ["prefetch.labOrders: Bundle.entry[0].resource.intent", "prefetch.labOrders: Bundle.type"],
}
"""Where the request below is wrong."""


def _all_wrong() -> Json:
    subject = golden()["prefetch"]["vitaminD"]["entry"][0]["resource"]["subject"]
    orders = bundle({"resourceType": "ServiceRequest", "status": "active", "subject": subject})
    del orders["type"]
    return changed(
        patient=BAD_PATIENT,
        vitaminD=bundle(
            BAD_RESULT,
            observation("62292-8", 14, "ng/mL"),
            {"resourceType": "Observation", "subject": subject, "code": {"text": SECRET}},
        ),
        conditions=bundle({"resourceType": "Condition", "code": {"text": SECRET}}),
        labOrders=orders,
    )


def test_all_that_is_wrong(strict: FlaskClient) -> None:
    """Every problem of every entry of every key is told at once, with key and element, each once."""
    found = _problems(post_to(strict, _all_wrong()))

    assert _at(found) == sorted(where for places in ALL_WRONG.values() for where in places)
    assert [sentence for sentence in found if SECRET in sentence] == []


NO_RESOURCES = {
    "text": SECRET,
    "number": NUMBER,
    "true": True,
    "array": [SECRET],
    "empty object": {},
    "no type": {"id": SECRET},
    "type a number": {"resourceType": NUMBER},
    "type null": {"resourceType": None},
    "type a list": {"resourceType": [SECRET]},
    "wrapper": {"response": {"status": "200"}, "resource": golden()["prefetch"]["patient"]},
}
UNKNOWN_TYPES = [SECRET, f"../{SECRET}", f"Patient {SECRET}", f"Patient\n{SECRET}", SECRET * 100, f"{SECRET}.Patient"]
NO_TYPES_OF_RESOURCES = ["HumanName", "Element", "Resource", "DomainResource", "FHIRAbstractModel", "boolean"]
"""Data types, and types that no resource has of its own: FHIR R4 has no such resources either."""


@for_each("key", ["patient", "kidney"])
def test_no_resource(strict: FlaskClient, key: str) -> None:
    """Rows 77, 85: a value that is no resource of FHIR, or of a type that FHIR does not have, is told, not repeated."""
    for value in [*NO_RESOURCES.values(), *({"resourceType": kind} for kind in UNKNOWN_TYPES)]:
        response = post_to(strict, changed(**{key: value}))
        assert [sentence.startswith(f"prefetch.{key}: ") for sentence in _problems(response)] == [True], value
        assert [part for part in (SECRET, str(NUMBER)) if part in response.get_data(as_text=True)] == []


def test_entry_that_is_no_resource(strict: FlaskClient) -> None:
    """Rows 77, 85: an entry is told by its place, the others are judged as well; an abstract type is none either."""
    kinds = [{"resourceType": kind} for kind in (*UNKNOWN_TYPES, *NO_TYPES_OF_RESOURCES)]
    for value in [*NO_RESOURCES.values(), *kinds]:
        response = post_to(strict, changed(kidney=bundle(BAD_RESULT, value)))
        found = _problems(response)
        assert "prefetch.kidney: Bundle.entry[0].resource.issued" in _at(found), value
        assert any(sentence.startswith("prefetch.kidney: Bundle.entry[1].resource") for sentence in found), value
        assert [part for part in (SECRET, str(NUMBER)) if part in response.get_data(as_text=True)] == []


WRONG_VALUES: dict[str, Any] = {
    "text": SECRET,
    "blank text": f" {SECRET} \n",
    "list of text": [SECRET],
    "list of lists": [[SECRET]],
    "object": {"value": SECRET},
    "resource": {"resourceType": SECRET},
    "member": {SECRET: SECRET},
    "number": NUMBER,
    "fraction": NUMBER + 0.5,
    "long text": SECRET * 50,
}


def _elements(value: Any) -> Iterator[str]:
    """The paths of a Bundle or resource in FHIRPath, as problems name them."""
    for where, _ in paths(value):
        yield "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)


@pytest.mark.hypothesis
@pytest.mark.parametrize("kind", WRONG_VALUES)
@pytest.mark.parametrize("key", ["patient", "vitaminD"])
def test_named_elements_exist(strict: FlaskClient, key: str, kind: str) -> None:
    """Row 85: an element is named as FHIR and the request name it, never by a word of our library; no value is told.

    The name of a member that FHIR does not have is no value: it is what there is to mend.
    """
    good = golden()["prefetch"][key]
    unknown = []
    for where, _ in list(paths(good))[len(kind) % every(3) :: every(3)]:
        if not where or where[-1] == "resourceType":
            continue
        sent = put(good, where, WRONG_VALUES[kind])
        response = post_to(strict, changed(**{key: sent}))
        leaks = response.get_data(as_text=True).replace(f".{SECRET}: Extra", ": Extra")
        assert response.status_code == 200 or not [part for part in (SECRET, str(NUMBER)) if part in leaks], where
        if response.status_code != 422 or response.get_json()["issue"][0]["code"] != "structure":
            continue  # valid to the library, or refused as another patient's
        known = set(_elements(sent))
        for sentence in _problems(response):
            place = sentence.split(": ")[1].removeprefix("Bundle").removeprefix("Patient")
            if place not in known and place.rpartition(".")[0] not in known:  # what is lacking is not there
                unknown.append((where, place))
            if place.endswith((".root", ".resource_type")):
                unknown.append((where, place))

    assert unknown == []


@for_each(
    ("key", "resource", "element"),
    [
        ("kidney", observation("2160-0", 70, "umol/L", valueString=SECRET), "value"),
        ("kidney", observation("2160-0", 70, "umol/L", effectivePeriod={"start": "2026-01-01"}), "effective"),
        (
            "medications",
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "subject": {"reference": "Patient/patient-v02"},
            },
            "medication",
        ),
    ],
    ids=["two values", "two times", "no medication"],
)
def test_choices_are_named(strict: FlaskClient, key: str, resource: Json, element: str) -> None:
    """Where an element of several types stands twice, or is lacking, the sentence names it, not only its resource."""
    (sentence,) = _problems(post_to(strict, changed(**{key: bundle(resource)})))

    assert sentence.startswith(f"prefetch.{key}: Bundle.entry[0].resource")
    assert element in sentence.removeprefix(f"prefetch.{key}").replace("not a valid value for this element", "")
    assert SECRET not in sentence


def test_fetched_resources(strict: FlaskClient, server: RecordingServer) -> None:
    """What the FHIR server gave is judged like what was sent."""
    request = {**without(*KEYS), "fhirServer": server.url()}

    assert meaning(post_to(strict, golden())) == meaning(post_to(strict, request))
    server.reset(Store(**_all_wrong()["prefetch"]))
    response = post_to(strict, request)
    assert _at(_problems(response)) == sorted(where for places in ALL_WRONG.values() for where in places)
    assert SECRET not in response.get_data(as_text=True)


def test_fetched_pages(strict: FlaskClient, server: RecordingServer) -> None:
    """So is each page that was fetched, of a key that was sent too."""
    server.answer = lambda _: reply(bundle(observation("2160-0", 70, "umol/L", issued=SECRET)))
    request = {**golden(), "fhirServer": server.url()}
    request["prefetch"]["kidney"]["link"] = next_page(f"{server.url()}/page/2")

    assert _at(_problems(post_to(strict, request))) == ["prefetch.kidney: Bundle.entry[0].resource.issued"]


def test_server_that_fails(strict: FlaskClient, server: RecordingServer) -> None:
    """Row 73: what could not be fetched is 412 or unknown, as ever."""
    server.reset(Store(magnesium=Reply(500), kidney=Reply(500)))

    assert post_to(strict, {**without("kidney"), "fhirServer": server.url()}).status_code == 200
    assert post_to(strict, {**without("magnesium"), "fhirServer": server.url()}).status_code == 412
