"""Display order and folding (decision table, section 18)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, albumin, ask, calcium, dosed, egfr, mg, order, problem, vitd, weekly

WOMAN = {"gender": "female", "birthDate": "1990-06-15"}
HELD, DEFICIENT, LATENT, CKD, PREGNANT = (
    "vitamin-d-hold", "vitamin-d-deficiency", "magnesium-latent", "ckd", "pregnancy",
)  # fmt: skip

MIXED = {
    "vitamin_d": [vitd("15")],
    "magnesium": [mg("0.8")],
    "kidney": [egfr("50")],
    "patient": WOMAN,
    "conditions": [problem("D86.9"), problem("N18.31"), problem("O09.90", ago(30))],
    "phosphate": [],
}
"""A warning and four info cards, K-PREG among them."""

TITLES = {
    DEFICIENT: "Vitamin D deficiency",
    LATENT: "Low-normal magnesium",
    CKD: "Chronic kidney disease",
    "intermittent-d2": "Intermittent ergocalciferol",
}


@for_each(
    ("most", "shown"),
    [
        (1, [HELD, PREGNANT]),
        (2, [HELD, DEFICIENT, PREGNANT]),
        (3, [HELD, DEFICIENT, LATENT, PREGNANT]),
        (4, [HELD, DEFICIENT, LATENT, CKD, PREGNANT]),
    ],
)
def test_folding(most, shown):
    """Every warning stays, and K-PREG, which does not count; info cards from the front until the limit.

    The rest are one line each, the title of their topic: without room for info cards in the last urgent one, else in
    the last that is shown.
    """
    seen = ask({"max_cards": most}, **MIXED)
    assert seen.topics == shown
    folded = [topic for topic in (DEFICIENT, LATENT, CKD) if topic not in shown]
    assert_noted(seen, HELD if most == 1 else PREGNANT, folded)


def assert_noted(seen, topic, folded):
    """Each folded card is one line under "Also noted" in the card of *topic*, and nowhere else."""
    lines = seen.detail(topic).partition("Also noted")[2].splitlines()
    assert [line for line in lines if line.startswith("- ")] == [f"- {TITLES[name]}" for name in folded]
    assert not [card for card in seen.cards if "Also noted" in card["detail"] and card is not seen.card(topic)]


def test_the_default_is_four():
    """`max_cards` is 4 by default: of five that count one is folded."""
    parts = {"medications": [LOW_D2], "phosphate": [], "kidney": [egfr("50")], "conditions": [problem("N18.31")]}
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.8")], **parts)
    assert seen.topics == [DEFICIENT, LATENT, CKD, "intermittent-d2"]
    more = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.8")], **parts | {"medications": [LOW_D2, CALCITRIOL]})
    assert more.topics == [DEFICIENT, LATENT, CKD, "intermittent-d2"]


def test_a_critical_card_notes_nothing_beside_a_warning():
    """The folded are noted in the last card that is not critical; in a critical one only if there is no other."""
    critical = {"magnesium": [mg("0.4")], "conditions": [problem("N18.31")], "kidney": [egfr("50")]}
    alone = ask({"max_cards": 1}, vitamin_d=[vitd("40")], **critical)
    assert alone.topics == ["magnesium-severe-low"]
    assert_noted(alone, "magnesium-severe-low", [CKD])
    beside = ask({"max_cards": 1}, vitamin_d=[vitd("15")], **critical)
    assert beside.topics == ["magnesium-severe-low", DEFICIENT]
    assert_noted(beside, DEFICIENT, [CKD])


def test_critical_and_warning_cards_are_never_folded():
    """More critical and warning cards than `max_cards`: all stay."""
    seen = ask(
        {"max_cards": 1},
        vitamin_d=[vitd("160")],
        magnesium=[mg("0.4")],
        calcium=[calcium("14.5")],
        albumin=[albumin("4.0")],
    )
    assert seen.topics == ["vitamin-d-toxicity", "magnesium-severe-low", "vitamin-d-hold"]


def test_a_folded_detail_keeps_its_limit():
    """Section 14.3: "Also noted" stands outside the 90 words, and takes nothing from the card's own detail."""
    alone = {card["source"]["topic"]["code"]: card["detail"] for card in ask({"max_cards": 26}, **MIXED).cards}
    for most in range(1, 6):
        for card in ask({"max_cards": most}, **MIXED).cards:
            own = card["detail"].partition("\n\nAlso noted")[0]
            assert own == alone[card["source"]["topic"]["code"]]
            assert len(own.split()) <= 90


LOW_D2 = order("ergocalciferol", "2025-06-01", dosageInstruction=dosed("5000", "[iU]", weekly()))
CALCITRIOL = order("calcitriol", "2026-01-05")
VERY_LOW = {"calcium": [calcium("7")], "albumin": [albumin("4.0")]}
