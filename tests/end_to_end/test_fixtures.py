"""Every golden folder: the answer reasoned by hand from the decision table is the answer of the service."""

from __future__ import annotations

import pytest

from tests.support.fixtures import Situation, answer, outline, situations


@pytest.mark.parametrize("situation", situations(), ids=lambda situation: situation.name)
def test_cards(situation: Situation) -> None:
    """Topics, indicators and suggestions are the expected ones, in display order.

    Each summary is the one of section 14.1 after substitution, and each detail holds its phrases.
    """
    response, wanted = answer(situation).response, situation.expected["cards"]

    assert outline(response) == [[card["topic"], card["indicator"], card["suggestions"]] for card in wanted]
    for card, expected in zip(response["cards"], wanted, strict=True):
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
