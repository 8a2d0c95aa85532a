"""The pages behind the cards: `/about/<topic>` and `/about/source-attributes`, as HTML and as JSON."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.guidance import loading, topic_pages
from cds_service.hooks.order_hooks import SELECT
from cds_service.settings import Settings
from tests.support.fixtures import FOLDER, SERVICE, answer, situations
from tests.support.for_each import for_each
from tests.web.calls import DISCOVERY, TODAY, golden

GUIDANCE = loading.load()
TOPICS = list(GUIDANCE.topics.topic)
PAGES = [f"/about/{name}" for name in (*TOPICS, "source-attributes")]
JSON = {"Accept": "application/json"}
PUBLIC = "https://cds.example/base"
ROWS_WITH_NUMBERS = {
    "order-magnesium-kidney": ["O2a", "O2b"],
    "order-vitamin-d-dose": ["O5"],
    "order-vitamin-d-duplicate": ["O8"],
    "order-vitamin-d-too-soon": ["O10"],
}
AT_AN_ORDER = FOLDER / "orders" / "o6-calcitriol-for-deficiency" / "request.json"


def text(client: FlaskClient, page: str) -> str:
    """What a page says, as HTML."""
    shown = client.get(page, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (shown.status_code, shown.mimetype) == (200, "text/html")
    return html.unescape(re.sub(r"<[^>]+>", "", shown.get_data(as_text=True)))


def test_each_card_has_its_page() -> None:
    """There is one page for each topic of section 14, and for each of part 7 of the order hooks."""
    of_orders = {card.topic for card in GUIDANCE.order_cards.values()}

    assert sorted(TOPICS) == sorted([*(card.topic for card in GUIDANCE.cards.values()), *of_orders])


@for_each("page", PAGES)
@for_each("headers", [JSON, {"Accept": "text/html"}, {}])
def test_anybody_may_keep_a_page(client: FlaskClient, page: str, headers: dict[str, str]) -> None:
    """No script, no cookie; it may be kept for a while, by what was asked for, and no search engine lists it."""
    shown = client.get(page, headers=headers)

    assert shown.status_code == 200
    assert shown.mimetype == ("application/json" if headers == JSON else "text/html")
    assert shown.headers["Cache-Control"].startswith("public, max-age=")
    assert "Accept" in shown.headers["Vary"]
    assert shown.headers["X-Robots-Tag"] == "noindex"
    assert "script-src" not in shown.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in shown.headers
    assert b"<script" not in shown.data


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for part in value.values() for found in _strings(part)]
    if isinstance(value, list):
        return [found for part in value for found in _strings(part)]
    return [value] if isinstance(value, str) else []


@for_each("page", PAGES)
def test_both_forms_say_the_same(client: FlaskClient, page: str) -> None:
    """Whatever the JSON says stands in the HTML, but for the key of the topic."""
    told = client.get(page, headers=JSON).get_json()
    shown = " ".join(text(client, page).split())

    assert [s for s in _strings({**told, "topic": ""}) if " ".join(s.split()) not in shown] == []
    assert not re.search(r"[{}]", shown)


@for_each("topic", TOPICS)
@for_each("profile", loading.load().profiles)
def test_page_of_a_profile(client: FlaskClient, topic: str, profile: str) -> None:
    """`?profile=`: the page has the long forms that the profile has, the thresholds in force, sources, disclaimer."""
    guidance = loading.load(profile)
    told = client.get(f"/about/{topic}?profile={profile}", headers=JSON).get_json()
    named = {one["id"] for one in told["background"]}

    assert told["profile"] == profile
    assert named == set(guidance.topics.blocks_of(topic)) - set(guidance.profile.blocks_left_out)
    assert [one["profile"] for one in told["profiles"] if one["inForce"]] == [profile]
    assert told["thresholds"] or topic.startswith("order-")
    assert [one["row"] for one in told["rows"]] == ROWS_WITH_NUMBERS.get(topic, [])
    assert told["withheld"] or told["noneWithheld"]
    assert told["notLookedAt"]
    assert "pending" in told["guidance"]["review"]
    assert told["article"]["publisher"] == "Dr.Oracle"
    assert [
        one["key"] for one in told["sources"] if (one["url"] is not None) != guidance.evidence[one["key"]].verified
    ] == []


@for_each("page", ["/about/none", "/about/ckd?profile=none", "/about?profile=none", "/about/ckd/more"])
def test_what_is_not_there(client: FlaskClient, page: str) -> None:
    """An unknown topic or profile is 404, with an OperationOutcome."""
    refused = client.get(page)

    assert refused.status_code == 404
    assert refused.get_json()["resourceType"] == "OperationOutcome"


def test_source_attributes(client: FlaskClient) -> None:
    """All thirteen, in the order of the rule; 5 to 9, 12 and 13 are not used, 10 and 11 say where they are."""
    told = client.get("/about/source-attributes", headers=JSON).get_json()
    found = {one["number"]: one["value"] for one in told["attributes"]}

    assert list(found) == list(range(1, 14))
    assert {number for number, value in found.items() if value.startswith("Not used.")} == {5, 6, 7, 8, 9, 12, 13}
    assert "Patient.gender" in found[10]
    assert "Patient.birthDate" in found[11]
    assert "not a predictive intervention" in told["notPredictive"]
    assert "Nobody has certified" in told["notCertified"]


def test_linked_from_every_card_and_page() -> None:
    """The first link of each card, of an open chart or an order, is the page of its topic; lists link every page."""
    client = create_app(Settings(feedback=False, public_url=PUBLIC, as_of=TODAY)).test_client()
    asked = {SERVICE: golden(), SELECT: json.loads(AT_AN_ORDER.read_bytes())}
    cards = [
        card
        for name, body in asked.items()
        for card in client.post(f"{DISCOVERY}/{name}", json=body).get_json()["cards"]
    ]
    index = client.get("/about").get_data(as_text=True)

    assert {card["source"]["topic"]["code"] for card in cards} >= {"magnesium-low", "order-active-vitamin-d"}
    for card in cards:
        assert card["links"][0]["url"] == f"{PUBLIC}/about/{card['source']['topic']['code']}"
    for page in ("/", "/docs"):
        assert 'href="/about"' in client.get(page).get_data(as_text=True)
    for page in PAGES:
        assert f'href="{page}"' in index


def test_no_page_is_linked_without_a_public_address() -> None:
    """Where no public address is known, cards link sources alone."""
    links = [
        link
        for situation in situations()
        for card in answer(situation).response["cards"]
        for link in card.get("links", ())
    ]

    assert links
    assert [link for link in links if "/about/" in link["url"]] == []


def test_every_source_of_a_page_is_one_of_the_guidance() -> None:
    """A page names the sources of its card, of its blocks and of its thresholds, each once."""
    for topic in TOPICS:
        keys = [one["key"] for one in topic_pages.topic_page(GUIDANCE, topic)["sources"]]
        assert len(keys) == len(set(keys))
        assert set(keys) <= set(GUIDANCE.evidence)


@for_each("page", [f"/about/{topic}" for topic in TOPICS])
def test_sections_of_a_source_lead_to_the_rules(client: FlaskClient, page: str) -> None:
    """Each section that a number's source names, such as "section 6.2", is a link to its place in the documentation."""
    shown = client.get(page, headers={"Accept": "text/html"}).get_data(as_text=True)

    found = re.findall(r'<a href="([^"#]+)#(s[\d.]+)">([\d.]+)</a>', shown)

    assert not re.search(r"section \d", shown)
    assert all(place == f"s{number}" for _, place, number in found)
    assert all(f'id="{place}"' in client.get(address).get_data(as_text=True) for address, place, _ in set(found))
