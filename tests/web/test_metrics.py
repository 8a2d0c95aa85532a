"""Numbers for Prometheus: what is counted, that it holds nothing of a patient, and who may read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from cds_service import create_app
from cds_service.errors import (
    BodyTooSlow,
    ClientGone,
    NoRoom,
    Overloaded,
    RequestError,
    TookTooLong,
    UnclearHost,
    UnknownCoding,
)
from cds_service.fhir import client as client_module
from cds_service.settings import Settings
from cds_service.trust.refusal import Untrusted
from cds_service.web.status_codes import REFUSED, body_too_large
from tests.support import fault_server as faults
from tests.support.fault_server import Fault, FaultServer
from tests.support.for_each import for_each
from tests.web.calls import DISCOVERY, PATIENCE, PATIENT_ID, TODAY, URL, golden, post_to, without

SERVICE = 'service="vitamin-d-magnesium"'
TOKEN = "a-token-of-the-watcher"  # noqa: S105 - made up
SAMPLE = re.compile(r"^(\w+(?:\{[^}]*\})?) ([0-9.e+-]+)$", re.MULTILINE)


def numbers(client: FlaskClient) -> dict[str, float]:
    """Every number, by its name with its labels."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.mimetype == "text/plain"
    return {name: float(value) for name, value in SAMPLE.findall(response.get_data(as_text=True))}


def grown(client: FlaskClient, before: dict[str, float]) -> dict[str, float]:
    """By how much each number grew."""
    return {
        name: value - before.get(name, 0.0)
        for name, value in numbers(client).items()
        if value != before.get(name, 0.0) and "_created" not in name
    }


def test_call_is_counted(client: FlaskClient):
    """A call with two cards counts once, with its time, its stages, nine prefetched keys, and each card."""
    before = numbers(client)
    post_to(client, golden())
    found = grown(client, before)

    assert found[f'cds_requests_total{{{SERVICE},status="200"}}'] == 1
    assert found[f"cds_request_seconds_count{{{SERVICE}}}"] == 1
    for stage in ("decode", "prefetch", "logic", "cards"):
        assert found[f'cds_stage_seconds_count{{stage="{stage}"}}'] == 1
    assert found['cds_prefetch_keys_total{state="prefetched"}'] == 9
    assert found['cds_cards_total{indicator="warning",topic="magnesium-low"}'] == 1
    assert found['cds_cards_total{indicator="warning",topic="vitamin-d-deficiency"}'] == 1
    assert not [name for name in found if name.startswith("cds_fhir")]


def test_lacking_key_is_counted(client: FlaskClient):
    """A key that was not sent, without a FHIR server to ask, is lacking."""
    before = numbers(client)
    post_to(client, without("chemistry"))
    found = grown(client, before)

    assert found['cds_prefetch_keys_total{state="lacking"}'] == 1
    assert found['cds_prefetch_keys_total{state="prefetched"}'] == 8


# Calls of FHIR servers.


@pytest.fixture(scope="module")
def fetching() -> Iterator[FlaskClient]:
    """The service with time to spare; a second try is made at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "PAUSE", 0.0)
        yield create_app(Settings(as_of=TODAY, **PATIENCE)).test_client()


@pytest.fixture(scope="module")
def impatient() -> FlaskClient:
    """The service that bears no long silence."""
    return create_app(Settings(as_of=TODAY, **{**PATIENCE, "fhir_read_timeout": 0.3})).test_client()


@pytest.fixture
def fhir(client: FlaskClient) -> Iterator[FaultServer]:
    """A FHIR server with the golden record, on pages of one entry."""
    service, *_ = client.get(DISCOVERY).get_json()["services"]
    with FaultServer(golden()["prefetch"], service["prefetch"], PATIENT_ID, page_size=1) as server:
        yield server


def fetch(client: FlaskClient, url: str) -> dict[str, float]:
    """How many calls of a FHIR server the numbers tell, by outcome, when `labOrders` is to be fetched from *url*."""
    before = numbers(client)
    assert post_to(client, {**without("labOrders"), "fhirServer": url}).status_code == 200
    found = grown(client, before)
    calls = {name: found[name] for name in found if name.startswith("cds_fhir_calls_total")}
    assert found.get("cds_fhir_call_seconds_count", 0) == sum(calls.values())
    return {re.findall(r'"(.*)"', name)[0]: value for name, value in calls.items()}


ENDS: dict[str, tuple[str, Fault]] = {
    "an answer": ("ok", faults.faithful),
    "404": ("not-found", faults.status(404)),
    "HTML": ("bad-answer", faults.body(b"<html>")),
    "redirects without end": ("bad-answer", faults.redirect(faults.itself)),
    "reset": ("unreachable", faults.reset),
}
"""What a FHIR server does, and how that is counted; `tests/fhir/test_client.py` has the end of every answer."""


@pytest.mark.parametrize(("end", "fault"), ENDS.values(), ids=ENDS)
def test_fhir_call_is_counted_by_how_it_ends(fetching: FlaskClient, fhir: FaultServer, end: str, fault: Fault):
    """One call for one key counts once, however often it was tried or redirected."""
    fhir.on("labOrders", fault)

    assert fetch(fetching, fhir.url) == {end: 1}


def test_second_try_is_no_second_call(fetching: FlaskClient, fhir: FaultServer):
    """A call that was broken off and goes well at the second try is one call, and is well."""
    fhir.on("labOrders", faults.reset, faults.faithful)

    assert fetch(fetching, fhir.url) == {"ok": 1}


def test_silent_fhir_server_is_counted(impatient: FlaskClient, fhir: FaultServer):
    """A server that does not answer in time is a timeout."""
    fhir.on("labOrders", faults.silent)

    assert fetch(impatient, fhir.url) == {"timeout": 1}


def test_absent_fhir_server_is_counted(fetching: FlaskClient):
    """A port where nobody listens is unreachable."""
    with faults.closed_port() as port:
        assert fetch(fetching, f"http://127.0.0.1:{port}") == {"unreachable": 1}


def test_each_page_is_a_call(fetching: FlaskClient, fhir: FaultServer):
    """A next page counts by itself, and so does the one that fails."""
    fhir.on("labOrders", faults.followed_by(faults.next_here))
    fhir.on_pages("labOrders", faults.status(500))

    assert fetch(fetching, fhir.url) == {"ok": 1, "error": 1}


def test_what_is_not_called_is_not_counted(fetching: FlaskClient, fhir: FaultServer):
    """Neither a server that may not be called counts, nor a next page on another server."""
    fhir.on("labOrders", faults.followed_by(faults.next_on_localhost))

    assert fetch(fetching, "https://ehr.example/fhir") == {}
    assert fetch(fetching, fhir.url) == {"ok": 1}


def test_numbers_begin_at_nothing(client: FlaskClient):
    """Every way in which a call may end is there before the first does, so that the first is seen as a growth."""
    found = numbers(client)

    assert set(client_module.Outcome) == set(re.findall(r'cds_fhir_calls_total\{outcome="(.+?)"', "\n".join(found)))
    reasons = re.findall(r'cds_refused_calls_total\{reason="(.+?)"', "\n".join(found))
    assert {
        "full", "deadline", "client-gone", "slow-body", "large-body", "cut-off-body", "no-room", "unclear-host",
        "unknown-coding", "too-many", "feedback-full", "database",
    } == set(reasons)  # fmt: skip
    assert found["cds_open_calls"] == 0


# Refusals.


@for_each(
    ("reason", "refusal"),
    [
        ("full", Overloaded("full")),
        ("deadline", TookTooLong("late")),
        ("client-gone", ClientGone("away")),
        ("slow-body", BodyTooSlow("slow")),
        ("large-body", body_too_large()),
        ("no-room", NoRoom("full")),
        ("unclear-host", UnclearHost("two")),
        ("unknown-coding", UnknownCoding("gzip")),
    ],
)
def test_refusal_of_the_server_is_counted(client: FlaskClient, reason: str, refusal: RequestError):
    """What the server refuses before it is worked on counts by its reason, and as a call with its status."""
    before = numbers(client)
    status = client.post(URL, json=golden(), environ_base={REFUSED: refusal}).status_code
    found = grown(client, before)

    assert found[f'cds_refused_calls_total{{reason="{reason}"}}'] == 1
    assert found[f'cds_requests_total{{service="unknown",status="{status}"}}'] == 1
    assert (status == 499) == (reason == "client-gone")  # no error of the service: CdsErrors counts 5xx


def test_caller_that_the_server_does_not_let_in_is_counted_as_such(client: FlaskClient):
    """Row 169: it is a bare 401, counted by the check that failed, and not as one of the server's own refusals."""
    before = numbers(client)
    status = client.post(URL, json=golden(), environ_base={REFUSED: Untrusted("keys", "not in time")}).status_code
    found = grown(client, before)

    assert status == 401
    assert found['cds_refused_tokens_total{check="keys"}'] == 1
    assert [name for name in found if name.startswith("cds_refused_calls_total")] == []


def test_refusals_are_counted_by_status(client: FlaskClient):
    """A 412 is a call of the service; an address of no service is counted without its name."""
    before = numbers(client)
    post_to(client, without("magnesium"))
    client.post("/cds-services/Rosalind-Franklin", json={})
    found = grown(client, before)

    assert found[f'cds_requests_total{{{SERVICE},status="412"}}'] == 1
    assert found['cds_requests_total{service="unknown",status="404"}'] == 1
    assert not [name for name in numbers(client) if "Rosalind" in name]


@for_each("address", [URL, f"{URL}/feedback"])
def test_preflight_is_no_call(client: FlaskClient, address: str):
    """A browser that asks whether it may call is not counted, neither as a call nor as feedback."""
    before = numbers(client)
    answer = client.options(
        address, headers={"Origin": "http://localhost:8090", "Access-Control-Request-Method": "POST"}
    )

    assert answer.status_code == 200
    assert grown(client, before) == {}


def test_nothing_of_the_patient_is_told(client: FlaskClient):
    """No id, name, date or value of the record is in the names and labels of the numbers."""
    post_to(client, golden())
    told = " ".join(numbers(client))  # names and labels; a time may happen to hold the digits of a value

    for secret in (PATIENT_ID, "Example", "1980-06-15", "0.72", "2026-02-20"):
        assert secret not in told


def test_feedback_and_quiet_cards_are_counted(tmp_path: Path):
    """A call of feedback counts, and so does the card that it keeps quiet."""
    settings = Settings(as_of=TODAY, feedback=True, database_url=f"sqlite:///{tmp_path}/kept.sqlite3")
    client = create_app(settings).test_client()
    card = next(
        card
        for card in post_to(client, golden()).get_json()["cards"]
        if card["source"]["topic"]["code"] == "vitamin-d-deficiency"
    )
    before = numbers(client)
    reason = {key: card["overrideReasons"][1][key] for key in ("code", "system")}
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-02T08:00:00Z"}
    client.application.extensions["cds_recorder"].flush()
    kept = client.post(f"{URL}/feedback", json={"feedback": [item | {"overrideReason": {"reason": reason}}]})
    post_to(client, golden())
    found = grown(client, before)
    client.application.extensions["cds_close"]()

    assert kept.status_code == 200
    assert found[f'cds_feedback_requests_total{{{SERVICE},status="200"}}'] == 1
    assert found['cds_quiet_cards_total{topic="vitamin-d-deficiency"}'] == 1


def test_guidance_in_force_is_told(client: FlaskClient):
    """Version, profile, overlay and digests of the guidance, shipped and local, are labels of a number that is 1."""
    told = [name for name in numbers(client) if name.startswith("cds_build_info")]

    assert [name for name in told if re.search(r'guidance="[0-9a-f]{12}",local="",overlay="kdoqi-2003"', name)]


def guarded(tmp_path: Path, token: str | None) -> FlaskClient:
    """A client of a service that asks for tokens."""
    registry = tmp_path / "clients.toml"
    registry.write_text('[[client]]\npreset = "local-trial"\n', encoding="utf-8")
    settings = Settings(
        auth="jwt",
        clients=registry,
        public_url="http://localhost",
        metrics_token=None if token is None else SecretStr(token),
        database_url=f"sqlite:///{tmp_path}/kept.sqlite3",
    )
    return create_app(settings).test_client()


@for_each(("token", "given", "status"), [(None, None, 404), (TOKEN, None, 401), (TOKEN, TOKEN, 200)])
def test_numbers_are_kept_inside(tmp_path: Path, token: str | None, given: str | None, status: int):
    """With CDS_AUTH=jwt the numbers are there only for who has their token."""
    headers = {} if given is None else {"Authorization": f"Bearer {given}"}

    assert guarded(tmp_path, token).get("/metrics", headers=headers).status_code == status


def test_refused_tokens_are_counted(tmp_path: Path):
    """A call that is not let in counts by the check that failed; what was sent as a token is nowhere."""
    client = guarded(tmp_path, TOKEN)
    watcher = {"Authorization": f"Bearer {TOKEN}"}
    before = client.get("/metrics", headers=watcher).get_data(as_text=True)
    assert client.post(URL, json=golden(), headers={"Authorization": "Bearer n0-t0ken"}).status_code == 401
    after = client.get("/metrics", headers=watcher).get_data(as_text=True)

    def count(text: str) -> float:
        return dict(SAMPLE.findall(text)).get('cds_refused_tokens_total{check="token"}', 0)

    assert float(count(after)) - float(count(before)) == 1
    assert "n0-t0ken" not in after
