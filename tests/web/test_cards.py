"""The response and its cards (conformance rows 97 to 149), over the answers to every golden request.

Row 102 and 103, the markdown of the detail, are in `test_markdown.py`. Rows 115, 121 (the client's half), 130, 135 and
147 (the client's half) are promises of the client.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest

from tests.support.fixtures import situations
from tests.web.calls import (
    PATIENT_ID,
    REVERSE_DOMAIN,
    SEARCHES,
    UUID4,
    Json,
    actions,
    golden,
    meaning,
    only_result,
    paths,
    suggestions,
    topics,
)
from tests.web.conftest import Post

CARD = {
    "uuid",
    "summary",
    "indicator",
    "detail",
    "source",
    "suggestions",
    "selectionBehavior",
    "overrideReasons",
    "links",
}
SUGGESTION = {"label", "uuid", "isRecommended", "actions"}
ACTION = {"type", "description", "resource"}
LINK = {"label", "url", "type"}
RESOURCES: dict[str, Any] = {"MedicationRequest": MedicationRequest, "ServiceRequest": ServiceRequest}
REPORTED = re.compile(r"\d (ng/mL|ng/dL|ug/L|nmol/L|mg/dL|mg/L|mmol/L|mEq/L)")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@pytest.fixture
def cards(answers: dict[str, Json]) -> list[tuple[str, Json]]:
    """Every card of every golden answer, with the name of its folder."""
    return [(name, card) for name, body in answers.items() for card in body["cards"]]


@pytest.fixture
def all_suggestions(answers: dict[str, Json]) -> list[tuple[str, Json]]:
    """Every suggestion of every golden answer."""
    return [(name, suggestion) for name, body in answers.items() for suggestion in suggestions(body)]


@pytest.fixture
def all_actions(answers: dict[str, Json]) -> list[tuple[str, Json]]:
    """Every action of every golden answer."""
    return [(name, action) for name, body in answers.items() for action in actions(body)]


@pytest.fixture
def links(cards: list[tuple[str, Json]]) -> list[tuple[str, Json]]:
    """Every link of every golden answer."""
    return [(name, link) for name, card in cards for link in card.get("links", ())]


def _subjects() -> dict[str, str]:
    return {situation.name: json.loads(situation.body)["context"]["patientId"] for situation in situations()}


def test_cards_always(answers: dict[str, Json]) -> None:
    """Row 97: `cards` is always there, and is an array."""
    assert [name for name, body in answers.items() if not isinstance(body["cards"], list)] == []


def test_no_system_actions(answers: dict[str, Json]) -> None:
    """Rows 98, 145: the service acts on nothing by itself: no `systemActions`, and nothing else beside `cards`."""
    assert [name for name, body in answers.items() if set(body) != {"cards"}] == []


def test_members_of_a_card(cards: list[tuple[str, Json]]) -> None:
    """Rows 99 to 144: a card has no member but those of the specification that are meant."""
    assert [(name, set(card) - CARD) for name, card in cards if set(card) - CARD] == []


def test_uuids(answers: dict[str, Json]) -> None:
    """Rows 99, 117: every card and every suggestion has a random UUID of its own."""
    uuids = [
        value
        for body in answers.values()
        for where, value in paths(body)
        if where and where[-1] == "uuid" and "resource" not in where
    ]
    wanted = sum(len(body["cards"]) + len(list(suggestions(body))) for body in answers.values())

    assert wanted == len(uuids) == len(set(uuids))
    assert [value for value in uuids if not UUID4.fullmatch(value)] == []


def test_uuids_are_fresh(post: Post) -> None:
    """Rows 99, 117: the same request twice gives two sets of uuids, so feedback tells the calls apart."""

    def uuids() -> set[str]:
        return {value for where, value in paths(post(golden()).get_json()) if where and where[-1] == "uuid"}

    first, second = uuids(), uuids()

    assert len(first) == len(second) > 0
    assert set() == first & second


def test_summary(cards: list[tuple[str, Json]]) -> None:
    """Row 100: the summary is one plain line of fewer than 140 characters."""
    found = [(name, card["summary"]) for name, card in cards if not 0 < len(card["summary"]) < 140]

    assert found == []
    assert [name for name, card in cards if len(card["summary"].splitlines()) != 1] == []


def test_summary_is_not_cut(cards: list[tuple[str, Json]]) -> None:
    """Row 100: no summary had to be cut to fit: each ends as a sentence."""
    assert [card["summary"] for _, card in cards if not card["summary"].endswith(".")] == []


@pytest.mark.parametrize("key", ["vitaminD", "magnesium"])
@pytest.mark.parametrize(
    ("value", "unit", "day"),
    [
        ("123456789.123456789", "ng/mL", "2026-02-20"),
        ("1234.5678", "nmol/L", "2025-11-30"),
        ("0.000000001", "mmol/L", "2026-02-20"),
        ("19.99999999999999999999999", "ng/mL", "2025-04-01"),
        ("4.999999999999", "mg/L", "2025-12-31"),
        ("49.94999", "nmol/L", "2025-12-31"),
        ("1.8199999999", "mEq/L", "2025-12-31"),
        ("999999999", "mg/dL", "2026-02-20"),
    ],
)
def test_summary_of_long_values(post: Post, key: str, value: str, unit: str, day: str) -> None:
    """Row 100: the longest values, units and dates still fit."""
    request = json.dumps(only_result(key, valueQuantity={"value": 0, "unit": unit}, effectiveDateTime=day))
    body = post(request.replace('"value": 0,', f'"value": {value},').encode()).get_json()

    assert [card["summary"] for card in body["cards"] if not 0 < len(card["summary"]) < 140] == []


def test_detail(cards: list[tuple[str, Json]]) -> None:
    """Row 101: every card has a detail, of at most 220 words and with the disclaimer at its end."""
    assert [(name, len(card["detail"].split())) for name, card in cards if len(card["detail"].split()) > 220] == []
    assert [
        name
        for name, card in cards
        if not card["detail"].split("\n\n")[-1].startswith("Decision support for health professionals")
    ] == []


def test_indicator(cards: list[tuple[str, Json]]) -> None:
    """Row 104: the indicator is one of three, and all three occur."""
    assert {"info", "warning", "critical"} == {card["indicator"] for _, card in cards}


def test_order_of_urgency(answers: dict[str, Json]) -> None:
    """Section 18, theme 20 of section 5: critical before warning before info."""
    rank = {"critical": 0, "warning": 1, "info": 2}
    ranks = {name: [rank[card["indicator"]] for card in body["cards"]] for name, body in answers.items()}

    assert [name for name, found in ranks.items() if found != sorted(found)] == []


def test_source(cards: list[tuple[str, Json]]) -> None:
    """Rows 105, 106, 107: every card names one source, with the profile in force and its state of review."""
    labels = {card["source"]["label"] for _, card in cards}

    assert labels
    assert [label for label in labels if "profile" not in label or "pending human review" not in label] == []


def test_source_url_and_icon(cards: list[tuple[str, Json]]) -> None:
    """Rows 108, 109, 110: an address of the source, or an icon, is absolute, or is not given."""
    found = [card["source"].get(member) for _, card in cards for member in ("url", "icon")]

    assert [
        url for url in found if url is not None and not (urlsplit(url).scheme == "https" and urlsplit(url).netloc)
    ] == []


def test_topic(cards: list[tuple[str, Json]]) -> None:
    """Rows 111, 134: the topic is a Coding of system, code and display, and nothing else."""
    found = [card["source"]["topic"] for _, card in cards]

    assert [topic for topic in found if set(topic) != {"system", "code", "display"}] == []
    assert [
        topic
        for topic in found
        if not urlsplit(topic["system"]).netloc or not re.fullmatch(r"[a-z0-9-]+", topic["code"])
    ] == []


def test_one_display_a_topic(cards: list[tuple[str, Json]]) -> None:
    """Row 111: a code is always displayed the same."""
    pairs = {(card["source"]["topic"]["code"], card["source"]["topic"]["display"]) for _, card in cards}

    assert len({code for code, _ in pairs}) == len(pairs)


def test_selection_behavior(cards: list[tuple[str, Json]]) -> None:
    """Rows 112, 113, 114, 115: `selectionBehavior` is `at-most-one` with suggestions, and is absent without."""
    found = [
        (name, card["source"]["topic"]["code"])
        for name, card in cards
        if card.get("selectionBehavior") != ("at-most-one" if "suggestions" in card else None)
    ]

    assert found == []
    assert [name for name, card in cards if card.get("suggestions", True) == []] == []


def test_members_of_a_suggestion(all_suggestions: list[tuple[str, Json]]) -> None:
    """Rows 116, 117, 122: a suggestion has label, uuid and actions; no `actionSelectionBehavior`."""
    assert [
        name
        for name, found in all_suggestions
        if set(found) - SUGGESTION or not {"label", "uuid", "actions"} <= set(found)
    ] == []


def test_labels_differ(cards: list[tuple[str, Json]]) -> None:
    """Row 116: the sandbox shows the label alone, so the labels of one card differ and are of a readable length."""
    found = {
        (name, card["source"]["topic"]["code"]): [s["label"] for s in card.get("suggestions", ())]
        for name, card in cards
    }

    assert [where for where, labels in found.items() if len(set(labels)) < len(labels)] == []
    assert [label for labels in found.values() for label in labels if not 0 < len(label) <= 160] == []


def test_recommended(cards: list[tuple[str, Json]]) -> None:
    """Rows 118, 119: at most one suggestion of a card is recommended: the first of several, none where there is one."""
    found = [
        (name, card["source"]["topic"]["code"])
        for name, card in cards
        for offered in (card.get("suggestions", []),)
        for marks in ([suggestion.get("isRecommended") for suggestion in offered],)
        if marks != ([True, *[False] * (len(marks) - 1)] if len(marks) > 1 else [None] * len(marks))
    ]

    assert found == []


def test_actions_of_a_suggestion(all_suggestions: list[tuple[str, Json]]) -> None:
    """Row 120: a suggestion does something, and never two alternatives at once: at most one drug."""
    assert [name for name, suggestion in all_suggestions if not suggestion["actions"]] == []
    assert [
        name
        for name, suggestion in all_suggestions
        if [action["resource"]["resourceType"] for action in suggestion["actions"]].count("MedicationRequest") > 1
    ] == []


def test_actions_create(all_actions: list[tuple[str, Json]]) -> None:
    """Rows 123, 126, 127, 128, 130: every action is `create`, lower case; nothing is updated or deleted."""
    assert all_actions
    assert [name for name, action in all_actions if action["type"] != "create" or set(action) != ACTION] == []


def test_action_descriptions(all_actions: list[tuple[str, Json]]) -> None:
    """Row 124: every action has a description that says that it is a draft."""
    assert [action["description"] for _, action in all_actions if "draft" not in action["description"].lower()] == []


def test_resources_are_valid(all_actions: list[tuple[str, Json]]) -> None:
    """Rows 2, 125: a created resource is an object, valid as R4, that says the same after a round trip."""
    for name, action in all_actions:
        resource = action["resource"]
        read = RESOURCES[resource["resourceType"]].model_validate(resource)
        assert resource == json.loads(read.model_dump_json()), name


def test_resources_refer_to_the_patient_only(answers: dict[str, Json]) -> None:
    """Rows 121, 131: the subject is the context's patient, and there is no other reference."""
    subjects = _subjects()
    found = [
        (name, value)
        for name, body in answers.items()
        for action in actions(body)
        for where, value in paths(action["resource"])
        if where and where[-1] == "reference"
        if (where, value) != (("subject", "reference"), f"Patient/{subjects[name]}")
    ]

    assert found == []
    assert [
        name for name, body in answers.items() for action in actions(body) if "subject" not in action["resource"]
    ] == []


def test_temporary_ids(answers: dict[str, Json]) -> None:
    """Row 129: every created resource has an id of its own in the response."""
    for name, body in answers.items():
        ids = [action["resource"]["id"] for action in actions(body)]
        assert len(ids) == len(set(ids)), name
        assert [found for found in ids if not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", found)] == [], name


def test_orders_are_drafts(all_actions: list[tuple[str, Json]]) -> None:
    """Row 131: an order is a draft and a proposal, for a person to sign."""
    assert {("draft", "proposal")} == {(a["resource"]["status"], a["resource"]["intent"]) for _, a in all_actions}


def test_orders_name_their_reason(all_actions: list[tuple[str, Json]]) -> None:
    """Section 16: every order names the result it is about."""
    assert [name for name, action in all_actions if not action["resource"]["reasonCode"][0]["text"].strip()] == []


def test_override_reasons(cards: list[tuple[str, Json]]) -> None:
    """Rows 132, 133, 134: every card offers from two to five reasons, Codings with system, code and display."""
    reasons = [reason for _, card in cards for reason in card["overrideReasons"]]

    assert {len(card["overrideReasons"]) for _, card in cards} <= {2, 3, 4, 5}
    assert [reason for reason in reasons if set(reason) != {"system", "code", "display"}] == []


PUBLISHED = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


def test_codes_of_override_reasons(cards: list[tuple[str, Json]]) -> None:
    """Row 136: the codes are HL7's where one fits; what they are called says what they mean here."""
    found = {(r["system"], r["code"], r["display"]) for _, card in cards for r in card["overrideReasons"]}

    assert {(code, display) for system, code, display in found if system == PUBLISHED} == {
        ("action-completed", "Already treated or supplemented elsewhere"),
        ("patient-refuses", "Patient declines"),
        ("action-not-priority", "Not clinically relevant now"),
        ("limited-time", "Will address at another visit"),
        ("patient-contraindication", "Contraindicated"),
    }
    assert {display for system, _, display in found if system != PUBLISHED} == {"Result known or repeated elsewhere"}


def test_links(links: list[tuple[str, Json]]) -> None:
    """Rows 137, 138, 139, 142, 143, 144: a link has a label, a url and the type `absolute`, and nothing more."""
    assert links
    assert [link for _, link in links if set(link) != LINK or link["type"] != "absolute"] == []


def test_link_addresses(links: list[tuple[str, Json]]) -> None:
    """Rows 139, 140, 141: a link is https, absolute, and carries nothing of the record: no query, no fragment."""
    subjects = _subjects()
    parts = [(name, urlsplit(link["url"])) for name, link in links]

    assert [
        url for _, url in parts if url.scheme != "https" or "." not in url.netloc or url.query or url.fragment
    ] == []
    assert [name for name, link in links if subjects[name] in link["url"]] == []


def test_link_labels(links: list[tuple[str, Json]]) -> None:
    """Row 138: a label is short, and one address has one label."""
    assert [link["label"] for _, link in links if not 0 < len(link["label"]) <= 80] == []
    assert len({link["url"] for _, link in links}) == len({(link["url"], link["label"]) for _, link in links})


def test_links_of_a_card_differ(cards: list[tuple[str, Json]]) -> None:
    """Row 137: no card links one source twice."""
    urls = [(name, [link["url"] for link in card.get("links", ())]) for name, card in cards]

    assert [name for name, found in urls if len(set(found)) < len(found)] == []


def test_few_hosts(links: list[tuple[str, Json]]) -> None:
    """Row 180: the hosts of links are few, so that a client can keep a list of them."""
    assert len({urlsplit(link["url"]).netloc for _, link in links}) <= 6


def test_dates_of_results(cards: list[tuple[str, Json]]) -> None:
    """Row 147: a card that names a result states its date, since a card can outlive what it rests on."""
    undated = [
        (name, card["summary"])
        for name, card in cards
        if REPORTED.search(card["summary"]) and not DAY.search(card["detail"])
    ]

    assert undated == []


def test_finding_is_in_the_summary(post: Post) -> None:
    """Row 193: a client may hide the detail, so the value and its unit are in the summary."""
    magnesium, vitamin_d = (found["summary"] for found in post(golden()).get_json()["cards"])

    assert "0.72 mmol/L" in magnesium
    assert "35.0 nmol/L" in vitamin_d


def test_same_again(post: Post) -> None:
    """Row 146: the same request gives the same cards but for uuids, so that a client may replace the old ones."""
    assert meaning(post(golden())) == meaning(post(golden()))


def test_every_situation_twice(post: Post) -> None:
    """Row 146: so it is in every situation, whatever was asked in between."""
    bodies = [situation.body for situation in situations()]

    assert [meaning(post(body)) for body in bodies] == [meaning(post(body)) for body in bodies]


def test_order_of_entries(post: Post) -> None:
    """Row 146, property 10: the order of the entries of a Bundle means nothing."""
    changed = []
    for situation in situations():
        request = json.loads(situation.body)
        for key in SEARCHES:
            page = request["prefetch"].get(key) or {}
            if "entry" in page:
                page["entry"] = list(reversed(page["entry"]))
        if topics(post(situation.body)) != topics(post(request)):
            changed.append(situation.name)

    assert changed == []


def test_one_card_a_topic(answers: dict[str, Json]) -> None:
    """Row 148, property 12: no finding is told twice."""
    found = {name: [card["source"]["topic"]["code"] for card in body["cards"]] for name, body in answers.items()}

    assert [name for name, codes in found.items() if len(set(codes)) < len(codes)] == []


def test_one_order_a_test(answers: dict[str, Json]) -> None:
    """Row 148, property 5: no two cards of a response order the same test, and no suggestion orders it twice."""
    for name, body in answers.items():
        per_card = [
            {
                action["resource"]["code"]["coding"][0]["code"]
                for action in actions({"cards": [card]})
                if action["resource"]["resourceType"] == "ServiceRequest"
            }
            for card in body["cards"]
        ]
        assert [(a, b) for a, b in itertools.combinations(per_card, 2) if a & b] == [], name


def test_extensions(answers: dict[str, Json]) -> None:
    """Rows 149, 185: an extension, if any, has reverse-domain names."""
    names: list[Any] = [
        member
        for body in answers.values()
        for where, value in paths(body)
        if where and where[-1] == "extension" and "resource" not in where
        for member in value
    ]

    assert [member for member in names if not REVERSE_DOMAIN.fullmatch(member)] == []


def test_drafts_are_about_the_patient_asked_for(post: Post) -> None:
    """Row 131: the drafts of the golden request are his."""
    subjects = {action["resource"]["subject"]["reference"] for action in actions(post(golden()).get_json())}

    assert {f"Patient/{PATIENT_ID}"} == subjects


def test_what_follows_a_course_is_said_beside_one_only(answers: dict[str, Json]):
    """A deficiency card that withholds the order speaks not of what follows the course or goes with it."""
    told = {True: 0, False: 0}
    for name, body in answers.items():
        for card in body["cards"]:
            if card["source"]["topic"]["code"] != "vitamin-d-deficiency":
                continue
            drafted = any(
                action["resource"]["resourceType"] == "MedicationRequest" for action in actions({"cards": [card]})
            )
            told[drafted] += 1
            assert drafted or "After the course" not in card["detail"], name
            assert drafted or "alongside vitamin D in deficiency" not in card["detail"], name

    assert min(told.values()) > 10
