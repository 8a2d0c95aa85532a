"""A made-up patient before the service: changes have the effect that the decision table gives them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cds_service.errors import MalformedRequest, PrefetchUnavailable
from cds_service.playground.changes import Trial
from cds_service.playground.trial import Playground
from tests.support.fixtures import outline, situations
from tests.support.for_each import for_each

V02 = "vector-v02-deficient-nmol-low-magnesium"
"""A man of 45: 35 nmol/L, 0.72 mmol/L, eGFR 90, no medication."""


def cards(playground: Playground, situation: str = V02, **changes: Any) -> list[tuple[str, str]]:
    """Topic and indicator of each card for a changed situation."""
    tried = playground.open(Trial(situation=situation, **changes))
    assert tried.error is None
    return [(topic, indicator) for topic, indicator, _ in outline(tried.answer.response)]


def drafts(playground: Playground, **changes: Any) -> list[str]:
    """The tokens of every draft for the changed first patient."""
    response = playground.open(Trial(situation=V02, **changes)).answer.response
    return [token for _, _, suggestions in outline(response) for tokens in suggestions for token in tokens]


def test_unchanged_situation_is_as_expected(playground: Playground):
    """A situation that is not changed has the cards of its golden folder, on its own day and by its own guidance."""
    for situation in situations():
        tried = playground.open(Trial(situation=situation.name))

        assert [[topic, indicator] for topic, indicator, _ in outline(tried.answer.response)] == [
            [card["topic"], card["indicator"]] for card in situation.expected["cards"]
        ], situation.name
        assert tried.same
        assert (tried.as_of, tried.profile) == (situation.as_of, situation.expected["profile"])


LOW_D, LOW_MG = ("vitamin-d-deficiency", "warning"), ("magnesium-low", "warning")
EFFECTS: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = [
    ("90 nmol/L is adequate: only magnesium speaks", {"vitamin_d": "90"}, [LOW_MG]),
    ("49.9 is below 50", {"vitamin_d": "49.9"}, [LOW_MG, LOW_D]),
    ("50.0 is no longer deficient", {"vitamin_d": "50.0"}, [LOW_MG, ("vitamin-d-insufficiency", "info")]),
    ("375.1 is above 375", {"vitamin_d": "375.1"}, [("vitamin-d-toxicity", "critical"), LOW_MG]),
    ("0.49 is severe and comes first", {"magnesium": "0.49"}, [("magnesium-severe-low", "critical"), LOW_D]),
    ("2.0 is very high", {"magnesium": "2.0"}, [("magnesium-very-high", "critical"), LOW_D]),
    ("both in range", {"vitamin_d": "80", "magnesium": "0.90"}, []),
]


@for_each(("changes", "expected"), [(c, e) for _, c, e in EFFECTS], ids=[name for name, _, _ in EFFECTS])
def test_changed_result_moves_the_cards(
    playground: Playground, changes: dict[str, str], expected: list[tuple[str, str]]
):
    """A changed result is banded where the decision table (sections 2, 6.1 and 18) puts it."""
    assert cards(playground, **changes) == expected


def test_no_result_is_unknown_and_not_normal(playground: Playground):
    """Without a magnesium the deficient patient is asked for one, and no magnesium is drafted."""
    topics = [topic for topic, _ in cards(playground, magnesium="none")]

    assert "vitamin-d-deficiency" in topics
    assert not [token for token in drafts(playground, magnesium="none") if token.startswith("MR:magnesium")]


def test_therapy_of_the_chart_is_replaced(playground: Playground):
    """With no treatment, the patient who did not respond is simply deficient: the order in the chart is gone."""
    topics = [topic for topic, _ in cards(playground, "resistance-deficient-high-dose", therapy="none")]

    assert "vitamin-d-resistance" not in topics
    assert "vitamin-d-deficiency" in topics


@for_each(
    "changes",
    [
        {"vitamin_d": "much"},
        {"vitamin_d": "-1"},
        {"vitamin_d": "NaN"},
        {"vitamin_d": "1e400"},
        {"magnesium": "Infinity"},
        {"magnesium": "10001"},
        {"age": "12.5"},
        {"age": "121"},
        {"egfr": "201"},
        {"therapy": "everything"},
        {"magnesium_therapy": "d3-1000"},
    ],
)
def test_impossible_change_is_refused(playground: Playground, changes: dict[str, Any]):
    """What is no number, out of its range, or not in the list is refused with a sentence."""
    with pytest.raises(MalformedRequest, match=r"must be|no such"):
        playground.open(Trial(situation=V02, **changes))


@for_each("trial", [Trial(situation="../../etc"), Trial(profile="none"), Trial(overlay="none")])
def test_unknown_name_is_refused(playground: Playground, trial: Trial):
    """Situations, profiles and overlays are those of the list."""
    with pytest.raises(MalformedRequest, match="no such"):
        playground.open(trial)


def test_pasted_request_is_answered(playground: Playground):
    """A request that is pasted is answered as of today, and can be changed like any other."""
    (situation,) = [found for found in situations() if found.name == V02]
    text = situation.body.decode()

    assert len(playground.open(Trial(text=text)).answer.response["cards"]) == 2
    changed = playground.open(Trial(text=text, vitamin_d="90", magnesium="0.9"))
    assert changed.answer.response == {"cards": []}
    assert not changed.same


def test_refusal_of_the_service_is_the_answer(playground: Playground):
    """What the service refuses is refused here too, with its own error and the request that was sent."""
    text = json.dumps({"hook": "patient-view", "hookInstance": "1", "context": {"patientId": "p", "userId": "u"}})
    tried = playground.open(Trial(text=text))

    assert isinstance(tried.error, PrefetchUnavailable)
    assert json.loads(tried.request)["context"]["patientId"] == "p"


def test_one_resource_is_not_enough(playground: Playground):
    """A single resource is refused with what to give instead."""
    with pytest.raises(MalformedRequest, match="give a Bundle"):
        playground.open(Trial(text='{"resourceType": "Patient"}'))


def test_no_server_is_named_where_none_may_be_called(playground: Playground):
    """Where trials may not call FHIR servers, a pasted request loses its server and token."""
    text = json.dumps(
        {
            "hook": "patient-view",
            "hookInstance": "1",
            "context": {"patientId": "p", "userId": "u"},
            "fhirServer": "http://127.0.0.1:9/fhir",
            "fhirAuthorization": {"access_token": "t"},
        }
    )
    closed = replace(playground, calls_servers=False).open(Trial(text=text))

    assert set(json.loads(closed.request)) == {"hook", "hookInstance", "context"}
