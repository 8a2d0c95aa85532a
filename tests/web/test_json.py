"""JSON as CDS Hooks wants it (conformance rows 1 to 8), over every golden request and every refusal."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.for_each import for_each
from tests.web.calls import DISCOVERY, Json, actions, golden, paths, put
from tests.web.conftest import Post
from tests.web.refused import REFUSED

LEFT_OVER = re.compile(r"[{}]|\b(None|nan|NaN|Infinity|Decimal|True|False)\b|\dE[+-]")
MAY_BE_EMPTY = {("cards",), ("services",)}


@pytest.fixture(scope="module")
def bodies(client: FlaskClient, answers: dict[str, Json]) -> dict[str, Any]:
    """Every response of the suite's requests: cards, discovery, refusals, health."""
    found: dict[str, Any] = dict(answers)
    found["discovery"] = client.get(DISCOVERY).get_json()
    found["health"] = client.get("/healthz").get_json()
    found |= {f"refused: {refused.name}": refused.call(client).get_json() for refused in REFUSED}
    return found


def test_no_nulls(bodies: dict[str, Any]) -> None:
    """Rows 4, 6: no member of any response is null."""
    found = [(name, where) for name, body in bodies.items() for where, value in paths(body) if value is None]

    assert found == []


def test_nothing_empty(bodies: dict[str, Any]) -> None:
    """Rows 5, 6, 7: nothing is empty or blank but `cards` and `services`."""
    found = [
        (name, where)
        for name, body in bodies.items()
        for where, value in paths(body)
        if (value in ([], {}) and where not in MAY_BE_EMPTY) or (isinstance(value, str) and not value.strip())
    ]

    assert found == []


def test_texts_are_trimmed(bodies: dict[str, Any]) -> None:
    """Row 7: no text begins or ends with a blank."""
    found = [
        (name, where)
        for name, body in bodies.items()
        for where, value in paths(body)
        if isinstance(value, str) and value != value.strip()
    ]

    assert found == []


def test_no_placeholder_is_left(bodies: dict[str, Any]) -> None:
    """Row 7: no text holds a brace of its template, a `None` or a `nan`; templates of discovery keep their tokens."""
    found = [
        (name, where, value)
        for name, body in bodies.items()
        for where, value in paths(body)
        if isinstance(value, str) and "prefetch" not in where
        if LEFT_OVER.search(value)
    ]

    assert found == []


def test_decimals_are_numbers(answers: dict[str, Json]) -> None:
    """Row 2: quantities in the drafts are JSON numbers, dates are texts."""
    quantities = [
        value
        for body in answers.values()
        for action in actions(body)
        for where, value in paths(action["resource"])
        if where and where[-1] == "value"
    ]

    assert quantities
    assert [value for value in quantities if isinstance(value, bool) or not isinstance(value, int | float)] == []


def test_strict_json(client: FlaskClient, post: Post) -> None:
    """Row 3: a strict reader takes every response: no comments, commas, NaN or repeated names."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names))
        return dict(pairs)

    def never(constant: str) -> None:
        raise AssertionError(constant)

    responses = [post(golden()), client.get(DISCOVERY), *(refused.call(client) for refused in REFUSED)]

    for response in responses:
        json.loads(response.get_data(), object_pairs_hook=once, parse_constant=never, parse_float=Decimal)


def test_utf_8(post: Post) -> None:
    """Row 1: the body is UTF-8 without a byte order mark."""
    body = post(golden()).get_data()

    assert body.decode("utf-8").encode() == body
    assert body.startswith(b"{")


@for_each("where", [("prefetch",), ("context", "encounterId"), ("fhirServer",), ("fhirAuthorization",)])
@for_each("value", [None, "", [], {}], ids=repr)
def test_null_and_empty_of_clients(post: Post, where: tuple[str, ...], value: object) -> None:
    """Row 8: a client may not send null or empty members, yet real ones do: never a fault of ours."""
    response = post(put(golden(), where, value))

    assert response.status_code in (200, 400, 412)
