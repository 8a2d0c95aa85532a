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
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.fhir.client import ClientLimits, FhirClient
from cds_service.fhir.servers import ServerRules
from cds_service.hooks.completion import CompletionLimits, FhirCompleter
from cds_service.hooks.messages import EXPLAIN
from cds_service.settings import Settings
from tests.support.fixtures import SERVICE, engine
from tests.support.recording_server import (
    BASE,
    Call,
    RecordingServer,
    Reply,
    Store,
    next_page,
    redirect,
    reply,
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
    cards,
    changed,
    golden,
    meaning,
    observation,
    outcome,
    post_to,
    problem,
    without,
)

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

    assert sorted(call.key for call in server.calls) == sorted(KEYS)
    assert _tokens(server) == [[f"Bearer {BEARER}"]] * len(KEYS)
    assert meaning(post_to(client, golden())) == meaning(response)


def test_only_what_is_missing(client: FlaskClient, server: RecordingServer) -> None:
    """Row 72: just the keys that were not sent are asked for."""
    post_to(client, _request(server, "magnesium", "kidney"))

    assert sorted(call.key for call in server.calls) == ["kidney", "magnesium"]


def test_nothing_is_asked_for_twice(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 66, 68: null and a failed key are answers: nothing is asked."""
    request = _request(server)
    request["prefetch"] |= {"kidney": None, "vitals": outcome("error"), "chemistry": bundle()}
    response = post_to(client, request)

    assert response.status_code == 200
    assert server.calls == []


def test_patient_facing(client: FlaskClient, server: RecordingServer) -> None:
    """Row 42: for a patient there are no cards, so nothing is asked in their name."""
    request = _request(server, *KEYS)
    request["context"]["userId"] = f"Patient/{PATIENT_ID}"

    assert cards(post_to(client, request)) == []
    assert server.calls == []


@pytest.mark.parametrize("key", ["vitaminD", "conditions"])
def test_token_on_every_page(client: FlaskClient, server: RecordingServer, key: str) -> None:
    """Rows 70, 81: next pages are asked for with the token."""
    pages = {"/fhir/page/2": bundle(link=next_page("/fhir/page/3")), "/fhir/page/3": bundle()}
    store = Store(**{key: _paged(key, server.url() + "/page/2")})
    server.answer = lambda call: reply(pages[call.path]) if call.path in pages else store(call)
    response = post_to(client, _request(server, key))

    assert [call.path for call in server.calls][1:] == ["/fhir/page/2", "/fhir/page/3"]
    assert _tokens(server) == [[f"Bearer {BEARER}"]] * 3
    assert meaning(post_to(client, golden())) == meaning(response)


def test_page_of_a_prefetched_key(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 70, 72, 81: the next page of a Bundle that was prefetched is asked for, with the token, and only it."""
    server.answer = lambda _: reply(bundle())
    request = _request(server)
    request["prefetch"]["medications"]["link"] = next_page(f"{server.url()}/page/2")
    response = post_to(client, request)

    assert [call.target for call in server.calls] == [f"{BASE}/page/2"]
    assert _tokens(server) == [[f"Bearer {BEARER}"]]
    assert meaning(post_to(client, golden())) == meaning(response)


def test_token_on_a_redirect(client: FlaskClient, server: RecordingServer) -> None:
    """Row 81: on the server's origin a redirect is followed with the token."""
    store = Store(kidney=redirect("/fhir/elsewhere"))
    moved = reply(golden()["prefetch"]["kidney"])
    server.answer = lambda call: moved if call.path == "/fhir/elsewhere" else store(call)
    response = post_to(client, _request(server, "kidney"))

    assert [call.path for call in server.calls][1:] == ["/fhir/elsewhere"]
    assert _tokens(server) == [[f"Bearer {BEARER}"]] * 2
    assert meaning(post_to(client, golden())) == meaning(response)


@pytest.mark.parametrize("status", [429, 503])
def test_token_on_a_second_try(client: FlaskClient, server: RecordingServer, status: int) -> None:
    """Row 81: a second try carries the token as well."""
    busy = [Reply(status, headers={"Retry-After": "0"})]
    store = Store()
    server.answer = lambda call: busy.pop() if busy else store(call)
    response = post_to(client, _request(server, "kidney"))

    assert response.status_code == 200
    assert _tokens(server) == [[f"Bearer {BEARER}"]] * 2


def _others(server: RecordingServer, other: RecordingServer) -> dict[str, str]:
    return {
        "port": f"{other.url()}/x",
        "host": f"http://localhost:{server.port}/fhir/x",
        "scheme": f"https://127.0.0.1:{server.port}/fhir/x",
        "user": f"http://127.0.0.1:{server.port}@127.0.0.1:{other.port}/fhir/x",
        "no scheme": f"//127.0.0.1:{other.port}/fhir/x",
        "backslash": f"http://127.0.0.1:{other.port}\\@127.0.0.1:{server.port}/fhir/x",
        "metadata": "http://169.254.169.254/latest/meta-data/iam",
        "file": "file:///etc/passwd",
    }


KINDS = ("port", "host", "scheme", "user", "no scheme", "backslash", "metadata", "file")


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
@hypothesis_settings(max_examples=200, deadline=None, derandomize=True)
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefetched", [True, False], ids=["prefetched", "fetched"])
def test_next_page_elsewhere(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, server: RecordingServer, kind: str, *, prefetched: bool
) -> None:
    """Rows 70, 71: a `next` on another origin is not followed: no call, no token; what is in hand counts as part."""
    with RecordingServer() as other:
        link = _others(server, other)[kind]
        opened = watch_connections(monkeypatch)
        request = _request(server) if prefetched else _request(server, "conditions")
        if prefetched:
            request["prefetch"]["conditions"]["link"] = next_page(link)
        else:
            server.answer = Store(conditions=_paged("conditions", link))
        told = _told(post_to(client, request))["prefetch"]

        assert other.calls == []
    assert {port for _, port in opened} <= {server.port}
    assert [call.key for call in server.calls] == ([] if prefetched else ["conditions"])
    (key,) = [entry for entry in told if entry["key"] == "conditions"]
    assert key["state"] == ("prefetched in part" if prefetched else "fetched in part")
    assert "another server" in key["why"]


@pytest.mark.parametrize("kind", KINDS)
def test_redirect_elsewhere(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, server: RecordingServer, kind: str
) -> None:
    """Rows 71, 73, 81: a redirect to another origin is not followed; a required key is then 412, told why."""
    with RecordingServer() as other:
        server.answer = Store(magnesium=redirect(_others(server, other)[kind]))
        opened = watch_connections(monkeypatch)
        response = post_to(client, _request(server, "magnesium"))

        assert other.calls == []
    assert {port for _, port in opened} <= {server.port}
    assert response.status_code == 412
    assert "another server" in problem(response)


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


@pytest.mark.parametrize("kind", UNUSABLE)
def test_unusable_authorization(client: FlaskClient, server: RecordingServer, kind: str) -> None:
    """Rows 82, 83, 89: what is no authorization is none: loopback is asked without it, and that is told."""
    response = post_to(client, _request(server, "kidney", authorization=UNUSABLE[kind]))

    assert _tokens(server) == [[]]
    assert [call.header("X-Injected") for call in server.calls] == [[]]
    assert _told(response)["authorization"].startswith("not used" if kind == "another patient" else "not usable")
    assert BEARER not in response.get_data(as_text=True)


@pytest.mark.parametrize("kind", UNUSABLE)
def test_unusable_authorization_elsewhere(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, server: RecordingServer, kind: str
) -> None:
    """Rows 73, 82, 83, 89: a server other than loopback is then not called at all; a required key is 412."""
    opened = watch_connections(monkeypatch)
    asked = use_names(monkeypatch, {"ehr.test": ["127.0.0.1"]})
    named = _client(fhir_servers=(server.url("ehr.test"),), fhir_private_networks=("127.0.0.0/8",))
    del client
    response = post_to(named, _request(server, "magnesium", authorization=UNUSABLE[kind], url=server.url("ehr.test")))

    assert response.status_code == 412
    assert "fhirAuthorization" in problem(response)
    assert BEARER not in response.get_data(as_text=True)
    assert (opened, asked, server.calls) == ([], [], [])


@pytest.mark.parametrize("allowed", [True, False])
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
        if call.key == "conditions":
            answered.wait(30)
        return store(call)

    server.answer = answer
    limits = ClientLimits(30, 30, 1_000_000, post_search=False, ca_file=None, connections=len(KEYS))
    client = FhirClient(ServerRules(), limits)
    completer = FhirCompleter(client, CompletionLimits(deadline=0.2, max_pages=10, max_resources=100))
    late = replace(engine(TODAY), completer=completer)
    body = json.dumps(_request(server, "conditions")).encode()
    told = late.answer(SERVICE, body).response["extension"][EXPLAIN]["prefetch"]
    answered.set()
    client.threads.shutdown(wait=True)
    client.close()

    assert {entry["key"]: entry["state"] for entry in told}["conditions"] in {"missing", "failed"}
    assert [call.path for call in server.calls if "/page/" in call.path] == []


@pytest.mark.parametrize(("status", "says"), [(401, "expired"), (403, "does not allow"), (404, "404"), (500, "500")])
@pytest.mark.parametrize("key", ["patient", "vitaminD", "magnesium"])
def test_server_that_refuses_a_required_key(
    client: FlaskClient, server: RecordingServer, key: str, status: int, says: str
) -> None:
    """Rows 73, 86, 88: an expired token, or one that does not allow this, is 412; the key and the status are told."""
    server.answer = Store(**{key: reply({"resourceType": "OperationOutcome", "id": SURNAME}, status)})
    response = post_to(client, _request(server, *KEYS))

    assert response.status_code == 412
    assert key in problem(response)
    assert str(status) in problem(response)
    assert says in problem(response)
    assert [part for part in (SURNAME, BEARER, PATIENT_ID) if part in problem(response)] == []


def test_server_that_refuses_an_optional_key(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 73, 88: what the user may not see is unknown, as if it had not been sent; the rest is used."""
    server.answer = Store(conditions=Reply(403))
    response = post_to(client, _request(server, *KEYS))

    assert meaning(post_to(client, without("conditions"))) == meaning(response)


@pytest.mark.parametrize(
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

    assert {call.key for call in server.calls} == set(KEYS) - held_back


def test_scope_that_lacks_a_required_key(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 73, 84: a required key that the scopes do not cover is 412, and the type is named."""
    authorization = _authorization(scope="patient/Patient.read patient/Condition.read")
    response = post_to(client, _request(server, *KEYS, authorization=authorization))

    assert response.status_code == 412
    assert "Observation" in problem(response)
    assert "vitaminD" in problem(response)


def test_scopes_of_a_token_that_is_not_used(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 83, 84: the scopes of an authorization that is not used hold nothing back."""
    authorization = _authorization(scope="patient/Condition.read", patient="p-2")
    post_to(client, _request(server, "magnesium", authorization=authorization))

    assert [call.key for call in server.calls] == ["magnesium"]


@pytest.mark.parametrize("patient", ["p-2", "Patient/p-2", ""])
def test_token_of_another_patient(client: FlaskClient, server: RecordingServer, patient: str) -> None:
    """Row 83: a token for another patient goes nowhere."""
    response = post_to(client, _request(server, *KEYS, authorization=_authorization(patient=patient)))

    assert _tokens(server) == [[]] * len(KEYS)
    assert "another patient" in _told(response)["authorization"]
    assert "p-2" not in response.get_data(as_text=True)


@pytest.mark.parametrize("patient", [PATIENT_ID, f"Patient/{PATIENT_ID}"])
def test_token_of_this_patient(client: FlaskClient, server: RecordingServer, patient: str) -> None:
    """Row 83: a token for the patient of the context is used."""
    post_to(client, _request(server, "kidney", authorization=_authorization(patient=patient)))

    assert _tokens(server) == [[f"Bearer {BEARER}"]]


@pytest.mark.parametrize("patient_id", ["a,b", "a|b", "a&patient=b", "a?b", "a#b", "a%2Fb", "a\\b", "a b", "é", "..."])
def test_odd_patient_ids(client: FlaskClient, server: RecordingServer, patient_id: str) -> None:
    """Rows 41, 46: whatever characters an id has, every call asks for just that patient."""
    request = _request(server, *KEYS)
    request["context"]["patientId"] = patient_id
    post_to(client, request)

    escaped = "".join(f"\\{character}" if character in "\\,|$" else character for character in patient_id)
    searches = [call for call in server.calls if call.parameters]
    assert len(searches) == len(KEYS) - 1
    assert [[value for name, value in call.parameters if name == "patient"] for call in searches] == [[escaped]] * 8


@pytest.mark.parametrize("patient_id", [".", ".."])
def test_ids_that_are_steps(client: FlaskClient, server: RecordingServer, patient_id: str) -> None:
    """Row 41: an id that would lead to another address is no id: nothing is asked, and that is said."""
    request = _request(server, *KEYS)
    request["context"]["patientId"] = patient_id
    response = post_to(client, request)

    assert response.status_code == 412
    assert "context.patientId" in problem(response)
    assert server.calls == []


@pytest.mark.parametrize("key", ["patient", "magnesium", "conditions"])
def test_server_that_gives_another_patient(client: FlaskClient, server: RecordingServer, key: str) -> None:
    """Row 44: what the server gives of another patient is refused like what was sent, and no id is told."""
    kind = {"patient": "Patient", "magnesium": "Observation", "conditions": "Condition"}[key]
    stray = {"resourceType": kind, "id": SURNAME, "subject": {"reference": f"Patient/{SURNAME}"}}
    server.answer = Store(**{key: stray if key == "patient" else bundle(stray)})
    response = post_to(client, _request(server, *KEYS))

    assert response.status_code == 422
    assert SURNAME not in problem(response)


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
def test_never_in_a_log(caplog: pytest.LogCaptureFixture, server: RecordingServer, situation: str) -> None:
    """Row 85: with everything logged from DEBUG on, no line holds the token, nor anything of patient or server."""
    client = _client(strict_fhir=situation == "strict")
    caplog.set_level(logging.DEBUG)
    post_to(client, _leaky(server, situation))

    assert _secrets_in(caplog, server) == set()


@pytest.mark.parametrize("situation", ["fetched", "pages", "gone"])
def test_never_in_a_log_of_a_library(caplog: pytest.LogCaptureFixture, server: RecordingServer, situation: str) -> None:
    """Row 85: nor when an operator who looks into a fault sets the logger of each library to DEBUG."""
    client = _client()
    caplog.set_level(logging.DEBUG)
    for name in [*logging.root.manager.loggerDict, "urllib3", "urllib3.connectionpool"]:
        caplog.set_level(logging.DEBUG, logger=name)
    post_to(client, _leaky(server, situation))

    assert _secrets_in(caplog, server) == set()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_never_in_an_answer(server: RecordingServer, situation: str) -> None:
    """Row 85: neither the token nor the server's address is in an answer, its explanation or its error; nor a name."""
    response = post_to(_client(strict_fhir=situation == "strict"), _leaky(server, situation))

    said = response.get_data(as_text=True) + str(response.headers)
    assert [secret for secret in (BEARER, SURNAME, server.url(), f":{server.port}") if secret in said] == []


@pytest.mark.parametrize("situation", SITUATIONS)
def test_never_on_standard_output(capfd: pytest.CaptureFixture[str], server: RecordingServer, situation: str) -> None:
    """Row 85: nor is anything written to standard output or error by another way than the loggers."""
    post_to(_client(strict_fhir=situation == "strict"), _leaky(server, situation))

    written = "".join(capfd.readouterr())
    assert [secret for secret in (BEARER, PATIENT_ID, SURNAME) if secret in written] == []


def test_authorization_alone_changes_nothing(client: FlaskClient, server: RecordingServer) -> None:
    """Rows 34, 74: with full prefetch the token is not needed, nor used; the answer is the same."""
    response = post_to(client, _request(server))

    assert server.calls == []
    assert meaning(post_to(client, golden())) == meaning(response)
    assert _told(response)["authorization"] == "not needed"


@pytest.mark.parametrize("prefetch", [None, {}])
def test_prefetch_member(client: FlaskClient, server: RecordingServer, prefetch: object) -> None:
    """Rows 8, 36, 61: null, empty or absent prefetch is the same: everything is fetched."""
    request = {**_request(server), "prefetch": prefetch}

    assert meaning(post_to(client, changed())) == meaning(post_to(client, request))
    assert len(server.calls) == len(KEYS)
