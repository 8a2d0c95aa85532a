"""Discovery (conformance rows 9 to 25): what an EHR reads before it calls."""

from __future__ import annotations

import dataclasses
from datetime import date
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from cds_service import web
from cds_service.hooks.order_hooks import SELECT, SIGN
from cds_service.hooks.patient_view import REQUIRED as REQUIRED_SOURCES
from cds_service.hooks.registry import Registry
from cds_service.settings import Settings
from cds_service.web.application import WebApplication
from tests.support.fixtures import ROOT, SERVICE, engine
from tests.support.for_each import for_each
from tests.web.calls import DISCOVERY, KEYS, REQUIRED, TODAY, Json, golden, without
from tests.web.conftest import Post


@pytest.fixture
def document(client: FlaskClient) -> Json:
    """The discovery document."""
    body: Json = client.get(DISCOVERY).get_json()
    return body


HOOKS = {SERVICE: "patient-view", SELECT: "order-select", SIGN: "order-sign"}


@pytest.fixture(params=HOOKS)
def entry(document: Json, request: pytest.FixtureRequest) -> Json:
    """The entry of each service."""
    (found,) = (service for service in document["services"] if service["id"] == request.param)
    return dict(found)


@for_each(
    "accept",
    ["*/*", "application/json", "text/html", "application/fhir+json", "application/json+fhir", "image/png", ""],
)
def test_any_accept(client: FlaskClient, accept: str) -> None:
    """Row 9: it answers whatever Accept says; some clients send the legacy FHIR type."""
    response = client.get(DISCOVERY, headers={"Accept": accept})

    assert (response.status_code, response.mimetype) == (200, "application/json")


def test_no_services() -> None:
    """Row 11: without services the answer is still 200, with an empty array."""
    bare = WebApplication("bare", static_folder=None)
    web.init_app(bare, dataclasses.replace(engine(TODAY), registry=Registry(())), Settings(as_of=TODAY))

    response = bare.test_client().get(DISCOVERY)

    assert (response.status_code, response.get_json()) == (200, {"services": []})


@pytest.mark.parametrize("member", ["hook", "description", "id", "title", "usageRequirements"])
def test_texts(entry: Json, member: str) -> None:
    """Rows 12, 13, 14, 15, 18: hook, description, id, title and usageRequirements are texts with something in them."""
    assert isinstance(entry[member], str)
    assert entry[member] == entry[member].strip() != ""


def test_versions(document: Json) -> None:
    """Rows 19, 20: the version of the specification; that of the hook where its published pages agree on one."""
    found = {one["hook"]: (one["version"], one.get("hookVersion")) for one in document["services"]}

    assert found == {
        "patient-view": ("3.0.0", None), "order-select": ("3.0.0", "1.0"), "order-sign": ("3.0.0", "1.0")
    }  # fmt: skip


def test_names(document: Json) -> None:
    """Rows 12, 14: the ids and the hooks are those of the contract."""
    assert {service["id"]: service["hook"] for service in document["services"]}.items() >= HOOKS.items()


def test_lives_at_its_id(document: Json, post: Post) -> None:
    """Row 14: each id is the last step of its URL as it stands, without percent-encoding, and answers there."""
    for found in document["services"]:
        assert found["id"] == quote(found["id"], safe="")
        asked = golden() | {"hook": found["hook"]}
        asked["context"] = asked["context"] | {"draftOrders": {"resourceType": "Bundle"}}
        assert post(asked, url=f"{DISCOVERY}/{found['id']}").status_code == 200


def test_published_keys(entry: Json) -> None:
    """Row 17: the keys of the contract are published, in its order."""
    assert list(KEYS) == list(entry["prefetch"])


def test_required_keys(post: Post) -> None:
    """Row 17: of the published keys just the required ones are asked for with 412."""
    missing = [key for key in KEYS if post(without(key)).status_code == 412]

    assert list(REQUIRED) == missing
    assert set(REQUIRED) == {source.value for source in REQUIRED_SOURCES}


def test_known_members_only(entry: Json) -> None:
    """Rows 12 to 24: an entry holds nothing the specification does not name."""
    known = {
        "hook", "id", "title", "description", "prefetch", "usageRequirements", "version", "hookVersion", "extension"
    }  # fmt: skip

    assert set() == set(entry) - known


def test_stable(client: FlaskClient) -> None:
    """Row 9: the document is the same bytes each time, whatever the day: clients cache it."""
    other = WebApplication("other", static_folder=None)
    web.init_app(other, engine(date(2027, 1, 1)), Settings())

    assert client.get(DISCOVERY).get_data() == other.test_client().get(DISCOVERY).get_data()


def test_capabilities_are_written_down(entry: Json) -> None:
    """Row 25: a page for people names the service, its hook, every prefetch key, the FHIR version and the cards."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").rglob("*.md")))
    wanted = [entry["id"], entry["hook"], *entry["prefetch"], "R4", "selectionBehavior"]

    assert [word for word in wanted if word not in pages] == []
