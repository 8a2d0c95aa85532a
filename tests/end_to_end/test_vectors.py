"""Every worked vector beside the golden folders: the states and the cards that were worked by hand."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.properties.running import ENCODER
from tests.support.fixtures import SERVICE, engine, outline

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"), parse_float=Decimal)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_vector(vector: dict[str, Any]) -> None:
    """Its request gives its states, and its cards with their suggestions in display order."""
    chosen = engine(date.fromisoformat(vector["asOf"]), vector["profile"], vector["ckdOverlay"])
    answer = chosen.answer(SERVICE, ENCODER.encode(vector["request"]))
    states = {"vitaminD": str(answer.evaluation.vitamin_d), "magnesium": str(answer.evaluation.magnesium)}

    assert vector["states"] == states
    assert vector["expected"] == outline(answer.response)
