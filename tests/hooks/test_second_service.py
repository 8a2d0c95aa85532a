"""A second service, on another hook: it brings all that is its own, and the engine answers by it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from cds_service.clinical.evaluate import Evaluation
from cds_service.errors import MalformedRequest
from cds_service.hooks.registry import Question, Registry, Service
from tests.support.patients import engine

ORDERS = {"resourceType": "Bundle", "type": "collection", "entry": []}


def signing(asked: list[Question]) -> Service:
    """A service on order-sign that needs no results, and notes what its evaluator is asked."""

    def evaluate(question: Question) -> Evaluation:
        asked.append(question)
        return Evaluation((), ())

    return replace(
        engine().registry.services[0],
        id="before-signing",
        hook="order-sign",
        required=frozenset(),
        read_context=lambda raw: msgspec.json.decode(raw)["draftOrders"],
        evaluate=evaluate,
    )


def call(service: Service, hook: str) -> Any:
    """The response to a call of *service* by *hook*, with draft orders and hardly any prefetch."""
    body = {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/example", "patientId": "p", "draftOrders": ORDERS},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p"}},
    }
    both = replace(engine(), registry=Registry((*engine().registry.services, service)))
    return both.answer(service.id, json.dumps(body).encode()).response


def test_evaluator_is_asked_with_the_context_of_its_hook():
    """The service reads its hook's context itself, needs only its own keys, and its own evaluator answers."""
    asked: list[Question] = []

    assert call(signing(asked), "order-sign") == {"cards": []}
    (question,) = asked
    assert question.context == ORDERS


def test_answers_its_own_hook():
    """A call of another hook than the service's is refused."""
    with pytest.raises(MalformedRequest, match="order-sign"):
        call(signing([]), "patient-view")
