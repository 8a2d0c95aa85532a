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
from tests.support.fixtures import Situation, situations
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
    return [issue["diagnostics"] for issue in body["issue"]]


def _at(found: list[str]) -> list[str]:
    """Where the problems are, without what is said of them."""
    return sorted(": ".join(sentence.split(": ")[:2]) for sentence in found)


def test_off_by_default(post: Post) -> None:
    """What nobody reads may be wrong: by default it changes nothing."""
    request = changed(patient={**golden()["prefetch"]["patient"], "maritalStatus": "married", "telecom": 5})
    request["prefetch"]["vitaminD"]["entry"][0]["resource"]["issued"] = "yesterday"

    assert meaning(post(golden())) == meaning(post(request))


def test_valid(post: Post, strict: FlaskClient) -> None:
    """A valid request gets the same cards."""
    assert meaning(post(golden())) == meaning(post_to(strict, golden()))


@pytest.mark.parametrize("situation", situations()[::9], ids=lambda situation: situation.name)
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


@pytest.mark.parametrize("key", SEARCHES)
@pytest.mark.parametrize("value", [None, bundle(), {"resourceType": "Bundle", "type": "searchset"}], ids=str)
def test_known_none(strict: FlaskClient, key: str, value: object) -> None:
    """Row 66: null and empty Bundles are no resources that could be wrong."""
    assert post_to(strict, changed(**{key: value})).status_code == 200


def test_keys_of_others(strict: FlaskClient) -> None:
    """Row 63: what is not asked for is not judged."""
    assert post_to(strict, changed(somebodyElses={"resourceType": "Patient", "birthDate": 5})).status_code == 200


def test_envelope_comes_first(strict: FlaskClient) -> None:
    """Rows 27 to 42: a request that is none is 400, as ever."""
    assert post_to(strict, {**changed(patient=BAD_PATIENT), "hook": None}).status_code == 400


def test_missing_key(strict: FlaskClient) -> None:
    """Row 73: a required key that was not sent is 412, as ever."""
    response = post_to(strict, without("magnesium"))

    assert response.status_code == 412
    assert "magnesium" in problem(response)


def test_outcome_of_a_required_key(strict: FlaskClient) -> None:
    """Row 68: an OperationOutcome is a valid resource: its key has failed, and is 412."""
    assert post_to(strict, changed(vitaminD=outcome("error"))).status_code == 412


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


@pytest.mark.parametrize("key", ALL_WRONG)
def test_one_key(strict: FlaskClient, key: str) -> None:
    """Of one key the same is told as among others."""
    request = changed(**{key: _all_wrong()["prefetch"][key]})

    assert _at(_problems(post_to(strict, request))) == ALL_WRONG[key]


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


@pytest.mark.parametrize("kind", NO_RESOURCES)
@pytest.mark.parametrize("key", ["patient", "kidney"])
def test_no_resource(strict: FlaskClient, key: str, kind: str) -> None:
    """Row 77: a value that is no resource of FHIR is told as such, and not repeated."""
    response = post_to(strict, changed(**{key: NO_RESOURCES[kind]}))

    assert [sentence.startswith(f"prefetch.{key}: ") for sentence in _problems(response)] == [True]
    assert [value for value in (SECRET, str(NUMBER)) if value in response.get_data(as_text=True)] == []


@pytest.mark.parametrize("kind", NO_RESOURCES)
def test_entry_that_is_no_resource(strict: FlaskClient, kind: str) -> None:
    """Row 77: an entry is told by its place, the others are judged as well."""
    response = post_to(strict, changed(kidney=bundle(BAD_RESULT, NO_RESOURCES[kind])))
    found = _problems(response)

    assert "prefetch.kidney: Bundle.entry[0].resource.issued" in _at(found)
    assert any(sentence.startswith("prefetch.kidney: Bundle.entry[1].resource") for sentence in found)
    assert [value for value in (SECRET, str(NUMBER)) if value in response.get_data(as_text=True)] == []


@pytest.mark.parametrize("key", ["patient", "kidney"])
@pytest.mark.parametrize("kind", UNKNOWN_TYPES, ids=lambda kind: ascii(kind[:24]))
def test_unknown_type(strict: FlaskClient, key: str, kind: str) -> None:
    """Row 85: a type that FHIR does not have is told; what stands there is a value like any other: not repeated."""
    response = post_to(strict, changed(**{key: {"resourceType": kind}}))

    assert len(_problems(response)) == 1
    assert SECRET not in response.get_data(as_text=True)


@pytest.mark.parametrize("kind", UNKNOWN_TYPES, ids=lambda kind: ascii(kind[:24]))
def test_entry_of_an_unknown_type(strict: FlaskClient, kind: str) -> None:
    """Row 85: so it is in an entry."""
    response = post_to(strict, changed(kidney=bundle({"resourceType": kind})))

    assert _at(_problems(response)) == ["prefetch.kidney: Bundle.entry[0].resource"]
    assert SECRET not in response.get_data(as_text=True)


@pytest.mark.parametrize("kind", NO_TYPES_OF_RESOURCES)
def test_type_of_no_resource(strict: FlaskClient, kind: str) -> None:
    """An entry whose type is a data type or an abstract one is not valid FHIR R4."""
    response = post_to(strict, changed(kidney=bundle({"resourceType": kind})))

    assert _at(_problems(response)) == ["prefetch.kidney: Bundle.entry[0].resource"]


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


@pytest.mark.parametrize("kind", WRONG_VALUES)
@pytest.mark.parametrize("key", ["patient", "vitaminD"])
def test_no_value_is_repeated(strict: FlaskClient, key: str, kind: str) -> None:
    """Row 85 and the error tree: whatever stands in whichever element, no answer holds it; it never breaks us.

    The name of a member that FHIR does not have is no value: it is what there is to mend.
    """
    value = WRONG_VALUES[kind]
    good = golden()["prefetch"][key]
    leaked = []
    for where, _ in paths(good):
        if not where or where[-1] == "resourceType":
            continue
        response = post_to(strict, changed(**{key: put(good, where, value)}))
        assert response.status_code in {200, 412, 422}
        said = response.get_json().get("issue", ()) if response.status_code != 200 else ()
        sentences = [issue["diagnostics"].replace(f".{SECRET}: Extra", ": Extra") for issue in said]
        leaked += [(where, sentence) for sentence in sentences if SECRET in sentence or str(NUMBER) in sentence]

    assert leaked == []


def _elements(value: Any) -> Iterator[str]:
    """The paths of a Bundle or resource in FHIRPath, as problems name them."""
    for where, _ in paths(value):
        yield "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)


@pytest.mark.parametrize("kind", ["text", "number", "list of text", "object", "resource"])
def test_named_elements_exist(strict: FlaskClient, kind: str) -> None:
    """An element is named as FHIR names it, and as it stands in what was sent: never by a word of our library."""
    good = golden()["prefetch"]["vitaminD"]
    unknown = []
    for where, _ in paths(good):
        if not where or where[-1] == "resourceType":
            continue
        sent = put(good, where, WRONG_VALUES[kind])
        response = post_to(strict, changed(vitaminD=sent))
        if response.status_code != 422 or response.get_json()["issue"][0]["code"] != "structure":
            continue  # valid to the library, or refused as another patient's
        known = set(_elements(sent))
        for sentence in _problems(response):
            place = sentence.split(": ")[1].removeprefix("Bundle")
            if place not in known and place.rpartition(".")[0] not in known:  # what is lacking is not there
                unknown.append((where, place))
            if place.endswith((".root", ".resource_type")):
                unknown.append((where, place))

    assert unknown == []


@pytest.mark.parametrize(
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


def test_sentences_are_one_line(strict: FlaskClient) -> None:
    """A sentence says what to mend in one line."""
    good = golden()["prefetch"]["vitaminD"]
    broken = put(good, ("entry", 0, "resource", "valueQuantity"), {"resourceType": "Quantity5"})

    assert [sentence for sentence in _problems(post_to(strict, changed(vitaminD=broken))) if "\n" in sentence] == []


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
