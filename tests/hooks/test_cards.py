"""The card writer (conformance rows 100 to 144, sections 14 and 18): words, folding, labels, links."""

from __future__ import annotations

import re
import statistics
from datetime import date
from functools import cache

from cds_service.clinical.guidance_types import Evidence
from cds_service.clinical.words import phrases
from cds_service.clinical.words.card import Card, DrugDraft, LabDraft, Note, Suggestion
from cds_service.fhir.orders import Ordered, Orders
from cds_service.hooks.card_json import AboutPages, CardWriter
from tests.support.fixtures import SERVICE, engine, situations
from tests.support.for_each import for_each
from tests.web.calls import TODAY, Json

GUIDANCE = engine(TODAY).guidance
WRITER = CardWriter(GUIDANCE, Orders(GUIDANCE))
RULES = GUIDANCE.limits.card
RESULT = phrases.BECAUSE_RESULT(test="25(OH)D", v="14", u="ng/mL", date="2026-02-20")
FOUND = phrases.FOUND_D(v="14", u="ng/mL", converted="34.9 nmol/L", date="2026-02-20")
LONG = phrases.SO_PREGNANCY()
HOLDS = phrases.BEWARE_REPEAT_CALCIUM()
LIVER = phrases.BEWARE_LIVER()
PPI = phrases.BEWARE_PPI()
MAGNESIUM = phrases.BLOCKS["B-CONCURRENT"]()
RECHECK = phrases.THEN_RECHECK_NOW()
HAEMOLYSED = phrases.NOTE_HAEMOLYSED()
ON = date(2026, 6, 2)
WEEKLY = "d2-weekly"


def _card(name: str = "K-CKD", **members: object) -> Card:
    return Card(name, "info", phrases.S_CKD()).changed(**members)


def _written(*cards: Card, writer: CardWriter = WRITER) -> list[Json]:
    found: list[Json] = writer.write(cards, Ordered.by("p-1", date(2026, 3, 2))).plain["cards"]
    return found


def _words(detail: str) -> int:
    return len(detail.partition("\n\nAlso noted")[0].split())


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


def _bullets(detail: str) -> list[str]:
    return [line.removeprefix("- ") for line in detail.splitlines() if line.startswith("- ")]


def test_too_long_loses_bullets_from_the_end() -> None:
    """Section 14.3, P13: what is too long for 90 words loses bullets of part 3, never the rest."""
    card = _card(found=(FOUND,), so=(LONG,) * 5, beware=(HOLDS, PPI, LIVER), background=MAGNESIUM, then=RECHECK)
    (found,) = _written(card)
    kept = _bullets(found["detail"])

    assert _words(found["detail"]) <= RULES.max_words
    assert kept == [WRITER.fill(HOLDS), WRITER.fill(RECHECK)]
    assert found["detail"].split("\n\n")[1].split(". ") == " ".join([WRITER.fill(LONG)] * 5).split(". ")


def test_background_goes_first() -> None:
    """Section 14.3: background is the last bullet of part 3, so it is the first to go."""
    fits, full = (
        _written(_card(found=(FOUND,), so=(LONG,) * times, beware=(LIVER,), background=MAGNESIUM, then=RECHECK))[0]
        for times in (4, 5)
    )

    assert _bullets(fits["detail"]) == [WRITER.fill(text) for text in (LIVER, MAGNESIUM, RECHECK)]
    assert _bullets(full["detail"]) == [WRITER.fill(text) for text in (LIVER, RECHECK)]


def test_three_bullets() -> None:
    """Section 14.3: at most three bullets in part 3, the background among them; the recheck is a fourth."""
    card = _card(found=(FOUND,), beware=(LIVER, PPI, LIVER, PPI), background=MAGNESIUM, then=RECHECK)
    (written,) = _written(card)

    assert _bullets(written["detail"]) == [WRITER.fill(text) for text in (LIVER, PPI, LIVER, RECHECK)]


def test_critical_cards_have_one_bullet() -> None:
    """Section 14.3: a critical card has parts 1 and 2 and at most one bullet."""
    card = _card(indicator="critical", found=(FOUND,), so=(LONG,), beware=(LIVER, PPI), then=RECHECK)
    (written,) = _written(card)

    assert written["detail"].split("\n\n") == [WRITER.fill(FOUND), WRITER.fill(LONG), f"- {WRITER.fill(LIVER)}"]


def test_flags_give_way_last() -> None:
    """P13: where parts 1, 2 and 4 alone are too long, flags go from the end of part 1; the finding stays."""
    (written,) = _written(_card(found=(FOUND, *(HAEMOLYSED,) * 20), beware=(LIVER,), then=RECHECK))

    assert _words(written["detail"]) <= RULES.max_words
    assert written["detail"].startswith(WRITER.fill(FOUND))
    assert _bullets(written["detail"]) == [WRITER.fill(RECHECK)]


def test_order_of_the_detail() -> None:
    """Section 14.3: found, why nothing is offered, bullets, the recheck, then what is also noted."""
    card = _card(
        found=(FOUND, HAEMOLYSED),
        so=(LONG,),
        beware=(LIVER,),
        background=MAGNESIUM,
        then=RECHECK,
        also_noted=("Pregnancy", "Intermittent ergocalciferol"),
    )
    (found,) = _written(card)

    assert found["detail"].split("\n\n") == [
        f"{WRITER.fill(FOUND)} {WRITER.fill(HAEMOLYSED)}",
        WRITER.fill(LONG),
        "\n".join(f"- {WRITER.fill(text)}" for text in (LIVER, MAGNESIUM, RECHECK)),
        "Also noted\n- Pregnancy\n- Intermittent ergocalciferol",
    ]


@for_each("name", SITUATIONS)
def test_details_of_situations(name: str) -> None:
    """P13: every detail fits, with bullets of at most 14 words, three and the recheck, one on a critical card."""
    for card in _folded(name, 26):
        bullets = _bullets(card["detail"])
        assert 0 < _words(card["detail"]) <= RULES.max_words
        assert [bullet for bullet in bullets if len(bullet.split()) > RULES.bullet_words] == []
        assert len(bullets) <= (1 if card["indicator"] == "critical" else RULES.max_bullets + 1)


def test_most_details_are_short() -> None:
    """P13, section 14.3: in the median a detail has at most 60 words, and the cards of a chart 130 together."""
    charts = [[_words(card["detail"]) for card in _folded(name, 4)] for name in SITUATIONS]

    assert statistics.median([words for chart in charts for words in chart]) <= 60
    assert statistics.median([sum(chart) for chart in charts if chart]) <= 130


@for_each("max_cards", [1, 4])
def test_folded_cards_keep_their_detail(max_cards: int) -> None:
    """Sections 14.3, 18: what is noted of others takes nothing from a card's own detail."""
    wrong = []
    for name in SITUATIONS:
        alone = {card["source"]["topic"]["code"]: card["detail"] for card in _folded(name, 26)}
        shown = {card["source"]["topic"]["code"]: card["detail"] for card in _folded(name, max_cards)}
        wrong += [
            (name, topic) for topic, detail in shown.items() if detail.partition("\n\nAlso noted")[0] != alone[topic]
        ]

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


def _suggestion(*drafts: DrugDraft | LabDraft, note: Note = "") -> Suggestion:
    return Suggestion(drafts, note)


MAGNESIUM_NOW, CALCIUM = LabDraft("magnesium", RESULT), LabDraft("ca-total", RESULT)


@for_each(
    ("suggestion", "label"),
    [
        (_suggestion(DrugDraft(WEEKLY, RESULT)), "D2 50,000 IU weekly x 8"),
        (
            _suggestion(DrugDraft(WEEKLY, RESULT), LabDraft("vitamin-d", RESULT, ON), MAGNESIUM_NOW),
            "D2 50,000 IU weekly x 8; recheck 25(OH)D 2026-06-02; Mg test now",
        ),
        (_suggestion(DrugDraft(WEEKLY, RESULT), MAGNESIUM_NOW), "D2 50,000 IU weekly x 8; Mg test now"),
        (
            _suggestion(DrugDraft("magnesium-daily", RESULT), LabDraft("magnesium", RESULT, ON), CALCIUM),
            "Magnesium 200 mg daily; recheck 2026-06-02; test calcium",
        ),
        (_suggestion(DrugDraft("magnesium-daily", RESULT), CALCIUM), "Magnesium 200 mg daily; test calcium"),
        (_suggestion(LabDraft("vitamin-d", RESULT)), "Test 25(OH)D"),
        (_suggestion(CALCIUM, LabDraft("pth", RESULT)), "Test calcium, PTH"),
        (_suggestion(LabDraft("magnesium", RESULT, ON)), "Test magnesium for 2026-06-02"),
        (
            _suggestion(LabDraft("ecg", RESULT, urgent=True), LabDraft("potassium", RESULT, urgent=True)),
            "Urgent: ECG, potassium",
        ),
        (_suggestion(LabDraft("vitamin-d", RESULT), MAGNESIUM_NOW, note="both"), "Both: 25(OH)D and magnesium"),
        (
            _suggestion(LabDraft("vitamin-d", RESULT, ON), MAGNESIUM_NOW, note="both"),
            "Both: 25(OH)D for 2026-06-02 and magnesium",
        ),
        (_suggestion(LabDraft("vitamin-d", RESULT), note="alone"), "25(OH)D alone"),
        (_suggestion(LabDraft("vitamin-d", RESULT, ON), note="alone"), "25(OH)D for 2026-06-02"),
    ],
    ids=[
        "drug", "drug and both tests", "recheck withdrawn", "magnesium and tests", "its recheck withdrawn", "lab",
        "labs", "dated lab", "urgent labs", "both", "both, dated", "alone", "alone, dated",
    ],
)  # fmt: skip
def test_labels(suggestion: Suggestion, label: str) -> None:
    """Row 116, sections 14.2 and 17: a label says just what its actions do, never what was withdrawn."""
    (found,) = _written(_card(suggestions=(suggestion,)))

    assert found["suggestions"][0]["label"] == label


SHORT = {GUIDANCE.labs[test].code: name for test, name in {
    "vitamin-d": "25(OH)D", "magnesium": "magnesium", "ca-total": "calcium", "creatinine": "creatinine",
    "phosphate": "phosphate", "pth": "PTH", "potassium": "potassium", "active-vitamin-d": "1,25(OH)2D", "ecg": "ECG",
}.items()}  # fmt: skip


@for_each("name", SITUATIONS)
def test_labels_promise_what_the_actions_hold(name: str) -> None:
    """Row 116, section 17, P16: in every situation a label names its drug, tests and days, in 80 characters."""
    for card in _folded(name, 26):
        for suggestion in card.get("suggestions", ()):
            label = suggestion["label"].replace("Mg test now", "magnesium")
            resources = [action["resource"] for action in suggestion["actions"]]
            labs = [r for r in resources if r["resourceType"] == "ServiceRequest"]
            drugs = [r for r in resources if r["resourceType"] == "MedicationRequest"]
            assert len(suggestion["label"]) <= RULES.max_label
            assert set(re.findall(r"\d{4}-\d{2}-\d{2}", label)) == {
                lab["occurrenceDateTime"] for lab in labs if "occurrenceDateTime" in lab
            }
            for lab in labs:
                assert SHORT[lab["code"]["coding"][0]["code"]].lower() in label.lower()
            assert label.startswith("Urgent: ") == any(lab.get("priority") == "urgent" for lab in labs)
            assert bool(drugs) == (" IU " in label or " mg daily" in label)
            for drug in drugs:
                dose = drug["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"]
                assert f" {dose:,} " in label


def test_one_suggestion_is_not_recommended() -> None:
    """Row 118, section 14.2: a single suggestion carries no `isRecommended`; of several the first does."""
    lab = _suggestion(LabDraft("vitamin-d", RESULT))
    other = _suggestion(LabDraft("magnesium", RESULT))
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
    card = _card(suggestions=(_suggestion(LabDraft("vitamin-d", RESULT), LabDraft("magnesium", RESULT)),))
    ids = [
        action["resource"]["id"]
        for found in _written(card, card)
        for suggestion in found["suggestions"]
        for action in suggestion["actions"]
    ]

    assert len(ids) == len(set(ids)) == 4


def test_writing_twice_shares_nothing() -> None:
    """Row 146: what a caller does to one response never reaches the next."""
    card = _card("K-DDEF", suggestions=(_suggestion(DrugDraft(WEEKLY, RESULT), LabDraft("vitamin-d", RESULT, ON)),))
    (first,) = _written(card)
    before = first["suggestions"][0]["actions"][0]["resource"]["subject"]["reference"]
    first["suggestions"][0]["actions"][0]["resource"]["subject"]["reference"] = "Patient/another"
    (second,) = _written(card)

    assert before == second["suggestions"][0]["actions"][0]["resource"]["subject"]["reference"]


@for_each("name", GUIDANCE.cards)
def test_links_are_verified(name: str) -> None:
    """Section 14.3: a card links the first three sources of its catalogue entry that are verified, and no other."""
    entry = GUIDANCE.cards[name]
    wanted = [GUIDANCE.evidence[key].url for key in entry.links if GUIDANCE.evidence[key].verified]
    (found,) = _written(_card(name))

    assert wanted[:3] == [link["url"] for link in found.get("links", ())]


def test_unverified_sources_are_never_linked() -> None:
    """Section 14: when a source loses its mark its link is gone, and without any the member is left out."""
    one = dict(GUIDANCE.evidence)
    one["demay-2024"] = one["demay-2024"].changed(verified=False)
    none = {key: entry.changed(verified=False) for key, entry in GUIDANCE.evidence.items()}

    def linked(evidence: dict[str, Evidence]) -> list[str]:
        guidance = GUIDANCE.changed(evidence=evidence)
        (found,) = _written(_card("K-DDEF"), writer=CardWriter(guidance, Orders(guidance)))
        assert found.get("links", True) != []
        return [link["url"] for link in found.get("links", ())]

    before = linked(dict(GUIDANCE.evidence))

    assert [url for url in before if url != GUIDANCE.evidence["demay-2024"].url] == linked(dict(one))
    assert linked(dict(none)) == []


def test_links_of_a_block() -> None:
    """Section 14.3: the sources of a block are linked where the card holds it, each once, after the card's own."""
    plain, obese = (_written(_card("K-DDEF", background=block))[0] for block in (None, phrases.BLOCKS["B-OBESE"]()))
    added = [GUIDANCE.evidence["pereira-santos-2015"].url]

    assert [link["url"] for link in plain["links"]] + added == [link["url"] for link in obese["links"]]


@for_each(("own", "query"), [("magnesium-aware", ""), ("nam-2011", "?profile=magnesium-aware")])
def test_the_page_of_the_topic_is_linked_first(own: str, query: str) -> None:
    """Section 14.3: the page of the topic first, with the profile where it is not the service's own."""
    writer = CardWriter(GUIDANCE, Orders(GUIDANCE), AboutPages("https://cds.example/base", own))
    for name, entry in GUIDANCE.cards.items():
        (found,) = _written(_card(name), writer=writer)
        assert found["links"][0] == {
            "label": "About this advice: evidence, thresholds, limits",
            "url": f"https://cds.example/base/about/{entry.topic}{query}",
            "type": "absolute",
        }
        assert len(found["links"]) <= 4


def test_verified_sources_have_an_address() -> None:
    """Row 139: what may be linked has an absolute https address and a short label."""
    verified = {key: entry for key, entry in GUIDANCE.evidence.items() if entry.verified}

    assert [key for key, entry in verified.items() if not (entry.url or "").startswith("https://")] == []
    assert [key for key, entry in verified.items() if not 0 < len(entry.label) <= 80] == []
