"""`fhirAuthorization` from outside (conformance rows 73, 80 to 91): where the token goes, and where it never shows.

A FHIR server on loopback writes down what it is asked; it has the golden request's data.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.fhir.client import ClientLimits, FhirClient
from cds_service.fhir.servers import ServerRules
from cds_service.hooks.completion import CompletionLimits, FhirCompleter
from cds_service.hooks.messages import EXPLAIN
from cds_service.settings import Settings
from cds_service.waiting import Places
from tests.support.examples import tried
from tests.support.fixtures import SERVICE, engine
from tests.support.for_each import for_each
from tests.support.loopback import Call
from tests.support.recording_server import (
    RecordingServer,
    Reply,
    Store,
    key_of,
    next_page,
    redirect,
    use_names,
    watch_connections,
)
from tests.web.calls import (
    KEYS,
    PATIENCE,
    PATIENT_ID,
    TODAY,
    Json,
    bundle,
    golden,
    meaning,
    observation,
    outcome,
    post_to,
    problem,
    without,
)

pytestmark = pytest.mark.usefixtures("servers_are_named")

BEARER = "s3cr3t-T0ken.~+/=="
SURNAME = "Mustermann-0815"
RESULT = "13.37421"
"""A result that no other number in a line could be taken for."""
ALL_SCOPES = "patient/*.read launch openid"


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """The service with default rules: FHIR servers on loopback."""
    return _client()


def _client(**settings: Any) -> FlaskClient:
    return create_app(Settings(as_of=TODAY, **PATIENCE, **settings)).test_client()


def _authorization(**members: Any) -> Json:
    """A complete authorization with other members; `None` takes one away."""
    sent = {
        "access_token": BEARER,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": ALL_SCOPES,
        "subject": "cds-service",
        **members,
    }
    return {name: value for name, value in sent.items() if value is not None}


def _request(server: RecordingServer, *lost: str, authorization: Any = None, url: str | None = None) -> Json:
    """The golden request without some keys, with the FHIR server and a token; it asks for the explanation."""
    return {
        **without(*lost),
        "fhirServer": url or server.url(),
        "fhirAuthorization": _authorization() if authorization is None else authorization,
        "extension": {EXPLAIN: True},
    }


def _told(response: TestResponse) -> Json:
    """The explanation of an answer."""
    assert response.status_code == 200, response.get_data(as_text=True)

    told: Json = response.get_json()["extension"][EXPLAIN]
    return told


def _tokens(server: RecordingServer) -> list[list[str]]:
    """The Authorization headers of every call."""
    return [call.header("Authorization") for call in server.calls]


def _paged(key: str, url: str) -> Json:
    """A first page: all the results of a key, with a next page at *url*."""
    return {**golden()["prefetch"][key], "link": next_page(url)}


def test_token_on_every_call(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 61, 62, 80, 81: without prefetch each key is asked for once, each time with the token; the cards agree."""
    response = post_to(client, _request(server, *KEYS))

    assert sorted(key_of(call) for call in server.calls) == sorted(KEYS)
    assert _tokens(server) == [[f"Bearer {BEARER}"]] * len(KEYS)
    assert meaning(post_to(client, golden())) == meaning(response)


def test_nothing_is_asked_for_twice(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 66, 68: null and a failed key are answers: nothing is asked."""
    request = _request(server)
    request["prefetch"] |= {"kidney": None, "vitals": outcome("error"), "chemistry": bundle()}
    response = post_to(client, request)

    assert response.status_code == 200
    assert server.calls == []


HOSTS = st.sampled_from(["localhost", "127.0.0.1", "[::1]", "127.1", "0", "evil.test", "10.0.0.1", "[::ffff:10.0.0.1]"])
SERVERS = st.text(max_size=40) | st.lists(
    HOSTS
    | st.sampled_from(["http://", "https://", "//", "/", "\\", "@", ":", "?", "#", ":1", "%", ".", "[", "]", " ", "é"]),
    max_size=8,
).map("".join)


@given(url=SERVERS)
@example(url=f"http://{'a' * 64}.test/fhir")
@example(url="http://[::1%25lo]:1/fhir")
@example(url="http://localhost:1/\ud83d")
@tried(200)
def test_any_server(client: FlaskClient, url: str) -> None:
    """Rows 73, 91: whatever stands in `fhirServer` is answered in words, and nothing but loopback is connected to."""
    with pytest.MonkeyPatch.context() as patch:
        opened = watch_connections(patch)
        asked = use_names(patch, {"localhost": ["127.0.0.1"]})
        patch.setattr(time, "sleep", lambda _: None)
        response = post_to(client, {**without("magnesium"), "fhirServer": url, "fhirAuthorization": _authorization()})

    assert response.status_code in {400, 412}
    assert problem(response)
    assert {address for address, _ in opened} <= {"127.0.0.1", "::1"}
    assert set(asked) <= {"localhost"}


UNUSABLE: dict[str, Any] = {
    "no expires_in": _authorization(expires_in=None),
    "no access_token": _authorization(access_token=None),
    "no token_type": _authorization(token_type=None),
    "no scope": _authorization(scope=None),
    "no subject": _authorization(subject=None),
    "bearer": _authorization(token_type="bearer"),  # noqa: S106 - the wrong case of a token type
    "Bearer and a blank": _authorization(token_type="Bearer "),  # noqa: S106 - a token type too
    "expires_in a text": _authorization(expires_in="300"),
    "newline": _authorization(access_token=f"{BEARER}\r\nX-Injected: 1"),
    "newline at the end": _authorization(access_token=f"{BEARER}\n"),
    "blank": _authorization(access_token=f"{BEARER} x"),
    "not ASCII": _authorization(access_token=f"{BEARER}é"),
    "another patient": _authorization(patient="p-2"),
    "empty": {},
    "array": [_authorization()],
    "text": BEARER,
}


@for_each("kind", UNUSABLE)
def test_unusable_authorization(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, server: RecordingServer, kind: str
) -> None:
    """Rows 73, 82, 83, 89: what is no authorization is none: loopback is asked without it, and that is told.

    A server other than loopback is then not called at all; a required key is 412.
    """
    response = post_to(client, _request(server, "kidney", authorization=UNUSABLE[kind]))
    assert _tokens(server) == [[]]
    assert [call.header("X-Injected") for call in server.calls] == [[]]
    assert _told(response)["authorization"].startswith("not used" if kind == "another patient" else "not usable")
    assert BEARER not in response.get_data(as_text=True)
    server.reset()
    opened = watch_connections(monkeypatch)
    asked = use_names(monkeypatch, {"ehr.test": ["127.0.0.1"]})
    named = _client(fhir_servers=(server.url("ehr.test"),), fhir_private_networks=("127.0.0.0/8",))
    response = post_to(named, _request(server, "magnesium", authorization=UNUSABLE[kind], url=server.url("ehr.test")))

    assert response.status_code == 412
    assert "fhirAuthorization" in problem(response)
    assert BEARER not in response.get_data(as_text=True)
    assert (opened, asked, server.calls) == ([], [], [])


@for_each("allowed", [True, False])
def test_no_authorization_elsewhere(monkeypatch: pytest.MonkeyPatch, server: RecordingServer, *, allowed: bool) -> None:
    """Row 89: `fhirServer` alone is called where `CDS_FHIR_WITHOUT_TOKEN` says so, and not otherwise."""
    use_names(monkeypatch, {"ehr.test": ["127.0.0.1"]})
    client = _client(
        fhir_servers=(server.url("ehr.test"),),
        fhir_private_networks=("127.0.0.0/8",),
        fhir_without_token=allowed,
    )
    request = _request(server, "magnesium", url=server.url("ehr.test"))
    del request["fhirAuthorization"]
    response = post_to(client, request)

    assert response.status_code == (200 if allowed else 412)
    assert _tokens(server) == ([[]] if allowed else [])


def test_token_is_not_reused(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 85, 87: a request without a token is not helped by that of the one before, nor by its open connection."""
    post_to(client, _request(server, *KEYS))
    bare = _request(server, *KEYS)
    del bare["fhirAuthorization"]
    post_to(client, bare)
    post_to(client, _request(server, "kidney", authorization=_authorization(access_token="other")))  # noqa: S106
    post_to(client, _request(server, "kidney", authorization=_authorization(expires_in=None)))

    tokens = _tokens(server)
    assert tokens[: len(KEYS)] == [[f"Bearer {BEARER}"]] * len(KEYS)
    assert tokens[len(KEYS) :] == [[]] * len(KEYS) + [["Bearer other"], []]


def test_results_are_not_reused(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 85, 87: what one user's token gave is not kept for the next request."""
    post_to(client, _request(server, "magnesium"))
    server.answer = Store(magnesium=Reply(401))
    response = post_to(client, _request(server, "magnesium"))

    assert response.status_code == 412
    assert len(server.calls) == 2


def test_no_call_after_the_answer(server: RecordingServer) -> None:
    """Row 86: the token may be revoked once the answer is there: a call that was late then asks nothing more."""
    answered = threading.Event()
    store = Store(conditions=_paged("conditions", f"{server.url()}/page/2"))

    def answer(call: Call) -> Reply:
        if key_of(call) == "conditions":
            answered.wait(30)
        return store(call)

    server.answer = answer
    limits = ClientLimits(30, 30, 1_000_000, post_search=False, ca_file=None, connections=len(KEYS))
    client = FhirClient(ServerRules(loopback=True), limits)
    completer = FhirCompleter(client, CompletionLimits(deadline=0.2, max_pages=10, max_resources=100), Places(4, 0))
    late = replace(engine(TODAY), completer=completer)
    body = json.dumps(_request(server, "conditions")).encode()
    told = late.answer(SERVICE, body).response["extension"][EXPLAIN]["prefetch"]
    answered.set()
    client.threads.shutdown(wait=True)
    client.close()

    assert {entry["key"]: entry["state"] for entry in told}["conditions"] in {"missing", "failed"}
    assert [call.path for call in server.calls if "/page/" in call.path] == []


def test_server_that_refuses_an_optional_key(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 73, 88: what the user may not see is unknown, as if it had not been sent; the rest is used."""
    server.answer = Store(conditions=Reply(403))
    response = post_to(client, _request(server, *KEYS))

    assert meaning(post_to(client, without("conditions"))) == meaning(response)


@for_each(
    ("scope", "held_back"),
    [
        ("patient/Patient.read patient/Observation.read", {"conditions", "medications", "labOrders"}),
        ("user/*.rs", set()),
        ("patient/*.*", set()),
        ("patient/*.r", set(KEYS) - {"patient"}),
        ("patient/*.s", {"patient"}),
        ("patient/*.write", set(KEYS)),
        ("patient/*.cud", set(KEYS)),
        ("patient/Patient.r patient/Observation.rs?category=laboratory", {"conditions", "medications", "labOrders"}),
        ("patient/*.rs patient/Observation.write", set()),
        ("launch openid profile", set()),
        ("", set()),
        ("patient/Patient.read acme/labs", set()),
        ("launch/patient patient/Condition.read", set(KEYS) - {"conditions"}),
    ],
)
def test_scopes(client: FlaskClient, server: RecordingServer, scope: str, held_back: set[str]) -> None:
    """Row 84: what the token plainly does not cover is not asked, everything else is."""
    post_to(client, _request(server, *KEYS, authorization=_authorization(scope=scope)))

    assert {key_of(call) for call in server.calls} == set(KEYS) - held_back


def test_scopes_of_a_token_that_is_not_used(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 83, 84: the scopes of an authorization that is not used hold nothing back."""
    authorization = _authorization(scope="patient/Condition.read", patient="p-2")
    post_to(client, _request(server, "magnesium", authorization=authorization))

    assert [key_of(call) for call in server.calls] == ["magnesium"]


SITUATIONS = [
    "fetched",
    "pages",
    "redirect",
    "401",
    "text",
    "refused",
    "elsewhere",
    "scope",
    "unusable",
    "gone",
    "strict",
]


def _leaks(url: str) -> dict[str, Any]:
    """What the FHIR server has instead of the golden value, in each situation that is about that."""
    away = f"http://{SURNAME}.example/{BEARER}"
    secret = json.dumps({"resourceType": "OperationOutcome", "issue": [{"diagnostics": SURNAME}]}).encode()
    strange = {"resourceType": "Observation", "status": SURNAME, "note": BEARER, "issued": SURNAME}
    return {
        "pages": {"conditions": _paged("conditions", f"{url}/page/{SURNAME}")},
        "redirect": {"magnesium": redirect(away)},
        "401": {"magnesium": Reply(401, secret, {"WWW-Authenticate": f'Bearer error="{BEARER}"'})},
        "text": {"magnesium": Reply(200, SURNAME.encode(), {"Content-Type": f"text/html; x={SURNAME}"})},
        "elsewhere": {"kidney": _paged("kidney", away)},
        "strict": {"vitals": bundle(strange)},
    }


def _leaky(server: RecordingServer, situation: str) -> Json:
    """A request that lacks everything, with names and secrets wherever one could stand."""
    server.answer = Store(
        patient={**golden()["prefetch"]["patient"], "name": [{"family": SURNAME}]},
        vitaminD=bundle(observation("62292-8", float(RESULT), "ng/mL")),
        **_leaks(server.url()).get(situation, {}),
    )
    url = {"refused": f"http://{SURNAME}.example/{BEARER}", "gone": f"http://127.0.0.1:9/{SURNAME}"}.get(situation)
    members = {
        "scope": {"scope": f"patient/Patient.read {BEARER} {SURNAME}"},
        "unusable": {"access_token": f"{BEARER}\n{SURNAME}"},
    }
    authorization = _authorization(**members.get(situation, {}))
    return {**_request(server, *KEYS, authorization=authorization, url=url), "hookInstance": "instance-1"}


def _secrets_in(caplog: pytest.LogCaptureFixture, server: RecordingServer) -> set[str]:
    """Which secrets stand in any line that was logged, or in anything a formatter could take from its record."""
    lines = [f"{record.getMessage()} {vars(record)} {logging.Formatter().format(record)}" for record in caplog.records]
    assert any("instance-1" in line for line in lines)
    birth = golden()["prefetch"]["patient"]["birthDate"]
    secrets = (BEARER, PATIENT_ID, SURNAME, RESULT, birth, f"127.0.0.1:{server.port}", "62292-8", "19123-9")
    return {secret for line in lines for secret in secrets if secret in line}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_never_told(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], server: RecordingServer, situation: str
) -> None:
    """Row 85: with everything logged from DEBUG on, no line holds the token, nor anything of patient or server.

    Neither the token nor the server's address nor a name is in an answer, its explanation or its error; nor is anything
    written to standard output or error by another way than the loggers.
    """
    client = _client(strict_fhir=situation == "strict")
    caplog.set_level(logging.DEBUG)
    capfd.readouterr()
    response = post_to(client, _leaky(server, situation))
    written = "".join(capfd.readouterr())
    said = response.get_data(as_text=True) + str(response.headers)

    assert _secrets_in(caplog, server) == set()
    assert [secret for secret in (BEARER, SURNAME, server.url(), f":{server.port}") if secret in said] == []
    assert [secret for secret in (BEARER, PATIENT_ID, SURNAME) if secret in written] == []


@for_each("situation", ["fetched", "pages", "gone"])
def test_never_in_a_log_of_a_library(caplog: pytest.LogCaptureFixture, server: RecordingServer, situation: str) -> None:
    """Row 85: nor when an operator who looks into a fault sets the logger of each library to DEBUG."""
    client = _client()
    caplog.set_level(logging.DEBUG)
    for name in [*logging.root.manager.loggerDict, "urllib3", "urllib3.connectionpool"]:
        caplog.set_level(logging.DEBUG, logger=name)
    post_to(client, _leaky(server, situation))

    assert _secrets_in(caplog, server) == set()


def test_authorization_alone_changes_nothing(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 34, 74: with full prefetch the token is not needed, nor used; the answer is the same."""
    response = post_to(client, _request(server))

    assert server.calls == []
    assert meaning(post_to(client, golden())) == meaning(response)
    assert _told(response)["authorization"] == "not needed"
