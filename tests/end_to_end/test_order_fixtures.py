"""Every golden folder of the order hooks: of each row one in which it speaks, and one in which it does not."""

from __future__ import annotations

import json

import pytest

from cds_service.hooks.service import Answer
from tests.support.fixtures import Situation, engine, order_situations
from tests.support.order_vectors import outline

SITUATIONS = order_situations()
each = pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)


def answer(situation: Situation) -> Answer:
    """What the service on its hook answers."""
    expected = situation.expected
    return engine(situation.as_of, expected["profile"], expected["ckdOverlay"]).answer_by_hook(situation.body)


@each
def test_order_cards(situation: Situation) -> None:
    """Topics, indicators, summaries and actions are the expected ones, in display order."""
    expected = situation.expected["cards"]
    entries = json.loads(situation.body)["context"]["draftOrders"]["entry"]
    response = answer(situation).response

    assert outline(response, [entry["resource"] for entry in entries]) == [
        [card["topic"], card["indicator"], card["suggestions"]] for card in expected
    ]
    assert [card["summary"] for card in response["cards"]] == [card["summary"] for card in expected]


def test_each_row_has_both() -> None:
    """Each row has a folder in which it speaks, and one in which it is silent."""
    rows = engine(SITUATIONS[0].as_of).guidance.order_rows
    spoken = {name.partition("-")[0] for name in (s.name for s in SITUATIONS if s.expected["cards"])}
    silent = {name.partition("-")[0] for name in (s.name for s in SITUATIONS if not s.expected["cards"])}

    assert spoken == silent == {row.lower() for row, _ in rows.each()}
