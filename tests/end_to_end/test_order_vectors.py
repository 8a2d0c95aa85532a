"""Every worked vector of the order hooks in the folder beside the project: cards and actions worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fixtures import engine
from tests.support.order_vectors import SERVICES, draft, order_vectors, outline, request
from tests.support.vectors import SHARED, engine_of

VECTORS = order_vectors()
pytestmark = pytest.mark.skipif(not VECTORS, reason=f"there is no folder of worked vectors at {SHARED.name}/clinical")


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_order_vector(vector: dict[str, Any]) -> None:
    """Its drafts and facts give its cards, with their actions in order."""
    answer = engine(*engine_of(vector["facts"])).answer(SERVICES[vector["hook"]], request(vector))

    assert outline(answer.response, [draft(told) for told in vector["drafts"]]) == vector["expected"]
