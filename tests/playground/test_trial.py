"""A made-up patient before the service: changes have the effect that the decision table gives them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cds_service.errors import MalformedRequest, PrefetchUnavailable
from cds_service.playground.changes import Changes
from cds_service.playground.trial import Playground, Trial
from tests.support.fixtures import outline, situations

V02 = "vector-v02-deficient-nmol-low-magnesium"
"""A man of 45: 35 nmol/L, 0.72 mmol/L, eGFR 90, no medication."""
NAMES = [situation.name for situation in situations()]


def cards(playground: Playground, situation: str = V02, **changes: Any) -> list[tuple[str, str]]:
    """Topic and indicator of each card for a changed situation."""
    tried = playground.open(Trial(situation=situation, changes=Changes(**changes)))
    assert tried.error is None
    return [(topic, indicator) for topic, indicator, _ in outline(tried.answer.response)]


def drafts(playground: Playground, **changes: Any) -> list[str]:
    """The tokens of every draft for the changed first patient."""
    response = playground.open(Trial(situation=V02, changes=Changes(**changes))).answer.response
    return [token for _, _, suggestions in outline(response) for tokens in suggestions for token in tokens]


@pytest.mark.parametrize("name", NAMES)
def test_unchanged_situation_is_as_expected(playground: Playground, name: str):
    """A situation that is not changed has the cards of its golden folder, on its own day and by its own guidance."""
    (situation,) = [found for found in situations() if found.name == name]
    tried = playground.open(Trial(situation=name))

    assert [[topic, indicator] for topic, indicator, _ in outline(tried.answer.response)] == [
        [card["topic"], card["indicator"]] for card in situation.expected["cards"]
    ]
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


@pytest.mark.parametrize(("changes", "expected"), [(c, e) for _, c, e in EFFECTS], ids=[name for name, _, _ in EFFECTS])
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


def test_result_is_added_where_there_is_none(playground: Playground):
    """A value for a patient without a magnesium counts as of the day: 0.60 mmol/L is low."""
    found = cards(playground, "vector-v03-insufficient-at-20-magnesium-unknown", magnesium="0.60")

    assert LOW_MG in found


def test_kidneys_close_the_magnesium_order(playground: Playground):
    """An eGFR of 20 is G4: no magnesium is drafted (G-KID), and an eGFR of 90 leaves it open."""
    assert [token for token in drafts(playground, egfr="90") if token.startswith("MR:magnesium")]
    assert not [token for token in drafts(playground, egfr="20") if token.startswith("MR:magnesium")]


def test_age_decides_who_gets_a_draft(playground: Playground):
    """At 9 nothing is drafted (R19); at 60 the first vitamin D draft is the daily one (R12)."""
    assert not [token for token in drafts(playground, age="9") if token.startswith("MR:")]
    assert next(token for token in drafts(playground, age="60") if token.startswith("MR:cholecalciferol")).endswith(
        "-daily"
    )


def test_poor_response_needs_a_course(playground: Playground):
    """35 nmol/L after 20 weeks of 50,000 IU weekly is a poor response (R3); after none it is not."""
    assert "vitamin-d-resistance" in [topic for topic, _ in cards(playground, therapy="d2-weekly-20")]
    assert "vitamin-d-resistance" not in [topic for topic, _ in cards(playground, therapy="none")]


def test_therapy_of_the_chart_is_replaced(playground: Playground):
    """With no treatment, the patient who did not respond is simply deficient: the order in the chart is gone."""
    topics = [topic for topic, _ in cards(playground, "resistance-deficient-high-dose", therapy="none")]

    assert "vitamin-d-resistance" not in topics
    assert "vitamin-d-deficiency" in topics


def test_magnesium_in_use_is_not_drafted_again(playground: Playground):
    """Who takes magnesium gets no second order of it (G-DUP)."""
    assert not [token for token in drafts(playground, magnesium_therapy="magnesium-200") if "MR:magnesium" in token]


def test_profile_and_day_are_those_asked_for(playground: Playground):
    """40 nmol/L is deficient by magnesium-aware and insufficient by nam-2011; a year later it is stale."""
    changes = Changes(vitamin_d="40")
    nam = playground.open(Trial(situation=V02, profile="nam-2011", changes=changes)).answer.response
    later = playground.open(Trial(situation=V02, as_of=date(2027, 6, 1), changes=changes)).answer.response

    assert "vitamin-d-insufficiency" in [topic for topic, _, _ in outline(nam)]
    assert "vitamin-d-deficiency" not in [topic for topic, _, _ in outline(later)]


@pytest.mark.parametrize(
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
def test_impossible_change_is_refused(playground: Playground, changes: dict[str, str]):
    """What is no number, out of its range, or not in the list is refused with a sentence."""
    with pytest.raises(MalformedRequest, match=r"must be|no such"):
        playground.open(Trial(situation=V02, changes=Changes(**changes)))


@pytest.mark.parametrize("trial", [Trial(situation="../../etc"), Trial(profile="none"), Trial(overlay="none")])
def test_unknown_name_is_refused(playground: Playground, trial: Trial):
    """Situations, profiles and overlays are those of the list."""
    with pytest.raises(MalformedRequest, match="no such"):
        playground.open(trial)


def test_pasted_request_is_answered(playground: Playground):
    """A request that is pasted is answered as of today, and can be changed like any other."""
    (situation,) = [found for found in situations() if found.name == V02]
    text = situation.body.decode()

    assert len(playground.open(Trial(text=text)).answer.response["cards"]) == 2
    changed = playground.open(Trial(text=text, changes=Changes(vitamin_d="90", magnesium="0.9")))
    assert changed.answer.response == {"cards": []}
    assert not changed.same


def test_refusal_of_the_service_is_the_answer(playground: Playground):
    """What the service refuses is refused here too, with its own error and the request that was sent."""
    text = json.dumps({"hook": "patient-view", "hookInstance": "1", "context": {"patientId": "p", "userId": "u"}})
    tried = playground.open(Trial(text=text))

    assert isinstance(tried.error, PrefetchUnavailable)
    assert json.loads(tried.request)["context"]["patientId"] == "p"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"hook": NaN}', "[" * 3000, '{"a":' * 3000])
def test_text_that_is_no_request_is_sent_as_it_is(playground: Playground, text: str):
    """The service says itself what is wrong with a text that cannot be changed."""
    tried = playground.open(Trial(text=text, changes=Changes(vitamin_d="90")))

    assert isinstance(tried.error, MalformedRequest)
    assert tried.request == text.encode()


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
