"""The card writer (conformance rows 100 to 144, sections 14 and 18): words, folding, labels, links."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from functools import cache

import pytest

from cds_service.clinical import phrases
from cds_service.clinical.card import Card, DrugDraft, LabDraft, Suggestion, Text
from cds_service.clinical.guidance_types import Evidence
from cds_service.fhir.orders import Orders
from cds_service.hooks.cards import CardWriter
from tests.support.fixtures import SERVICE, engine, situations
from tests.web.calls import TODAY, Json

GUIDANCE = engine(TODAY).guidance
WRITER = CardWriter(GUIDANCE, Orders(GUIDANCE))
LIMIT = 220
RESULT = phrases.BECAUSE_RESULT(test="25(OH)D", v="14", u="ng/mL", date="2026-02-20")
FOUND = phrases.FOUND_D(v="14", u="ng/mL", converted="34.9 nmol/L", date="2026-02-20")
LONG = phrases.SAY_ADJUNCT()
ON = date(2026, 6, 2)
WEEKLY = "ergocalciferol-50000-weekly-8"
LAB_CODES = ("62292-8", "19123-9", "17861-6", "2160-0", "2777-1", "2731-8", "2823-3", "62290-2", "11524-6")
PROMISED = re.compile(r"(?:^Order urgently: |^Order |; order )(?P<labs>.*)$")
NOTES = [f" ({GUIDANCE.wording[f'label.{name}']})" for name in ("step-down", "check-both", "vitamin-d-alone")]


def _card(name: str = "K-CKD", **members: object) -> Card:
    return dataclasses.replace(Card(name, "info", phrases.S_CKD()), **members)  # type: ignore[arg-type]


def _written(*cards: Card, writer: CardWriter = WRITER) -> list[Json]:
    found: list[Json] = writer.write(cards, "p-1")["cards"]
    return found


def _words(card: Json) -> int:
    return len(card["detail"].split())


def _footer() -> str:
    return GUIDANCE.wording[phrases.FOOTER().key]


def _block(name: str) -> str:
    """The beginning of a block, up to its first value."""
    return GUIDANCE.wording[phrases.BLOCKS[name].key].partition("{")[0]


SITUATIONS = {situation.name: situation for situation in situations()}


@cache
def _folded(name: str, max_cards: int) -> list[Json]:
    """The cards of a golden situation, folded to *max_cards*."""
    situation = SITUATIONS[name]
    expected = situation.expected
    profile, overlay = expected.get("profile", "magnesium-aware"), expected.get("ckdOverlay", "kdoqi-2003")
    chosen = engine(situation.as_of, profile, overlay, max_cards)
    found: list[Json] = chosen.answer(SERVICE, situation.body).response["cards"]
    return found


@pytest.mark.parametrize("name", GUIDANCE.cards)
def test_all_blocks(name: str) -> None:
    """Property 13: a card of any kind with all its blocks and the footer is at most 220 words."""
    (found,) = _written(_card(name, blocks=GUIDANCE.cards[name].blocks, target="30 ng/mL (75 nmol/L)"))

    assert _words(found) <= LIMIT
    assert found["detail"].endswith(_footer())


@pytest.mark.parametrize("name", GUIDANCE.cards)
def test_many_sentences(name: str) -> None:
    """Section 14.3: with many sentences the blocks make room: 220 words at most, the finding first, the footer last."""
    always = [block for block in GUIDANCE.cards[name].blocks if phrases.BLOCKS[block].key in GUIDANCE.always_blocks]
    (found,) = _written(
        _card(name, says=(FOUND, *[LONG] * 60), blocks=GUIDANCE.cards[name].blocks, target="30 ng/mL (75 nmol/L)")
    )

    assert _words(found) <= LIMIT
    assert found["detail"].startswith("25(OH)D **14 ng/mL** (34.9 nmol/L) on 2026-02-20.")
    assert found["detail"].endswith(_footer())
    assert [block for block in always if _block(block) not in found["detail"]] == []


def test_blocks_end_with_the_first_that_does_not_fit() -> None:
    """Section 14.3: a block that would pass the limit is left out with those after it, however short they are."""
    blocks = ("B-CKD", "B-COFACTOR", "B-DIFFER", "B-CV", "B-RECHECK")
    (found,) = _written(_card(blocks=blocks, says=(LONG,) * 5))
    shown = [block for block in blocks if _block(block) in found["detail"]]

    assert list(blocks[: len(shown)]) == shown
    assert 0 < len(shown) < len(blocks)


def test_order_of_the_detail() -> None:
    """Section 14.3: sentences, then blocks in their order, then what is also noted, then the footer."""
    card = _card(says=(FOUND, LONG), blocks=("B-MG", "B-BOTH"), also_noted=(phrases.S_PREG(), phrases.S_D2INT()))
    (found,) = _written(card)
    parts = found["detail"].split("\n\n")

    assert parts[0].startswith("25(OH)D **14 ng/mL**")
    assert parts[0].endswith(GUIDANCE.wording[LONG.key])
    assert parts[1:3] == [_block("B-MG"), _block("B-BOTH")]
    assert parts[3].splitlines() == [
        "Also noted",
        f"- {GUIDANCE.wording[phrases.S_PREG().key]}",
        f"- {GUIDANCE.wording[phrases.S_D2INT().key]}",
    ]
    assert parts[4:] == [_footer()]


def test_nothing_to_say() -> None:
    """Row 5: without sentences and blocks the detail is the footer, without an empty paragraph before it."""
    assert [_footer()] == [found["detail"] for found in _written(_card())]


@pytest.mark.parametrize("max_cards", [1, 2, 3])
def test_folding(max_cards: int) -> None:
    """Section 18: of more cards than the limit, info cards become lines of the last one shown; nothing else is lost."""
    wrong = []
    for name in SITUATIONS:
        everything, shown = _folded(name, 26), _folded(name, max_cards)
        urgent = [card for card in everything if card["indicator"] != "info"]
        kept = max(max_cards, len(urgent))
        lines = [f"- {card['summary']}" for card in everything[kept:]]
        noted = [line for card in shown[-1:] for line in card["detail"].splitlines() if line.startswith("- ")]
        topics = [[card["source"]["topic"]["code"] for card in cards] for cards in (everything[:kept], shown)]
        if topics[0] != topics[1] or lines != noted:
            wrong.append(name)

    assert wrong == []


@pytest.mark.parametrize("max_cards", [1, 2, 3, 4])
def test_folded_cards_keep_their_finding(max_cards: int) -> None:
    """Sections 14.3, 18: what is noted of others never takes a card's own finding away, and 220 words hold."""
    wrong = []
    for name in SITUATIONS:
        alone = {card["source"]["topic"]["code"]: card for card in _folded(name, 26)}
        for card in _folded(name, max_cards):
            own = alone[card["source"]["topic"]["code"]]["detail"].split("\n\n")[0]
            if not card["detail"].startswith(own) or _words(card) > LIMIT:
                wrong.append((name, card["source"]["topic"]["code"]))

    assert wrong == []


def test_folding_carries_no_suggestion() -> None:
    """Section 18: the suggestions of a folded card are not carried over."""
    wrong = []
    for name in SITUATIONS:
        shown = _folded(name, 1)
        last = _folded(name, 26)[len(shown) - 1 : len(shown)]
        offered = [
            [[suggestion["label"] for suggestion in card.get("suggestions", ())] for card in cards]
            for cards in (shown[-1:], last)
        ]
        if offered[0] != offered[1]:
            wrong.append(name)

    assert wrong == []


def test_long_summary() -> None:
    """Row 100: a summary that would be too long is cut, with a sign that it was."""
    (found,) = _written(_card(summary=phrases.S_ACTIVED(drug="x" * 200)))

    assert len(found["summary"]) < 140
    assert found["summary"].endswith("…")


def test_sentences_begin_with_a_capital() -> None:
    """Section 14.1: a summary that begins with a drug's name begins with a capital letter."""
    (found,) = _written(_card(summary=phrases.S_ACTIVED(drug="calcitriol")))

    assert found["summary"].startswith("Calcitriol does not treat low 25(OH)D.")


def _suggestion(*drafts: DrugDraft | LabDraft, note: Text | None = None) -> Suggestion:
    return Suggestion(note, drafts)


@pytest.mark.parametrize(
    ("suggestion", "label"),
    [
        (_suggestion(DrugDraft(WEEKLY, RESULT)), "Ergocalciferol (D2) 50,000 IU weekly for 8 weeks"),
        (
            _suggestion(DrugDraft(WEEKLY, RESULT), LabDraft("62292-8", RESULT, ON)),
            "Ergocalciferol (D2) 50,000 IU weekly for 8 weeks; order 25(OH)D for 2026-06-02",
        ),
        (_suggestion(LabDraft("62292-8", RESULT)), "Order 25(OH)D"),
        (_suggestion(LabDraft("17861-6", RESULT), LabDraft("2731-8", RESULT)), "Order calcium, PTH"),
        (_suggestion(LabDraft("19123-9", RESULT, ON)), "Order magnesium for 2026-06-02"),
        (
            _suggestion(LabDraft("11524-6", RESULT, urgent=True), LabDraft("2823-3", RESULT, urgent=True)),
            "Order urgently: ECG, potassium",
        ),
    ],
    ids=["drug", "drug and lab", "lab", "labs", "dated lab", "urgent labs"],
)
def test_labels(suggestion: Suggestion, label: str) -> None:
    """Row 116: a label says just what its actions do, the day of a dated test and urgency included."""
    (found,) = _written(_card(suggestions=(suggestion,)))

    assert found["suggestions"][0]["label"].lower() == label.lower()


@pytest.mark.parametrize("code", LAB_CODES)
def test_a_withdrawn_lab_leaves_the_label(code: str) -> None:
    """Section 17: a lab order that was withdrawn is not promised: the label with it names it, without it does not."""
    name = GUIDANCE.labs[code].analyte
    drug = DrugDraft("cholecalciferol-2000-daily", RESULT)
    with_lab, without_lab = _written(
        _card(suggestions=(_suggestion(drug, LabDraft(code, RESULT, ON)),)), _card(suggestions=(_suggestion(drug),))
    )

    assert name in with_lab["suggestions"][0]["label"]
    assert name not in without_lab["suggestions"][0]["label"]
    assert "order" not in without_lab["suggestions"][0]["label"].lower()


def _lab(action: Json) -> str:
    resource = action["resource"]
    name = GUIDANCE.labs[resource["code"]["coding"][0]["code"]].analyte
    return f"{name} for {resource['occurrenceDateTime']}" if "occurrenceDateTime" in resource else name


@pytest.mark.parametrize("name", SITUATIONS)
def test_labels_promise_what_the_actions_hold(name: str) -> None:
    """Row 116, section 17: in every situation each label names just the tests, days and drug of its actions."""
    for card in _folded(name, 26):
        for suggestion in card.get("suggestions", ()):
            resources = [action["resource"] for action in suggestion["actions"]]
            labs = [_lab(a) for a in suggestion["actions"] if a["resource"]["resourceType"] == "ServiceRequest"]
            label = suggestion["label"]
            for note in NOTES:
                label = label.removesuffix(note)
            promised = PROMISED.search(label)
            assert labs == ([] if promised is None else promised["labs"].split(", "))

            urgent = [
                resource.get("priority") for resource in resources if resource["resourceType"] == "ServiceRequest"
            ]
            assert suggestion["label"].startswith("Order urgently") == (bool(urgent) and set(urgent) == {"urgent"})

            labels = {order.text: order.label for order in GUIDANCE.drugs.values()}
            drugs = [
                r["medicationCodeableConcept"]["text"] for r in resources if r["resourceType"] == "MedicationRequest"
            ]
            named = [text for text, label in labels.items() if suggestion["label"].startswith(label)]
            assert drugs == named


def test_one_suggestion_is_not_recommended() -> None:
    """Row 118, section 14.2: a single suggestion carries no `isRecommended`; of several the first does."""
    lab = _suggestion(LabDraft("62292-8", RESULT))
    other = _suggestion(LabDraft("19123-9", RESULT))
    (one,) = _written(_card(suggestions=(lab,)))
    (two,) = _written(_card(suggestions=(lab, other)))

    assert [suggestion.get("isRecommended") for suggestion in one["suggestions"]] == [None]
    assert [suggestion.get("isRecommended") for suggestion in two["suggestions"]] == [True, False]


def test_no_suggestions() -> None:
    """Rows 5, 113: without suggestions there is neither the array nor `selectionBehavior`."""
    (found,) = _written(_card())

    assert {"suggestions", "selectionBehavior"} & set(found) == set()


def test_ids_count_over_all_cards() -> None:
    """Row 129: temporary ids run on from card to card."""
    card = _card(suggestions=(_suggestion(LabDraft("62292-8", RESULT), LabDraft("19123-9", RESULT)),))
    ids = [
        action["resource"]["id"]
        for found in _written(card, card)
        for suggestion in found["suggestions"]
        for action in suggestion["actions"]
    ]

    assert len(ids) == len(set(ids)) == 4


def test_writing_twice_shares_nothing() -> None:
    """Row 146: what a caller does to one response never reaches the next."""
    card = _card("K-DDEF", suggestions=(_suggestion(DrugDraft(WEEKLY, RESULT), LabDraft("62292-8", RESULT, ON)),))
    (first,) = _written(card)
    before = first["suggestions"][0]["actions"][0]["resource"]["subject"]["reference"]
    first["suggestions"][0]["actions"][0]["resource"]["subject"]["reference"] = "Patient/another"
    (second,) = _written(card)

    assert before == second["suggestions"][0]["actions"][0]["resource"]["subject"]["reference"]


@pytest.mark.parametrize("name", GUIDANCE.cards)
def test_links_are_verified(name: str) -> None:
    """Section 14: a card links the sources of its catalogue entry that are verified, in order, and no other."""
    entry = GUIDANCE.cards[name]
    wanted = [GUIDANCE.evidence[key].url for key in entry.links if GUIDANCE.evidence[key].verified]
    (found,) = _written(_card(name))

    assert wanted == [link["url"] for link in found.get("links", ())]


def test_unverified_sources_are_never_linked() -> None:
    """Section 14: when a source loses its mark its link is gone, and without any the member is left out."""
    one = dict(GUIDANCE.evidence)
    one["demay-2024"] = dataclasses.replace(one["demay-2024"], verified=False)
    none = {key: dataclasses.replace(entry, verified=False) for key, entry in GUIDANCE.evidence.items()}

    def linked(evidence: dict[str, Evidence]) -> list[str]:
        guidance = dataclasses.replace(GUIDANCE, evidence=evidence)
        (found,) = _written(_card("K-DDEF"), writer=CardWriter(guidance, Orders(guidance)))
        assert found.get("links", True) != []
        return [link["url"] for link in found.get("links", ())]

    before = linked(dict(GUIDANCE.evidence))

    assert [url for url in before if url != GUIDANCE.evidence["demay-2024"].url] == linked(dict(one))
    assert linked(dict(none)) == []


def test_links_of_obesity() -> None:
    """Section 14: the sources of the block on obesity are linked where it is shown."""
    plain, obese = (_written(_card("K-DDEF", obese=obese))[0] for obese in (False, True))
    added = [
        GUIDANCE.evidence[key].url for key in GUIDANCE.cards["K-DDEF"].obesity_links if GUIDANCE.evidence[key].verified
    ]

    assert [link["url"] for link in plain["links"]] + added == [link["url"] for link in obese["links"]]


def test_verified_sources_have_an_address() -> None:
    """Row 139: what may be linked has an absolute https address and a short label."""
    verified = {key: entry for key, entry in GUIDANCE.evidence.items() if entry.verified}

    assert [key for key, entry in verified.items() if not (entry.url or "").startswith("https://")] == []
    assert [key for key, entry in verified.items() if not 0 < len(entry.label) <= 80] == []
