"""DSTU2, as the public sandbox sends it by default (section 4.1, row 78): read where it is plainly the same."""

from __future__ import annotations

from tests.support import dstu2
from tests.web.calls import bundle, drugs, topics
from tests.web.conftest import Post


def test_dstu2(post: Post) -> None:
    """Row 78: DSTU2 is read: names as arrays, comments, `patient`, MedicationOrder, statuses as codes."""
    response = post(dstu2.request())

    assert topics(response) == ["magnesium-low", "vitamin-d-deficiency"]
    assert {"4018", "2418", "6574"} == drugs(response.get_json())


def test_dstu2_without_optional_keys(post: Post) -> None:
    """Section 4.1: the sandbox leaves out each key whose query failed; what is left is answered, without drugs."""
    request = dstu2.request()
    request["prefetch"] = {key: request["prefetch"][key] for key in ("patient", "vitaminD", "magnesium")}
    response = post(request)

    assert topics(response) == ["magnesium-low", "vitamin-d-deficiency"]
    assert frozenset() == drugs(response.get_json())


def test_dstu2_empty_chart(post: Post) -> None:
    """Section 4.1: the sandbox's own patient has neither result: empty Bundles, no cards, no fault."""
    request = dstu2.request(vitaminD=bundle(), magnesium=bundle())

    assert topics(post(request)) == []
