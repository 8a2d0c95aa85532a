"""An order on the playground: the form writes it, the services judge it, a suggestion changes it."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.errors import MalformedRequest
from cds_service.playground.order_trial import (
    INTERVALS,
    PATIENTS,
    OrderForm,
    OrderTrial,
    Written,
    patients,
    write,
)
from cds_service.playground.trial import Playground

MILD, KIDNEYS = "chelating-drug-spacing-with-magnesium-order", "ckd-g4-low-magnesium"
REPLACE, REMOVE = "select/order-active-vitamin-d/0", "select/order-active-vitamin-d/2"


def cards(written: Written) -> list[tuple[str, str]]:
    """Topic and indicator of each card."""
    return [(card.source.topic.code, card.indicator) for card in written.answer.written.cards]


def texts(written: Written) -> list[str]:
    """What each draft is called."""
    concepts = [draft.get("code") or draft["medicationCodeableConcept"] for draft in written.drafts]
    return [concept["text"] for concept in concepts]


def test_patients_are_there(playground: Playground):
    """Every patient whose orders can be written is a situation that ships."""
    assert [one.name for one in patients(playground)] == list(PATIENTS)


SAID: list[tuple[str, OrderForm, bool, list[tuple[str, str]]]] = [
    (PATIENTS[0], OrderForm("calcitriol", "0.25"), False, [("order-active-vitamin-d", "warning")]),
    (PATIENTS[0], OrderForm("cholecalciferol", "50000"), True, [("order-vitamin-d-dose", "warning")]),
    (PATIENTS[0], OrderForm("cholecalciferol", "50000", "weekly"), True, []),
    (PATIENTS[0], OrderForm("cholecalciferol", ""), False, []),
    (PATIENTS[0], OrderForm("amoxicillin", "500", "twice-daily"), False, []),
    (PATIENTS[0], OrderForm("1-25-oh-d"), False, [("order-wrong-vitamin-d-test", "info")]),
    (PATIENTS[0], OrderForm(), False, []),
    (KIDNEYS, OrderForm("magnesium-oxide", "400"), False, [("order-magnesium-kidney", "info")]),
    (KIDNEYS, OrderForm("magnesium-oxide", "400"), True, []),
    (MILD, OrderForm("magnesium-oxide", "400"), False, [("order-magnesium-spacing", "info")]),
]
"""Rows O5, O6, O2a, O11 and O13: at a low magnesium O2a is an info, and no info is said at signing."""


@pytest.mark.parametrize(("situation", "form", "signing", "expected"), SAID)
def test_what_is_said(
    playground: Playground, situation: str, form: OrderForm, *, signing: bool, expected: list[tuple[str, str]]
):
    """The cards are those of the order rows for what the form writes."""
    assert cards(write(playground, OrderTrial(situation=situation, form=form, signing=signing))) == expected


def test_suggestion_changes_the_draft(playground: Playground):
    """D3 taken in place of calcitriol is the draft then, the form shows it, and nothing more is said of it."""
    written = write(playground, OrderTrial(taken=[REPLACE]))

    assert texts(written) == ["cholecalciferol (vitamin D3) 2,000 IU oral"]
    assert written.form == OrderForm("cholecalciferol", "2000", "daily")
    assert cards(written) == []


def test_removed_draft_leaves_its_tests(playground: Playground):
    """Removing takes the draft away and empties the form; tests that come with it stay, each under an id of its own."""
    toxic = "vector-v10-toxic-level-with-hypercalcaemia-on-10000-iu"
    form = OrderForm("cholecalciferol", "2000")
    written = write(playground, OrderTrial(situation=toxic, form=form, taken=["sign/order-vitamin-d-hold/0"]))

    assert texts(write(playground, OrderTrial(taken=[REMOVE]))) == []
    assert written.form == OrderForm()
    assert len(written.drafts) > 1
    assert {draft["resourceType"] for draft in written.drafts} == {"ServiceRequest"}
    assert len({draft["id"] for draft in written.drafts}) == len(written.drafts)


@pytest.mark.parametrize("interval", INTERVALS)
def test_form_stays_as_it_was_written(playground: Playground, interval: str):
    """A sentence for the patient changes nothing else: the form shows the draft as it was written."""
    form = OrderForm("magnesium-oxide", "400", interval)
    written = write(playground, OrderTrial(situation=MILD, form=form, taken=["select/order-magnesium-spacing/0"]))

    assert written.form == form
    assert "levothyroxine" in written.drafts[0]["dosageInstruction"][0]["patientInstruction"].lower()


WRONG: list[dict[str, Any]] = [
    {"situation": "nobody"},
    {"form": OrderForm("aspirin", "1")},
    {"form": OrderForm("calcitriol", "a little")},
    {"form": OrderForm("calcitriol", "1", "hourly")},
    {"taken": ["select/order-active-vitamin-d/3"]},
    {"taken": ["0"]},
]


@pytest.mark.parametrize("question", WRONG)
def test_what_there_is_not(playground: Playground, question: dict[str, Any]):
    """An unknown patient, order, dose, interval or suggestion is refused."""
    with pytest.raises(MalformedRequest):
        write(playground, OrderTrial(**question))
