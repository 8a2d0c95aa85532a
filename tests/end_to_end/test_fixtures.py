"""Every golden folder: the answer reasoned by hand from the decision table is the answer of the service."""

from __future__ import annotations

import pytest

from tests.support.fixtures import Situation, answer, outline, situations

SITUATIONS = situations()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_cards(situation: Situation) -> None:
    """Topics, indicators and suggestions are the expected ones, in display order."""
    expected = [[card["topic"], card["indicator"], card["suggestions"]] for card in situation.expected["cards"]]

    assert expected == outline(answer(situation).response)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_wording(situation: Situation) -> None:
    """Each summary is the one of section 14.1 after substitution, and each detail holds its phrases."""
    cards = answer(situation).response["cards"]

    for card, expected in zip(cards, situation.expected["cards"], strict=True):
        if "summaryParts" in expected:
            place = 0
            for part in expected["summaryParts"]:
                found = card["summary"].find(part, place)
                assert found >= 0, (part, card["summary"])
                place = found + len(part)
        elif "summary" in expected:
            assert expected["summary"] == card["summary"]
        for phrase in expected.get("detail", ()):
            assert phrase.lower() in card["detail"].lower(), (card["source"]["topic"]["code"], phrase, card["detail"])
