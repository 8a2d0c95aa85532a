"""Display order and folding (decision table, section 18)."""

from __future__ import annotations

import pytest

from tests.support.patients import ago, albumin, ask, calcium, d2, d3, dosed, egfr, mg, order, problem, vitd, weekly

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
}
"""Two warnings and three info cards."""

INFO = {"vitamin_d": [vitd("25")], "patient": WOMAN, "conditions": [problem("N18.31"), problem("O09.90", ago(30))]}
"""Four info cards: K-DINS, K-MGORDER, K-CKD, K-PREG."""


@pytest.mark.parametrize(
    ("most", "shown"),
    [
        (1, [HELD, DEFICIENT]),
        (2, [HELD, DEFICIENT]),
        (3, [HELD, DEFICIENT, LATENT]),
        (4, [HELD, DEFICIENT, LATENT, CKD]),
        (5, [HELD, DEFICIENT, LATENT, CKD, PREGNANT]),
    ],
)
def test_folding_of_warnings_and_info(most, shown):
    """Every warning stays; info cards from the front until the limit; the rest one line each in the last shown."""
    whole = ask({"max_cards": 26}, **MIXED)
    seen = ask({"max_cards": most}, **MIXED)
    assert whole.topics == [HELD, DEFICIENT, LATENT, CKD, PREGNANT]
    assert seen.topics == shown
    folded = [topic for topic in whole.topics if topic not in shown]
    assert_noted(seen, whole, folded)


@pytest.mark.parametrize(("most", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4)])
def test_folding_of_info_alone(most, count):
    """The same where every card is info."""
    whole = ask({"max_cards": 26}, **INFO)
    seen = ask({"max_cards": most}, **INFO)
    assert whole.topics == ["vitamin-d-insufficiency", "magnesium-order", "ckd", "pregnancy"]
    assert seen.topics == whole.topics[:count]
    assert_noted(seen, whole, whole.topics[count:])


def assert_noted(seen, whole, folded):
    """Each folded card is one line, its summary, under "Also noted" in the last card shown and nowhere else."""
    *others, last = seen.cards
    assert ("Also noted" in last["detail"]) is bool(folded)
    for topic in folded:
        lines = [line for line in last["detail"].splitlines() if whole.summary(topic) in line.replace("\\", "")]
        assert len(lines) == 1
    assert not [card for card in others if "Also noted" in card["detail"]]


def test_the_default_is_four():
    """`max_cards` is 4 by default."""
    assert len(ask(**MIXED).cards) == 4


def test_folded_suggestions_are_not_carried_over():
    """K-MGORDER, folded into K-DINS, leaves its order behind."""
    seen = ask({"max_cards": 1}, vitamin_d=[vitd("25")])
    assert seen.topics == ["vitamin-d-insufficiency"]
    assert "SR:19123-9" not in str(seen.outline)
    assert "Consider ordering serum magnesium" in seen.detail("vitamin-d-insufficiency")


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
    """Section 14.3: also a card with folded lines has at most 220 words and the footer at its end."""
    for most in range(1, 6):
        for card in ask({"max_cards": most}, **MIXED).cards:
            assert len(card["detail"].split()) <= 220
            assert card["detail"].endswith("No liability is accepted for decisions based on it.")


LOW_D2 = order("ergocalciferol", "2025-06-01", dosageInstruction=dosed("5000", "[iU]", weekly()))
CALCITRIOL = order("calcitriol", "2026-01-05")
VERY_LOW = {"calcium": [calcium("7")], "albumin": [albumin("4.0")]}
DISPLAY = [
    (
        {
            "vitamin_d": [vitd("160")],
            "magnesium": [mg("0.4")],
            "calcium": [calcium("14.5")],
            "albumin": [albumin("4.0")],
        },
        ["vitamin-d-toxicity", "magnesium-severe-low", "vitamin-d-hold"],
    ),
    ({"vitamin_d": [vitd("160")], "magnesium": [mg("2.1")]}, ["vitamin-d-toxicity", "magnesium-very-high"]),
    (
        {
            "vitamin_d": [vitd("120")],
            "magnesium": [mg("1.3")],
            "conditions": [problem("D86.9")],
            "medications": [d3("5000")],
        },
        ["vitamin-d-hold", "vitamin-d-high", "magnesium-high"],
    ),
    (
        {"vitamin_d": [vitd("15")], "magnesium": [mg("0.7")], "medications": [CALCITRIOL]},
        ["magnesium-low", "active-vitamin-d-misuse", "vitamin-d-deficiency"],
    ),
    (
        {"vitamin_d": [vitd("15")], "magnesium": [mg("0.7")], "medications": [d3("2000", "2025-06-01")]},
        ["magnesium-low", "vitamin-d-resistance"],
    ),
    (
        {"vitamin_d": [vitd("15")], "medications": [d3("5000", "2026-01-15")]},
        ["high-dose-vitamin-d-without-magnesium", "vitamin-d-too-soon"],
    ),
    (
        {"vitamin_d": [vitd("15")], "magnesium": [], "medications": [LOW_D2]},
        ["vitamin-d-deficiency", "magnesium-order", "intermittent-d2"],
    ),
    (
        {"vitamin_d": [vitd("15", day=ago(300))], "medications": [d3("2000", ago(200))]},
        ["vitamin-d-recheck", "magnesium-order"],
    ),
    (
        {
            "vitamin_d": [vitd("40")],
            "magnesium": [mg("0.8")],
            "medications": [d2("2025-06-01")],
            "conditions": [problem("N18.31")],
        },
        ["magnesium-latent", "ckd", "vitamin-d-step-down"],
    ),
    (
        {"conditions": [problem("N18.31")], "magnesium": [mg("0.7")], "kidney": [egfr("50")]},
        ["magnesium-low", "ckd", "vitamin-d-order"],
    ),
    (
        {"medications": [order("tacrolimus", "2026-01-05"), order("phenytoin", "2026-01-05")]},
        ["magnesium-wasting-drug", "vitamin-d-order"],
    ),
    (
        {"vitamin_d": [vitd("15", day=ago(400))], "magnesium": [mg("0.9", "furlong")]},
        ["vitamin-d-stale", "unusable-result"],
    ),
    (
        {"vitamin_d": [vitd("15")], "magnesium": [mg("0.7")], **VERY_LOW},
        ["magnesium-low", "vitamin-d-deficiency"],
    ),
    (
        {"vitamin_d": [vitd("25")], "magnesium": [mg("0.4")], **VERY_LOW},
        ["magnesium-severe-low", "vitamin-d-insufficiency"],
    ),
    ({"vitamin_d": [vitd("15")], "magnesium": [mg("0.72", low="0.65")]}, ["vitamin-d-deficiency", "magnesium-low"]),
]


@pytest.mark.parametrize(("parts", "topics"), DISPLAY)
def test_display_order(parts, topics):
    """Critical, then warning, then info; inside a level the order of section 18."""
    assert ask({"max_cards": 26}, **parts).topics == topics
