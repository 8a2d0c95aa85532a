"""Faults of a FHIR server (conformance rows 62, 64, 68 to 73, 79 to 81, 88): each ends in a known way.

A row of a table is a fault, the reason that must be told, and how many requests the server sees for it. A required key
that cannot be had is 412; an optional one is as good as not sent. After each row the same application serves the next
request, by prefetch and from the same server, as if nothing had been.
"""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.fhir import client as client_module
from cds_service.settings import Settings
from tests.support import fault_server as faults
from tests.support.fault_server import Fault, FaultServer, Link, faithful
from tests.support.recording_server import watch_connections
from tests.web.calls import (
    AUTHORIZATION,
    DISCOVERY,
    KEYS,
    OPTIONAL,
    PATIENCE,
    PATIENT_ID,
    REQUIRED,
    TODAY,
    Json,
    bundle,
    changed,
    golden,
    meaning,
    observation,
    outcome,
    post_to,
    problem,
    without,
)
from tests.web.conftest import Post

pytestmark = pytest.mark.usefixtures("servers_are_named")

EXPLAIN = "example.vitamin-d-magnesium.explain"
MOST_BYTES = 200_000
MOST_PAGES = 4
PATIENT = {
    **PATIENCE,
    "fhir_max_bytes": MOST_BYTES,
    "fhir_max_pages": MOST_PAGES,
}
HURRIED = {**PATIENT, "fhir_deadline": 1.0}
IMPATIENT = {**PATIENT, "fhir_connect_timeout": 0.3, "fhir_read_timeout": 0.3}

BROKEN = "broke the connection off"
LATE = "did not answer in time"
LARGE = f"is larger than {MOST_BYTES} bytes"
NOT_FHIR = "is not FHIR JSON"
ELSEWHERE = "redirects to another server"
ERROR_ENTRY = "its Bundle holds an OperationOutcome with an error"
STRAY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{"resourceType": "Bundle"}'
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action=/login></form></body></html>"


@dataclass(frozen=True)
class Row:
    """What a server meets a key with, one after the other; what is said of it; how many requests the server sees."""

    name: str
    met_with: tuple[Fault, ...]
    why: str
    requests: int


def _row(name: str, *met_with: Fault, why: str = "", requests: int = 1) -> Row:
    return Row(name, met_with, why, requests)


def _status(code: int, retry_after: str | None = None, *, requests: int = 1) -> Row:
    waits = f" and Retry-After: {retry_after}" if retry_after else ""
    return _row(f"{code}{waits}", faults.status(code, retry_after), why=f"answered {code}", requests=requests)


def _elsewhere(name: str, link: Link, code: int = 307) -> Row:
    return _row(f"{code} to {name}", faults.redirect(link, code), why=ELSEWHERE)


BREAKS = [
    _row("reset", faults.reset, why=BROKEN, requests=2),
    _row("reset half-way", faults.reset_half_way, why=BROKEN, requests=2),
    _row("closed without an answer", faults.hang_up, why=BROKEN, requests=2),
    _row("Content-Length larger than the body", faults.cut_off, why=BROKEN, requests=2),
    _row("chunks without an end", faults.cut_off_chunks, why=BROKEN, requests=2),
    _row("no HTTP", faults.raw(b"SSH-2.0-OpenSSH_9.6\r\n"), why=BROKEN, requests=2),
    _row("headers without an end", faults.raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000), why=BROKEN, requests=2),
    _row("header too long", faults.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000), why=BROKEN, requests=2),
    _row("chunk of no length", faults.raw(CHUNKS + b"many\r\n{}\r\n"), why=BROKEN, requests=2),
    _row("reset, then 500", faults.reset, faults.status(500), why="answered 500", requests=2),
    _row("503, then reset", faults.status(503), faults.reset, why=BROKEN, requests=2),
]
"""A connection that breaks off is worth one more try, and just one."""

FAILURES = [
    *BREAKS,
    _status(401),
    _status(410),
    _row("500 with a body that never ends", faults.endless_error, why="answered 500"),
    _row("truncated JSON", faults.truncated, why=NOT_FHIR),
    _row("compressed without an end", faults.truncated_gzip, why=NOT_FHIR),
    _row("HTML of a proxy", faults.body(HTML, "text/html; charset=utf-8"), why=NOT_FHIR),
    _row("HTML called JSON", faults.body(HTML), why=NOT_FHIR),
    _row("empty body", faults.body(b""), why=NOT_FHIR),
    _row("array of the resource", faults.edited(lambda found: [found]), why=NOT_FHIR),
    _row("null", faults.body(b"null"), why=NOT_FHIR),
    _row("NaN", faults.replaced(b"{", b'{"implicitRules": NaN, '), why=NOT_FHIR),
    _row("deep nesting", faults.replaced(b"{", b'{"contained": %b, ' % (b"[" * 50_000 + b"]" * 50_000)), why=NOT_FHIR),
    _row("two values", faults.replaced(b"{", b"{} {"), why=NOT_FHIR),
    _row("another type", faults.value({"resourceType": "Basic", "id": "b"}), why=NOT_FHIR),
    _row("OperationOutcome", faults.value(outcome("error")), why="it is an OperationOutcome"),
    _row("no end", faults.endless_body, why=LARGE),
    _row("gzip bomb", faults.bomb(20_000_000), why=LARGE),
    _elsewhere("another port", faults.at_another_port),
    _elsewhere("another host", faults.at_another_host),
    _row("redirect loop", faults.redirect(faults.itself), why="redirects too often", requests=4),
]
"""For any key. What a client makes of each status, media type and address is in `tests/fhir/test_client.py`."""


def _error_in(found: Json, severity: str) -> Json:
    entry = {"resource": outcome(severity), "search": {"mode": "outcome"}}
    return {**found, "entry": [*found.get("entry", ()), entry]}


SEARCH_FAILURES = [
    _row("error in the Bundle", faults.edited(lambda found: _error_in(found, "error")), why=ERROR_ENTRY),
    _row("fatal error in the Bundle", faults.edited(lambda found: _error_in(found, "fatal")), why=ERROR_ENTRY),
    _row("Patient in place of a Bundle", faults.value(golden()["prefetch"]["patient"]), why=NOT_FHIR),
]
"""For keys that are searched for."""


def _with_value(found: Json, value: float) -> Json:
    found["entry"][0]["resource"]["valueQuantity"]["value"] = value
    return found


RESULT_FAILURES = [
    _row("a result that is NaN", faults.edited(lambda found: _with_value(found, math.nan)), why=NOT_FHIR),
    _row("a result that is infinite", faults.edited(lambda found: _with_value(found, -math.inf)), why=NOT_FHIR),
]
"""For keys of results."""

PATIENT_FAILURES = [
    _row("another type", faults.value(golden()["prefetch"]["vitaminD"]["entry"][0]["resource"]), why=NOT_FHIR),
    _row("Bundle of the Patient", faults.edited(bundle), why=NOT_FHIR),
    _row("id that is no text", faults.edited(lambda found: {**found, "id": 5}), why="its Patient.id cannot be read"),
]

HARMLESS = [
    _row("no fault", faithful),
    _row("reset once", faults.reset, faithful, requests=2),
    _row("reset half-way once", faults.reset_half_way, faithful, requests=2),
    _row("closed once", faults.hang_up, faithful, requests=2),
    _row("cut off once", faults.cut_off, faithful, requests=2),
    _row("503 once", faults.status(503), faithful, requests=2),
    _row("reset, then a redirect", faults.reset, faults.redirect(faults.itself), faithful, requests=3),
    _row("gzip", faults.gzipped),
    _row("chunks", faults.chunked),
    _row("as large as the cap", faults.padded(MOST_BYTES)),
    _row("closed after the answer", faults.in_turn(faithful, faults.hang_up)),
    _row("a stray answer after the answer", faults.in_turn(faithful, faults.sent(STRAY))),
]
"""What servers may do, does no harm, or is mended by a second request."""

HANGS = [
    _row("never answers", faults.silent, why=LATE),
    _row("stops half-way", faults.silent_half_way, why=LATE),
    _row("drips the body", faults.dripping_body, why=LATE),
    _row("drips the headers", faults.dripping_headers, why=LATE),
    _row("drips chunks", faults.dripping_chunks, why=LATE),
    _row("100 Continue for ever", faults.endless_continue, why=LATE),
    _row("503, then never answers", faults.status(503), faults.silent, why=LATE, requests=2),
]
"""What only the deadline ends; there is no second try after it."""

SILENCES = [
    _row("never answers", faults.silent, why=LATE),
    _row("stops half-way", faults.silent_half_way, why=LATE),
]
"""What the longest silence ends, long before the deadline."""

LINKS = [
    _row("another port", faults.followed_by(faults.at_another_port), why="it is on another server"),
    _row("another host", faults.followed_by(faults.at_another_host), why="it is on another server"),
    _row("another scheme", faults.followed_by(faults.next_by_https), why="it is on another server"),
    _row("another name of the host", faults.followed_by(faults.next_on_localhost), why="it is on another server"),
    _row("no address", faults.followed_by(lambda _: "http://["), why="it is on another server"),
]
"""Next pages that are never asked for."""


def rows(table: list[Row]) -> pytest.MarkDecorator:
    """A test for each row."""
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in table])


def _client(settings: dict[str, Any], **changed: Any) -> FlaskClient:
    return create_app(Settings(as_of=TODAY, **{**settings, **changed})).test_client()


@pytest.fixture(scope="module", autouse=True)
def _no_pause() -> Iterator[None]:
    """A second try is made at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "PAUSE", 0.0)
        yield


@pytest.fixture(scope="module")
def patient_client() -> FlaskClient:
    """The service with time to spare."""
    return _client(PATIENT)


@pytest.fixture(scope="module")
def hurried_client() -> FlaskClient:
    """The service with a short deadline."""
    return _client(HURRIED)


@pytest.fixture(scope="module")
def impatient_client() -> FlaskClient:
    """The service that bears no long silence, but has a long deadline."""
    return _client(IMPATIENT)


@pytest.fixture(scope="module")
def posting_client() -> FlaskClient:
    """The service that searches with POST."""
    return _client(PATIENT, fhir_post_search=True)


@pytest.fixture(scope="module")
def queries(patient_client: FlaskClient) -> dict[str, str]:
    """The published queries by prefetch key."""
    service, *_ = patient_client.get(DISCOVERY).get_json()["services"]
    found: dict[str, str] = service["prefetch"]
    return found


@pytest.fixture(scope="module")
def elsewhere_server(queries: dict[str, str]) -> Iterator[FaultServer]:
    """Another server, with the same data."""
    with FaultServer(golden()["prefetch"], queries, PATIENT_ID) as found:
        yield found


@pytest.fixture
def server(queries: dict[str, str], elsewhere_server: FaultServer) -> Iterator[FaultServer]:
    """The FHIR server; whatever it does, nothing may arrive elsewhere."""
    with FaultServer(golden()["prefetch"], queries, PATIENT_ID, elsewhere=elsewhere_server.url) as found:
        yield found
    assert elsewhere_server.connections == 0


def _asking(request: Json, url: str) -> Json:
    """*request* with the FHIR server at *url* and a token; it asks for the explanation."""
    return {
        **request,
        "fhirServer": url,
        "fhirAuthorization": AUTHORIZATION,
        "extension": {EXPLAIN: True},
    }


def _fetch(client: FlaskClient, server: FaultServer, *lost: str) -> TestResponse:
    """The answer to the golden request without some keys."""
    return post_to(client, _asking(without(*lost), server.url))


def _told(response: TestResponse, key: str) -> Json:
    """What the explanation says of a key."""
    assert response.status_code == 200, response.get_data(as_text=True)

    (told,) = [told for told in response.get_json()["extension"][EXPLAIN]["prefetch"] if told["key"] == key]
    found: Json = told
    return found


def _is_412(response: TestResponse, key: str, why: str) -> bool:
    """Whether just *key* is said to be lost, and why."""
    assert response.status_code == 412, response.get_data(as_text=True)

    sentence = problem(response)
    return [name for name in KEYS if f"{name}:" in sentence] == [key] and why in sentence


def _serves_again(client: FlaskClient, post: Post, server: FaultServer, key: str) -> bool:
    """Whether the application answers the next request as if nothing had been: by prefetch, and from the server."""
    server.heal()
    expected = meaning(post(golden()))
    prefetched, fetched = post_to(client, golden()), _fetch(client, server, key)
    return (
        meaning(prefetched) == meaning(fetched) == expected
        and _told(fetched, key)["state"] in ("fetched", "known none")
        and len(server.seen(key)) == 1
    )


@rows(FAILURES)
def test_failure(patient_client: FlaskClient, post: Post, server: FaultServer, row: Row) -> None:
    """Rows 68 to 73, 86, 88: a required key that the server does not give is 412, with the reason.

    An optional one leaves its facts unknown, and a next page leaves its key in part; the reason is told.
    """
    for key in ("patient", "vitaminD"):
        server.on(key, *row.met_with)
        assert _is_412(_fetch(patient_client, server, key), key, row.why)
        assert len(server.seen(key)) == len(server.requests) == row.requests
        server.heal()
    server.on("chemistry", *row.met_with)
    response = _fetch(patient_client, server, "chemistry")
    told = _told(response, "chemistry")
    assert told["state"] == "failed"
    assert row.why in told["why"]
    assert meaning(response) == meaning(post(without("chemistry")))
    assert len(server.seen("chemistry")) == row.requests
    server.heal()
    server.on_pages("chemistry", *row.met_with)
    response = post_to(patient_client, _asking(_paged("chemistry", server.page_url("chemistry", 50)), server.url))
    told = _told(response, "chemistry")
    assert (told["state"], told.get("pages")) == ("prefetched in part", None)
    assert "next page" in told["why"]
    assert row.why in told["why"]
    assert meaning(response) == meaning(post(_cut_off("chemistry")))
    assert len(server.seen("chemistry")) == row.requests
    assert _serves_again(patient_client, post, server, "chemistry")


@pytest.mark.parametrize(
    ("key", "row"),
    [
        *(pytest.param("magnesium", row, id=row.name) for row in (*SEARCH_FAILURES, *RESULT_FAILURES)),
        *(pytest.param("patient", row, id=row.name) for row in PATIENT_FAILURES),
    ],
)
def test_failure_of_a_kind(patient_client: FlaskClient, server: FaultServer, key: str, row: Row) -> None:
    """Rows 44, 68, 69, 73: a search that reports an error, or a read that is no Patient, is not an empty one: 412."""
    server.on(key, *row.met_with)

    assert _is_412(_fetch(patient_client, server, key), key, row.why)
    assert len(server.seen(key)) == row.requests


def test_each_key_has_its_own_reason(patient_client: FlaskClient, post: Post, server: FaultServer) -> None:
    """Rows 68, 73: keys that fail side by side, each in its own way, do not mix."""
    failing = dict(zip(OPTIONAL, (*FAILURES[::6], *FAILURES[1:]), strict=False))
    for key, row in failing.items():
        server.on(key, *row.met_with)
    response = _fetch(patient_client, server, *OPTIONAL)

    assert {key: _told(response, key)["state"] for key in OPTIONAL} == dict.fromkeys(OPTIONAL, "failed")
    assert [key for key, row in failing.items() if row.why not in _told(response, key)["why"]] == []
    assert {key: len(server.seen(key)) for key in OPTIONAL} == {key: row.requests for key, row in failing.items()}
    assert meaning(response) == meaning(post(without(*OPTIONAL)))


@rows(HARMLESS)
def test_as_if_nothing_had_been(
    patient_client: FlaskClient, posting_client: FlaskClient, post: Post, server: FaultServer, row: Row
) -> None:
    """Rows 62, 70: the answer is that of full prefetch: of a read, a search, a search by POST, and a next page."""
    for client, key in ((patient_client, "patient"), (patient_client, "chemistry"), (posting_client, "vitaminD")):
        server.heal()
        server.on(key, *row.met_with)
        response = _fetch(client, server, key)
        server.rest()
        assert _told(response, key)["state"] == "fetched"
        assert "why" not in _told(response, key)
        assert meaning(response) == meaning(post(golden()))
        assert len(server.seen(key)) == row.requests
    assert {request.method for request in server.seen("vitaminD")} == {"POST"}
    request = golden()
    page, results = request["prefetch"]["chemistry"], request["prefetch"]["chemistry"]["entry"]
    page.update(entry=results[:1], link=[{"relation": "next", "url": server.page_url("chemistry", 1)}])
    server.heal()
    server.on_pages("chemistry", *row.met_with)
    response = post_to(patient_client, _asking(request, server.url))
    server.rest()
    assert _told(response, "chemistry")["state"] == "prefetched"
    assert meaning(response) == meaning(post(golden()))
    assert len(server.seen("chemistry")) == row.requests
    assert _serves_again(patient_client, post, server, "chemistry")


@rows(HANGS)
def test_deadline(hurried_client: FlaskClient, post: Post, server: FaultServer, row: Row) -> None:
    """Rows 73, 79: what does not come before the deadline is not waited for, however busy the server looks.

    The connection is closed, so that no thread stays with it.
    """
    server.on("vitaminD", *row.met_with)

    assert _is_412(_fetch(hurried_client, server, "vitaminD"), "vitaminD", row.why)
    assert server.given_up.wait(10)
    assert len(server.seen("vitaminD")) == row.requests
    assert _serves_again(hurried_client, post, server, "vitaminD")


def test_deadline_of_optional_keys(hurried_client: FlaskClient, post: Post, server: FaultServer) -> None:
    """Rows 73, 79: keys that hang side by side, each in its own way, leave what the others have."""
    for key, row in zip(OPTIONAL, HANGS, strict=False):
        server.on(key, *row.met_with)
    response = _fetch(hurried_client, server, *KEYS)

    assert [key for key in OPTIONAL if LATE not in _told(response, key)["why"]] == []
    assert {_told(response, key)["state"] for key in REQUIRED} == {"fetched"}
    assert meaning(response) == meaning(post(without(*OPTIONAL)))
    assert _serves_again(hurried_client, post, server, "chemistry")


def test_deadline_of_every_key(hurried_client: FlaskClient, post: Post, server: FaultServer) -> None:
    """Rows 73, 79: a server that answers nothing at all is given up once, for all keys together."""
    server.on_all(faults.silent)
    response = _fetch(hurried_client, server, *KEYS)

    assert response.status_code == 412
    assert [key for key in KEYS if f"{key}:" in problem(response)] == list(REQUIRED)
    assert problem(response).count(LATE) == len(REQUIRED)
    assert sorted(request.key for request in server.requests) == sorted(KEYS)
    assert _serves_again(hurried_client, post, server, "vitaminD")


@rows(SILENCES)
def test_silence(impatient_client: FlaskClient, post: Post, server: FaultServer, row: Row) -> None:
    """Row 79: a long silence ends a call long before the deadline; an answer that is slow but goes on is borne."""
    server.on("chemistry", *row.met_with)
    server.on("vitaminD", faults.dripping_until_another_is_given_up)
    response = _fetch(impatient_client, server, "vitaminD", "chemistry")

    assert row.why in _told(response, "chemistry")["why"]
    assert _told(response, "vitaminD")["state"] == "fetched"
    assert meaning(response) == meaning(post(without("chemistry")))
    assert len(server.seen("chemistry")) == row.requests
    assert _serves_again(impatient_client, post, server, "chemistry")


def test_connection_that_does_not_come(impatient_client: FlaskClient, post: Post, server: FaultServer) -> None:
    """Row 79: a connection that is neither taken nor refused is not waited for until the deadline."""
    with faults.deaf_port() as port:
        response = post_to(impatient_client, _asking(without("vitaminD"), f"http://127.0.0.1:{port}/fhir"))

    assert _is_412(response, "vitaminD", LATE)
    assert _serves_again(impatient_client, post, server, "vitaminD")


def test_resolver_that_hangs(
    hurried_client: FlaskClient, post: Post, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 79: a name that is not resolved before the deadline is not waited for, and nothing is asked later."""
    over = threading.Event()

    def look_up(*_: object, **__: object) -> None:
        over.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "there is no such name")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        response = post_to(hurried_client, _asking(without("vitaminD"), f"http://localhost:{server.port}/fhir"))
        over.set()

    assert _is_412(response, "vitaminD", LATE)
    assert server.connections == 0
    assert _serves_again(hurried_client, post, server, "vitaminD")


@pytest.mark.parametrize("key", ["vitaminD", "chemistry"])
def test_nobody_listens(
    patient_client: FlaskClient, post: Post, server: FaultServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Row 73: a refused connection is tried once more, and told; an optional key is then unknown."""
    opened = watch_connections(monkeypatch)
    with faults.closed_port() as port:
        response = post_to(patient_client, _asking(without(key), f"http://127.0.0.1:{port}/fhir"))
        assert opened == [("127.0.0.1", port)] * 2

    if key in REQUIRED:
        assert _is_412(response, key, "refused the connection")
    else:
        assert "refused the connection" in _told(response, key)["why"]
        assert meaning(response) == meaning(post(without(key)))
    assert _serves_again(patient_client, post, server, key)


def _paged(key: str, url: str) -> Json:
    """The golden request whose *key* names a next page at *url*."""
    return changed(**{key: {**golden()["prefetch"][key], "link": [{"relation": "next", "url": url}]}})


def _cut_off(key: str) -> Json:
    """The golden request whose *key* has a next page that cannot be asked for: no server is given."""
    return _paged(key, "https://ehr.example/fhir?page=2")


@pytest.mark.parametrize("key", ["vitaminD", "chemistry"])
@rows([FAILURES[0], FAILURES[-1], SEARCH_FAILURES[0]])
def test_next_page_of_what_was_fetched(
    patient_client: FlaskClient, post: Post, server: FaultServer, key: str, row: Row
) -> None:
    """Row 70: it is the same where the first page came from the server, and the pages that came are counted."""
    server.on(key, faults.followed_by(faults.next_here))
    server.on_pages(key, *row.met_with)
    response = _fetch(patient_client, server, key)

    assert _told(response, key)["state"] == "fetched in part"
    assert row.why in _told(response, key)["why"]
    assert _told(response, key)["pages"] == 1
    assert meaning(response) == meaning(post(_cut_off(key)))


def test_deadline_of_next_pages(hurried_client: FlaskClient, post: Post, server: FaultServer) -> None:
    """Rows 70, 79: the deadline holds for next pages too, and what is in hand is kept."""
    server.on_pages("vitaminD", faults.silent)
    server.on_pages("magnesium", faults.dripping_headers)
    server.on_pages("chemistry", faults.dripping_body)
    keys = ("vitaminD", "magnesium", "chemistry")
    request = golden()
    for key in keys:
        request["prefetch"][key] = _paged(key, server.page_url(key, 50))["prefetch"][key]
    response = post_to(hurried_client, _asking(request, server.url))

    assert {_told(response, key)["state"] for key in keys} == {"prefetched in part"}
    assert [key for key in keys if LATE not in _told(response, key)["why"]] == []
    assert meaning(response) == meaning(post(_cut_off("chemistry")))
    assert _serves_again(hurried_client, post, server, "chemistry")


@rows(LINKS)
@pytest.mark.parametrize("key", ["vitaminD", "chemistry"])
def test_next_page_elsewhere(patient_client: FlaskClient, post: Post, server: FaultServer, key: str, row: Row) -> None:
    """Row 71: a next page on another origin is not asked for, and no token goes there."""
    server.on(key, *row.met_with)
    response = _fetch(patient_client, server, key)

    assert _told(response, key)["state"] == "fetched in part"
    assert "next page" in _told(response, key)["why"]
    assert row.why in _told(response, key)["why"]
    assert meaning(response) == meaning(post(_cut_off(key)))
    assert len(server.seen(key)) == row.requests
    assert _serves_again(patient_client, post, server, key)


def test_pages_of_one_resource(
    patient_client: FlaskClient, post: Post, queries: dict[str, str], elsewhere_server: FaultServer
) -> None:
    """Rows 62, 70: a server that pages as HAPI does, one resource at a time, gives the answer of full prefetch."""
    values = golden()["prefetch"]
    with FaultServer(values, queries, PATIENT_ID, page_size=1, elsewhere=elsewhere_server.url) as server:
        response = _fetch(patient_client, server, *KEYS)
        asked = {key: len(server.seen(key)) for key in KEYS}

    assert {_told(response, key)["state"] for key in KEYS} == {"fetched", "known none"}
    assert {key: _told(response, key)["pages"] for key in KEYS} == asked
    assert asked["chemistry"] == len(values["chemistry"]["entry"]) == MOST_PAGES
    assert meaning(response) == meaning(post(golden()))


@pytest.mark.parametrize("key", ["vitaminD", "chemistry"])
def test_endless_pages(patient_client: FlaskClient, post: Post, server: FaultServer, key: str) -> None:
    """Row 70: pages without an end are read up to the limit."""
    server.on(key, faults.followed_by(faults.next_here))
    server.on_pages(key, faults.followed_by(faults.next_here))
    response = _fetch(patient_client, server, key)
    told = _told(response, key)

    assert (told["state"], told["pages"]) == ("fetched in part", MOST_PAGES)
    assert f"more pages than {MOST_PAGES}" in told["why"]
    assert len(server.seen(key)) == MOST_PAGES
    assert meaning(response) == meaning(post(_cut_off(key)))
    assert _serves_again(patient_client, post, server, key)


@pytest.mark.parametrize("key", ["vitaminD", "chemistry"])
def test_page_that_names_itself(patient_client: FlaskClient, post: Post, server: FaultServer, key: str) -> None:
    """Row 70: a next page that leads back to itself is read once."""
    server.on(key, faults.followed_by(faults.next_here))
    server.on_pages(key, faults.followed_by(faults.itself))
    response = _fetch(patient_client, server, key)

    assert _told(response, key)["state"] == "fetched in part"
    assert "back to itself" in _told(response, key)["why"]
    assert len(server.seen(key)) == 2
    assert meaning(response) == meaning(post(_cut_off(key)))
    assert _serves_again(patient_client, post, server, key)


def test_resources_are_limited(post: Post, server: FaultServer) -> None:
    """Row 70: no further page is read once there are as many resources as the limit."""
    client = _client(PATIENT, fhir_max_resources=4)
    server.on("chemistry", faults.followed_by(faults.next_here))
    response = _fetch(client, server, "chemistry")

    assert _told(response, "chemistry")["state"] == "fetched in part"
    assert "more resources than 4" in _told(response, "chemistry")["why"]
    assert len(server.seen("chemistry")) == 1
    assert meaning(response) == meaning(post(_cut_off("chemistry")))


OLD = observation("62292-8", 14, "ng/mL", "2025-01-01")
NEW = observation("62292-8", 24, "ng/mL", "2026-01-01")
CUTS = [
    _row("500", faults.status(500), why="answered 500"),
    _row("another origin", faults.redirect(faults.at_another_port), why=ELSEWHERE),
    _row("no end", faults.followed_by(faults.next_here), why=f"more pages than {MOST_PAGES}"),
]


@rows(CUTS)
def test_oldest_first(patient_client: FlaskClient, post: Post, server: FaultServer, row: Row) -> None:
    """Row 70: where a required key is not sorted newest first, a page that cannot be had may hold the newest: 412."""
    server.on_pages("vitaminD", *row.met_with)
    page = bundle(OLD, NEW, link=[{"relation": "next", "url": server.page_url("vitaminD", 2)}])
    server.on("vitaminD", faults.value(page))

    for request in (changed(vitaminD=page), without("vitaminD")):
        response = post_to(patient_client, _asking(request, server.url))
        assert _is_412(response, "vitaminD", "newest first")
        assert row.why in problem(response)
    assert _serves_again(patient_client, post, server, "vitaminD")


def test_newer_on_a_later_page(patient_client: FlaskClient, server: FaultServer) -> None:
    """Row 70: a second page that is newer than the first shows that a third, which cannot be had, may be newer yet."""
    following = [{"relation": "next", "url": server.page_url("vitaminD", 2)}]
    server.on("vitaminD", faults.value(bundle(OLD, link=[{"relation": "next", "url": server.page_url("vitaminD", 1)}])))
    server.on_pages("vitaminD", faults.value(bundle(NEW, link=following)), faults.status(500))
    response = _fetch(patient_client, server, "vitaminD")

    assert _is_412(response, "vitaminD", "answered 500")
    assert len(server.seen("vitaminD")) == 3


@pytest.mark.parametrize("key", [*REQUIRED, "chemistry", "conditions", "medications"])
@pytest.mark.parametrize("where", ["first page", "next page"])
def test_another_patient(patient_client: FlaskClient, post: Post, server: FaultServer, key: str, where: str) -> None:
    """Row 44: what the server gives of another patient never becomes advice, on a later page neither: 422."""
    subject: Json = {"subject": {"reference": "Patient/somebody-else"}}
    stray = {
        "patient": {**golden()["prefetch"]["patient"], "id": "somebody-else"},
        "conditions": bundle({"resourceType": "Condition", **subject}),
        "medications": bundle({"resourceType": "MedicationRequest", **subject}),
    }.get(key, bundle(observation("2601-3", 0.72, "mmol/L", **subject)))
    if where == "next page" and key != "patient":
        server.on(key, faults.followed_by(faults.next_here))
        server.on_pages(key, faults.value(stray))
    else:
        server.on(key, faults.value(stray))
    response = _fetch(patient_client, server, key)

    assert response.status_code == 422
    assert f"prefetch.{key}" in problem(response)
    assert "somebody-else" not in problem(response)
    assert _serves_again(patient_client, post, server, key)
