"""Discovery (conformance rows 9 to 25): what an EHR reads before it calls."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import web
from cds_service.hooks.registry import REQUIRED as REQUIRED_SOURCES
from cds_service.hooks.registry import Registry
from cds_service.settings import Settings
from tests.support.fixtures import ROOT, SERVICE, engine
from tests.web.calls import DISCOVERY, KEYS, REQUIRED, REVERSE_DOMAIN, TODAY, Json, golden, without
from tests.web.conftest import Post

SEMVER = re.compile(r"\d+\.\d+(\.\d+)?(-[0-9A-Za-z.-]+)?")


@pytest.fixture
def document(client: FlaskClient) -> Json:
    """The discovery document."""
    body: Json = client.get(DISCOVERY).get_json()
    return body


@pytest.fixture
def entry(document: Json) -> Json:
    """The entry of the one service."""
    (found,) = document["services"]
    return dict(found)


def test_always_answers(client: FlaskClient) -> None:
    """Row 9, row 22: GET without a body is 200 and JSON."""
    response = client.get(DISCOVERY)

    assert (response.status_code, response.mimetype) == (200, "application/json")


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json", "text/html", "application/fhir+json", "application/json+fhir", "image/png", ""],
)
def test_any_accept(client: FlaskClient, accept: str) -> None:
    """Row 9: it answers whatever Accept says; some clients send the legacy FHIR type."""
    response = client.get(DISCOVERY, headers={"Accept": accept})

    assert (response.status_code, response.mimetype) == (200, "application/json")


def test_body_and_query_are_ignored(client: FlaskClient) -> None:
    """Row 9: a Content-Type on GET, a body or a query string change nothing."""
    plain = client.get(DISCOVERY).get_data()

    assert plain == client.get(f"{DISCOVERY}?x=1", data=b"{", content_type="application/json").get_data()


def test_head(client: FlaskClient) -> None:
    """Row 9: HEAD answers like GET, without a body."""
    response = client.head(DISCOVERY)

    assert (response.status_code, response.get_data()) == (200, b"")


def test_object_with_services(document: Json) -> None:
    """Row 10: the answer is an object that holds a `services` array, and nothing else."""
    assert list(document) == ["services"]
    assert isinstance(document["services"], list)


def test_no_services() -> None:
    """Row 11: without services the answer is still 200, with an empty array."""
    bare = Flask("bare", static_folder=None)
    web.init_app(bare, dataclasses.replace(engine(TODAY), registry=Registry(())), Settings(as_of=TODAY))

    response = bare.test_client().get(DISCOVERY)

    assert (response.status_code, response.get_json()) == (200, {"services": []})


@pytest.mark.parametrize("member", ["hook", "description", "id", "title", "usageRequirements"])
def test_texts(entry: Json, member: str) -> None:
    """Rows 12, 13, 14, 15, 18: hook, description, id, title and usageRequirements are texts with something in them."""
    assert isinstance(entry[member], str)
    assert entry[member] == entry[member].strip() != ""


def test_names(entry: Json) -> None:
    """Rows 12, 14: the id and the hook are those of the contract."""
    assert (entry["id"], entry["hook"]) == (SERVICE, "patient-view")


def test_lives_at_its_id(document: Json, post: Post) -> None:
    """Row 14: each id is the last step of its URL as it stands, without percent-encoding, and answers there."""
    for found in document["services"]:
        assert found["id"] == quote(found["id"], safe="")
        assert post(golden(), url=f"{DISCOVERY}/{found['id']}").status_code == 200


def test_prefetch_is_texts(entry: Json) -> None:
    """Row 16: `prefetch` maps each key to a FHIR query."""
    assert entry["prefetch"]
    assert [key for key, query in entry["prefetch"].items() if not isinstance(query, str) or not query.strip()] == []


def test_published_keys(entry: Json) -> None:
    """Row 17: the keys of the contract are published, in its order."""
    assert list(KEYS) == list(entry["prefetch"])


def test_published_keys_are_the_read_ones(entry: Json) -> None:
    """Row 17: the keys that are read are the keys that are published."""
    read = engine(TODAY).answer(SERVICE, json.dumps(golden()).encode()).keys

    assert list(entry["prefetch"]) == [key.source.value for key in read]


def test_required_keys(post: Post) -> None:
    """Row 17: of the published keys just the required ones are asked for with 412."""
    missing = [key for key in KEYS if post(without(key)).status_code == 412]

    assert list(REQUIRED) == missing
    assert set(REQUIRED) == {source.value for source in REQUIRED_SOURCES}


def test_usage_requirements_name_the_need(entry: Json) -> None:
    """Row 18: what the service needs is said for people."""
    assert [word for word in ("25(OH)D", "magnesium", "R4") if word not in entry["usageRequirements"]] == []


def test_version_is_semver(entry: Json) -> None:
    """Row 19: a `version` of the specification, if given, is a semantic version."""
    assert "version" not in entry or SEMVER.fullmatch(entry["version"])


def test_no_hook_version(entry: Json) -> None:
    """Row 20: `hookVersion` is left out: published pages disagree about it."""
    assert "hookVersion" not in entry


def test_one_id_one_service(document: Json) -> None:
    """Row 21: ids are distinct: the sandbox lets a later entry overwrite an earlier one of the same id."""
    ids = [found["id"] for found in document["services"]]

    assert sorted(set(ids)) == sorted(ids)


def test_extension_names(entry: Json) -> None:
    """Row 24: an extension, if any, is an object with reverse-domain names."""
    names = entry.get("extension", {})

    assert [name for name in names if not REVERSE_DOMAIN.fullmatch(name)] == []


def test_known_members_only(entry: Json) -> None:
    """Rows 12 to 24: an entry holds nothing the specification does not name."""
    known = {"hook", "id", "title", "description", "prefetch", "usageRequirements", "version", "extension"}

    assert set() == set(entry) - known


def test_stable(client: FlaskClient) -> None:
    """Row 9: the document is the same bytes each time, whatever the day: clients cache it."""
    other = Flask("other", static_folder=None)
    web.init_app(other, engine(date(2027, 1, 1)), Settings())

    assert client.get(DISCOVERY).get_data() == other.test_client().get(DISCOVERY).get_data()


def test_capabilities_are_written_down(entry: Json) -> None:
    """Row 25: a page for people names the service, its hook, every prefetch key, the FHIR version and the cards."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").glob("*.md")))
    wanted = [entry["id"], entry["hook"], *entry["prefetch"], "R4", "selectionBehavior"]

    assert [word for word in wanted if word not in pages] == []
