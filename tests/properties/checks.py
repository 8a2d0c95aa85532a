"""What holds for every answer, whoever is asked about: sections 14 to 21 of the decision table, rows 97 to 149.

Each check gets one answer, and an assertion that fails names it. `test_answers.py` gives them the golden requests and
drawn patients.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.clinical.cards.display import LEVEL
from cds_service.clinical.states.derive import States
from tests.properties.running import (
    Run,
    derived,
    drugs,
    is_magnesium,
    lab_codes,
    magnesium_orders,
    run,
    service,
    vitamin_d_orders,
    without_uuids,
)
from tests.properties.strategies import UNFOLDED, Json, Setup

DISPLAY_ORDER = (
    "K-DTOX", "K-MGSEV", "K-MGVHIGH", "K-HOLD", "K-DHIGH", "K-MGHIGH", "K-MGLOW", "K-RESIST", "K-HIDOSE", "K-ACTIVED",
    "K-DDEF", "K-DINS", "K-TOOSOON", "K-RECHECK", "K-MGORDER", "K-MGWASTE", "K-MGLAT", "K-MGADJ", "K-CKD", "K-DMAINT",
    "K-D2INT", "K-DORDER", "K-STALE", "K-PREG", "K-PEDS", "K-DATA",
)  # fmt: skip
"""Section 18, as printed there."""
VITAMIN_D_CARDS = {
    "K-DDEF", "K-DINS", "K-DMAINT", "K-DHIGH", "K-DTOX", "K-RESIST", "K-TOOSOON", "K-RECHECK", "K-STALE", "K-DORDER",
}  # fmt: skip
MAGNESIUM_CARDS = {
    "K-MGSEV", "K-MGLOW", "K-MGLAT", "K-MGADJ", "K-MGHIGH", "K-MGVHIGH", "K-HIDOSE", "K-MGORDER", "K-MGWASTE",
}  # fmt: skip
BACKGROUND = {"B-MG", "B-TWOWAY", "B-CONCURRENT", "B-RESIST", "B-CKD", "B-OBESE", "B-TARGET", "B-D3", "B-ACTIVE"}
ON_PAGES_ALONE = ("B-DIFFER", "B-COFACTOR", "B-INTAKE", "B-CAMG", "B-CV", "B-MGHELPS")
FOOTERS = ("Decision support for health professionals", "No liability", "verify against primary sources")
ADVICE = ("ensure magnesium intake", "review intake", "and adequate magnesium")
MOST_WORDS, MOST_BULLET_WORDS, MOST_BULLETS, MOST_LABEL = 90, 14, 4, 80
"""Three bullets, and the recheck."""

MEMBERS = {
    "card": {"uuid", "summary", "indicator", "detail", "source", "suggestions", "selectionBehavior", "overrideReasons",
             "links"},
    "suggestion": {"label", "uuid", "isRecommended", "actions"},
    "action": {"type", "description", "resource"},
    "link": {"label", "url", "type"},
}  # fmt: skip
"""Rows 99 to 144: the members of the specification that are meant, and no other."""
CODING = {"system", "code", "display"}
RESOURCES: dict[str, Any] = {"MedicationRequest": MedicationRequest, "ServiceRequest": ServiceRequest}
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
REPORTED = re.compile(r"\d (ng/mL|ng/dL|ug/L|nmol/L|mg/dL|mg/L|mmol/L|mEq/L)")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
PROMISED = re.compile(r"(?:^Order urgently: |^Order |; order )(?P<labs>.*)$")


@dataclass(frozen=True)
class Answered:
    """A request with its answer: as it is shown, and with nothing folded."""

    asked: Json
    setup: Setup
    folded: Run
    unfolded: Run

    @classmethod
    def of(cls, asked: Json, setup: Setup) -> Answered:
        """Ask."""
        return cls(asked, setup, run(asked, setup), run(asked, setup._replace(max_cards=UNFOLDED)))

    @property
    def cards(self) -> list[Json]:
        """What is shown."""
        return self.folded.cards

    @property
    def actions(self) -> list[Json]:
        """Every action of it."""
        return [action for suggestion in self.suggestions for action in suggestion["actions"]]

    @property
    def suggestions(self) -> list[Json]:
        """Every suggestion of it."""
        return [suggestion for card in self.cards for suggestion in card.get("suggestions", ())]

    @cached_property
    def behind(self) -> States:
        """The states it comes from."""
        return derived(self.asked, self.setup)

    @property
    def patient_id(self) -> str:
        """Whom it is about."""
        found: str = self.asked["context"]["patientId"]
        return found


def same_again(answered: Answered) -> None:
    """Row 146, property 10: the same question has the same answer but for uuids, which are new (rows 99, 117)."""
    again = run(answered.asked, answered.setup)
    uuids = [{found["uuid"] for found in _with_uuids(one.cards)} for one in (answered.folded, again)]

    assert without_uuids(answered.folded.response) == without_uuids(again.response)
    assert not uuids[0] & uuids[1]


def order_means_nothing(answered: Answered) -> None:
    """Row 146, property 10: the entries of every Bundle the other way round give the same answer."""
    prefetch = {
        key: {**value, "entry": value["entry"][::-1]} if value and value.get("entry") else value
        for key, value in answered.asked["prefetch"].items()
    }
    turned = run({**answered.asked, "prefetch": prefetch}, answered.setup)

    assert without_uuids(answered.folded.response) == without_uuids(turned.response)


def _with_uuids(cards: list[Json]) -> Iterator[Json]:
    for card in cards:
        yield card
        yield from card.get("suggestions", ())


def uuids_differ(answered: Answered) -> None:
    """Rows 99, 117: every card and every suggestion has a random UUID of its own."""
    found = [one["uuid"] for one in _with_uuids(answered.cards)]

    assert len(found) == len(set(found))
    assert all(map(UUID4.fullmatch, found))


def members_are_meant(answered: Answered) -> None:
    """Rows 97 to 145: an answer is JSON of `cards` and nothing else; nothing in it has a member that is not meant."""
    response = answered.folded.response
    assert json.loads(json.dumps(response)) == response
    assert set(response) == {"cards"}
    for card in answered.cards:
        assert set(card) <= MEMBERS["card"]
        assert all(set(link) == MEMBERS["link"] and link["type"] == "absolute" for link in card.get("links", ()))
        assert all(set(reason) == CODING for reason in card["overrideReasons"])
        assert 2 <= len(card["overrideReasons"]) <= 5
    for suggestion in answered.suggestions:
        assert {"label", "uuid", "actions"} <= set(suggestion) <= MEMBERS["suggestion"]
    assert all(set(action) == MEMBERS["action"] for action in answered.actions)


def in_display_order(answered: Answered) -> None:
    """Section 14: every card has its topic. Section 18: critical, warning, info; inside a level the printed order."""
    found = answered.folded
    catalogue = service(answered.setup).guidance.cards
    topics = [card["source"]["topic"]["code"] for card in found.cards]
    places = [
        (LEVEL[card["indicator"]], DISPLAY_ORDER.index(name)) for card, name in zip(found.cards, found.ids, strict=True)
    ]

    assert topics == [catalogue[name].topic for name in found.ids]
    assert places == sorted(places)


def source_is_named(answered: Answered) -> None:
    """Rows 105 to 111: a card names its profile and its state of review; addresses are absolute; a topic is a code."""
    for card in answered.cards:
        source = card["source"]
        assert f"profile {answered.setup.profile}" in source["label"]
        assert "pending human review" in source["label"]
        for url in (source.get("url"), source.get("icon"), *(link["url"] for link in card.get("links", ()))):
            assert url is None or _is_plain(url)
        assert set(source["topic"]) == CODING
        assert urlsplit(source["topic"]["system"]).netloc
        assert re.fullmatch(r"[a-z0-9-]+", source["topic"]["code"])


def _is_plain(url: str) -> bool:
    """Rows 139 to 141: https, absolute, and nothing of the record in it: no query, no fragment."""
    parts = urlsplit(url)
    return parts.scheme == "https" and "." in parts.netloc and not parts.query and not parts.fragment


def links_differ(answered: Answered) -> None:
    """Rows 137, 138: no card links one source twice; a label is short."""
    for card in answered.cards:
        urls = [link["url"] for link in card.get("links", ())]
        assert len(set(urls)) == len(urls)
        assert all(0 < len(link["label"]) <= 80 for link in card.get("links", ()))


def folding_keeps_what_is_urgent(answered: Answered) -> None:
    """Section 18: urgent cards stay, and K-PREG, K-PEDS and K-DATA; info cards fill what is left; the rest is noted.

    A card that is shown keeps its own finding and its own suggestions.
    """
    unfolded, folded = answered.unfolded, answered.folded
    titles = {name: entry.display for name, entry in service(answered.setup).guidance.cards.items()}
    counted = [card.id for card in unfolded.chosen if card.id not in ("K-PREG", "K-PEDS", "K-DATA")]
    urgent = [card.id for card in unfolded.chosen if card.indicator != "info"]
    gone = counted[max(len(urgent), answered.setup.max_cards) :]

    assert folded.ids == [name for name in unfolded.ids if name not in gone]
    listed = [card["detail"].partition("Also noted\n")[2].splitlines() for card in folded.cards]
    noted = [line for lines in listed for line in lines]
    assert noted == [f"- {titles[name]}" for name in gone]
    for name, card in zip(folded.ids, folded.cards, strict=True):
        alone = unfolded.card(name)
        assert alone is not None
        assert card["detail"].startswith(alone["detail"].split("\n\n")[0])
        assert [one["label"] for one in card.get("suggestions", ())] == [
            one["label"] for one in alone.get("suggestions", ())
        ]


def one_card_of_each_map(answered: Answered) -> None:
    """Properties 7 and 12: one vitamin D card, one magnesium card, one card asks for magnesium; no topic twice."""
    found = answered.unfolded
    topics = [card["source"]["topic"]["code"] for card in found.cards]

    assert sum(card in VITAMIN_D_CARDS for card in found.ids) <= 1
    assert sum(card in MAGNESIUM_CARDS for card in found.ids) <= 1
    assert sum("19123-9" in lab_codes(card) for card in found.cards) <= 1
    assert len(topics) == len(set(topics))


def one_order_of_each_kind(answered: Answered) -> None:
    """Properties 5 and 6: one SR a LOINC code, alternatives of a card counted once; one card with each drug."""
    offered = [code for card in answered.cards for code in lab_codes(card)]

    assert len(offered) == len(set(offered))
    assert sum(bool(vitamin_d_orders([card])) for card in answered.cards) <= 1
    assert sum(bool(magnesium_orders([card])) for card in answered.cards) <= 1
    for suggestion in answered.suggestions:
        kinds = [action["resource"]["resourceType"] for action in suggestion["actions"]]
        codes = [a["resource"]["code"]["coding"][0]["code"] for a in suggestion["actions"] if "code" in a["resource"]]
        assert kinds.count("MedicationRequest") <= 1
        assert len(codes) == len(set(codes))


def magnesium_orders_are_safe(answered: Answered) -> None:
    """Property 3: a magnesium MR needs M = LOW, LAT or NORM and none of the reasons against it.

    No response with M other than LOW, LAT, NORM, with D = TOX, stage G4-G5 or unknown eGFR, dialysis, very low
    calcium, age <18 or pregnancy holds a magnesium MR. With M = LAT or NORM, or LOW inside the laboratory's range, one
    appears only in `magnesium-aware`, with D = DEF and a vitamin D MR in the same response.
    """
    found = answered.folded
    if not magnesium_orders(found.cards):
        return
    behind = answered.behind

    assert found.magnesium in ("LOW", "LAT", "NORM")
    assert found.vitamin_d != "TOX"
    assert behind.kidney.stage < 4
    assert behind.kidney.egfr_for_magnesium is not None
    assert not behind.kidney.dialysis
    assert not behind.calcium.very_low
    assert behind.person.age is not None
    assert behind.person.age >= 18
    assert not behind.person.pregnant
    if found.magnesium != "LOW" or behind.m.inside_range:
        assert answered.setup.profile == "magnesium-aware"
        assert found.vitamin_d == "DEF"
        assert vitamin_d_orders(found.cards)


def no_vitamin_d_order_against_a_stop(answered: Answered) -> None:
    """Property 4: D = HIGH or TOX, a very low calcium, or K-HOLD present, folded or not: no vitamin D MR."""
    for found in (answered.folded, answered.unfolded):
        if vitamin_d_orders(found.cards):
            assert found.vitamin_d not in ("HIGH", "TOX")
            assert "K-HOLD" not in found.ids
            assert not answered.behind.calcium.very_low


def what_cannot_be_read_is_said(answered: Answered) -> None:
    """R14: K-DATA is there for an adult exactly where a state is INDET; R5: then nothing is dosed by it."""
    found = answered.unfolded
    child = "R19" in found.rows
    untrusted = "INDET" in (found.vitamin_d, found.magnesium)

    assert ("K-DATA" in found.ids) == (untrusted and not child)
    if found.vitamin_d in ("INDET", "STALE", "UNK"):
        assert not vitamin_d_orders(found.cards)
    if found.magnesium in ("INDET", "STALE", "UNK"):
        assert not magnesium_orders(found.cards)


def no_order_passes_the_ceiling(answered: Answered) -> None:
    """Section 2: no suggested order exceeds 4,000 IU daily or 50,000 IU as a single dose; magnesium is 200 mg daily."""
    for drafted in (drafted for card in answered.cards for drafted in drugs(card)):
        dosage = drafted["dosageInstruction"][0]
        dose, rhythm = dosage["doseAndRate"][0]["doseQuantity"], dosage["timing"]["repeat"]
        assert (rhythm["frequency"], rhythm["period"]) == (1, 1)
        if is_magnesium(drafted):
            assert (dose["value"], dose["unit"], rhythm["periodUnit"]) == (200, "mg", "d")
        else:
            assert dose["unit"] == "IU"
            assert dose["value"] <= {"d": 4000, "wk": 50_000}[rhythm["periodUnit"]]
            assert rhythm["periodUnit"] == "d" or rhythm["boundsDuration"]["value"] == 8


def drafts_are_proposals_for_this_patient(answered: Answered) -> None:
    """Section 16, rows 121 to 131: each action creates a draft for the patient of the context, with an id of its own.

    It names its reason; a test is urgent or of a day to come, and says so; it refers to nobody else but who asks.
    """
    user = answered.asked["context"]["userId"]
    ids = [action["resource"]["id"] for action in answered.actions]

    assert len(ids) == len(set(ids))
    for action in answered.actions:
        resource = action["resource"]
        subject = {"reference": f"Patient/{answered.patient_id}"}
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", resource["id"])
        assert action["type"] == "create"
        assert "draft" in action["description"].lower()
        assert (resource["status"], resource["intent"], resource["subject"]) == ("draft", "proposal", subject)
        assert resource["requester"] == {"reference": user}
        assert json.dumps(resource).count('"reference"') == 2
        (reason,) = resource["reasonCode"]
        assert reason["text"].strip()
        assert "{" not in reason["text"]
        on, urgent = resource.get("occurrenceDateTime"), resource.get("priority")
        assert urgent in (None, "urgent")
        assert (urgent is not None) == ("URGENT" in action["description"])
        assert on is None or (urgent is None and DAY.fullmatch(on) and on >= answered.setup.as_of.isoformat())


def drafts_are_fhir(answered: Answered) -> None:
    """Rows 2, 125: a created resource is valid as R4, and says the same after a round trip."""
    for action in answered.actions:
        resource = action["resource"]
        read = RESOURCES[resource["resourceType"]].model_validate(resource)
        assert resource == json.loads(read.model_dump_json())


def suggestions_are_alternatives(answered: Answered) -> None:
    """Section 14.2, rows 112 to 119: at most one is chosen; of several the first is recommended; none is empty.

    No two are equal, nor are their labels, which is all that the sandbox shows.
    """
    for card in answered.cards:
        suggestions = card.get("suggestions")
        assert card.get("selectionBehavior") == (None if suggestions is None else "at-most-one")
        if suggestions is None:
            continue
        assert [suggestion.get("isRecommended") for suggestion in suggestions] == (
            [None] if len(suggestions) == 1 else [True] + [False] * (len(suggestions) - 1)
        )
        labels = [suggestion["label"] for suggestion in suggestions]
        assert len(set(labels)) == len(labels)
        assert all(0 < len(label) <= 160 for label in labels)
        assert all(suggestion["actions"] for suggestion in suggestions)
        alike = [[{**action["resource"], "id": ""} for action in suggestion["actions"]] for suggestion in suggestions]
        assert all(one not in alike[:place] for place, one in enumerate(alike))


def labels_promise_what_the_actions_hold(answered: Answered) -> None:
    """Row 116, section 17: each label names just the tests, days and dose of its actions, and what is urgent."""
    names = {lab.code: lab.short.lower() for lab in service(answered.setup).guidance.labs.values()}
    for suggestion in answered.suggestions:
        label = suggestion["label"].replace("Mg test now", "magnesium")
        resources = [action["resource"] for action in suggestion["actions"]]
        labs = [resource for resource in resources if resource["resourceType"] == "ServiceRequest"]
        drafted = [resource for resource in resources if resource["resourceType"] == "MedicationRequest"]
        days = {lab["occurrenceDateTime"] for lab in labs if "occurrenceDateTime" in lab}
        assert set(re.findall(r"\d{4}-\d{2}-\d{2}", label)) == days
        assert all(names[lab["code"]["coding"][0]["code"]] in label.lower() for lab in labs)
        assert label.startswith("Urgent: ") == any(lab.get("priority") == "urgent" for lab in labs)
        assert bool(drafted) == (" IU " in label or " mg daily" in label)
        for resource in drafted:
            dose = resource["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"]
            assert f" {dose:,} " in label


def summaries_are_sentences(answered: Answered) -> None:
    """Row 100, property 8: a line of at most 139 characters that begins and ends as a sentence, filled in, not cut."""
    for summary in (card["summary"] for card in answered.cards):
        assert 0 < len(summary) <= 139
        assert summary.endswith(".")
        assert summary[0].isupper() or summary[0].isdigit()
        assert not {"{", "}", "…", "\n"} & set(summary)
        assert "  " not in summary
        assert "None" not in summary


def findings_are_dated(answered: Answered) -> None:
    """Row 147: a card that names a result states its date, since a card can outlive what it rests on."""
    for card in answered.cards:
        if REPORTED.search(card["summary"]) and "undated" not in card["summary"]:
            assert DAY.search(card["summary"] + card["detail"])


def details_fit_and_are_filled_in(answered: Answered) -> None:
    """Property 13: a detail is at most 90 words, "Also noted" left out, in bullets of at most 14 words.

    Three bullets and the recheck; on a critical card one. The finding, why nothing is offered and the recheck are never
    left out (section 14.3), nothing is left to fill in, and nothing is said of None.
    """
    writer = service(answered.setup).writer
    for chosen, card in zip(answered.folded.chosen, answered.cards, strict=True):
        critical = card["indicator"] == "critical"
        detail = card["detail"].partition("\n\nAlso noted")[0]
        bullets = [line.removeprefix("- ") for line in detail.splitlines() if line.startswith("- ")]
        assert 0 < len(detail.split()) <= MOST_WORDS
        assert all(len(bullet.split()) <= MOST_BULLET_WORDS for bullet in bullets)
        assert len(bullets) <= (1 if critical else MOST_BULLETS)
        assert not {"{", "}"} & set(detail)
        assert "None" not in detail
        kept = [*chosen.found[:1], *chosen.so, *([] if chosen.then is None or critical else [chosen.then])]
        assert all(writer.fill(text) in detail for text in kept)


def no_background_on_critical_cards(answered: Answered) -> None:
    """Property 14: no critical card holds a background block."""
    for card in answered.cards:
        if card["indicator"] == "critical":
            assert not _background(answered.setup.profile, card["detail"])


def no_magnesium_advice_where_it_could_harm(answered: Answered) -> None:
    """Property 15: where G-ADV is closed no card advises magnesium, neither in a block nor in a summary."""
    if "G-ADV" not in answered.folded.rows:
        return
    for card in answered.cards:
        assert "B-CONCURRENT" not in _background(answered.setup.profile, card["detail"])
        told = f"{card['summary']} {card['detail']}".lower()
        assert not [words for words in ADVICE if words in told]


def labels_are_short(answered: Answered) -> None:
    """Property 16: every label of a suggestion is at most 80 characters."""
    for card in answered.cards:
        assert all(0 < len(suggestion["label"]) <= MOST_LABEL for suggestion in card.get("suggestions", ()))


def what_is_true_of_everybody_is_not_on_cards(answered: Answered) -> None:
    """Property 17: the state of review stands once on a card, in `source.label`; no footer, no block of pages alone."""
    topics = service(answered.setup).guidance.topics
    long_forms = [topics.block[name].text_in(answered.setup.profile).partition("{")[0] for name in ON_PAGES_ALONE]
    for card in answered.cards:
        assert json.dumps(card).count("pending human review") == 1
        assert "pending human review" in card["source"]["label"]
        assert not [text for text in (*long_forms, *FOOTERS) if text in card["detail"]]


def what_follows_a_course_is_said_beside_one_only(answered: Answered) -> None:
    """Section 15: a deficiency card that withholds the order speaks not of what follows it or goes with it."""
    card = answered.folded.card("K-DDEF")
    if card is not None and not drugs(card):
        assert "IU daily" not in card["detail"]
        assert "Magnesium beside vitamin D" not in card["detail"]


@cache
def _short_forms(profile: str) -> dict[str, str]:
    """Each background block as cards hold it, up to its first value."""
    wording = service(Setup(profile)).guidance.wording
    return {name: wording[f"block.{name}"].partition("{")[0] for name in BACKGROUND if f"block.{name}" in wording}


def _background(profile: str, detail: str) -> set[str]:
    return {name for name, text in _short_forms(profile).items() if text in detail}


CHECKS: tuple[Callable[[Answered], None], ...] = (
    same_again,
    order_means_nothing,
    uuids_differ,
    members_are_meant,
    in_display_order,
    source_is_named,
    links_differ,
    folding_keeps_what_is_urgent,
    one_card_of_each_map,
    one_order_of_each_kind,
    magnesium_orders_are_safe,
    no_vitamin_d_order_against_a_stop,
    what_cannot_be_read_is_said,
    no_order_passes_the_ceiling,
    drafts_are_proposals_for_this_patient,
    drafts_are_fhir,
    suggestions_are_alternatives,
    labels_promise_what_the_actions_hold,
    summaries_are_sentences,
    findings_are_dated,
    details_fit_and_are_filled_in,
    no_background_on_critical_cards,
    no_magnesium_advice_where_it_could_harm,
    labels_are_short,
    what_is_true_of_everybody_is_not_on_cards,
    what_follows_a_course_is_said_beside_one_only,
)
