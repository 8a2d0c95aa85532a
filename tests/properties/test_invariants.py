"""What holds for every patient beside section 21: shape, order, ceilings, and that the same question has one answer."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.display import LEVEL
from tests.properties import strategies as draw
from tests.properties.running import (
    drugs,
    is_magnesium,
    magnesium_orders,
    run,
    service,
    vitamin_d_orders,
    without_uuids,
)
from tests.properties.strategies import Json, Setup, patients, setups
from tests.support.fixtures import outline

DISPLAY_ORDER = (
    "K-DTOX", "K-MGSEV", "K-MGVHIGH", "K-HOLD", "K-DHIGH", "K-MGHIGH", "K-MGLOW", "K-RESIST", "K-HIDOSE", "K-ACTIVED",
    "K-DDEF", "K-DINS", "K-TOOSOON", "K-RECHECK", "K-MGORDER", "K-MGWASTE", "K-MGLAT", "K-MGADJ", "K-CKD", "K-DMAINT",
    "K-D2INT", "K-DORDER", "K-STALE", "K-PREG", "K-PEDS", "K-DATA",
)  # fmt: skip
"""Section 18, as printed there."""


@given(patients, setups)
def test_every_patient_is_answered(asked: Json, setup: Setup) -> None:
    """Whatever the record holds, there is an answer, and it is JSON."""
    found = run(asked, setup)

    assert json.loads(json.dumps(found.response)) == found.response


@given(patients, setups)
def test_the_same_question_has_the_same_answer(asked: Json, setup: Setup) -> None:
    """Two calls with one request differ in nothing but their uuids."""
    first, second = run(asked, setup), run(asked, setup)

    assert without_uuids(first.response) == without_uuids(second.response)


@given(patients, setups)
def test_cards_are_of_the_catalogue_and_in_display_order(asked: Json, setup: Setup) -> None:
    """Section 14: every card has its topic. Section 18: critical, warning, info; inside a level the printed order."""
    found = run(asked, setup)
    catalogue = service(setup).guidance.cards
    topics = [card["source"]["topic"]["code"] for card in found.cards]
    places = [
        (LEVEL[card["indicator"]], DISPLAY_ORDER.index(name)) for card, name in zip(found.cards, found.ids, strict=True)
    ]

    assert topics == [catalogue[name].topic for name in found.ids]
    assert places == sorted(places)


@given(patients, setups)
def test_folding_keeps_what_is_urgent(asked: Json, setup: Setup) -> None:
    """Section 18: critical and warning cards stay, info cards fill what is left, the rest is noted in the last card."""
    unfolded, folded = run(asked, setup._replace(max_cards=draw.UNFOLDED)), run(asked, setup)
    urgent = [card for card in unfolded.cards if card["indicator"] != "info"]
    shown = max(len(urgent), setup.max_cards)

    assert [card["summary"] for card in folded.cards] == [card["summary"] for card in unfolded.cards[:shown]]
    for card in unfolded.cards[shown:]:
        assert f"\n- {card['summary'][:20]}" in folded.cards[-1]["detail"]


@given(patients, setups)
def test_no_order_passes_the_ceiling(asked: Json, setup: Setup) -> None:
    """Section 2: no suggested order exceeds 4,000 IU daily or 50,000 IU as a single dose; magnesium is 200 mg daily."""
    for card in run(asked, setup).cards:
        for drafted in drugs(card):
            dosage = drafted["dosageInstruction"][0]
            dose, rhythm = dosage["doseAndRate"][0]["doseQuantity"], dosage["timing"]["repeat"]
            assert (rhythm["frequency"], rhythm["period"]) == (1, 1)
            if is_magnesium(drafted):
                assert (dose["value"], dose["unit"], rhythm["periodUnit"]) == (200, "mg", "d")
            else:
                assert dose["unit"] == "IU"
                assert dose["value"] <= {"d": 4000, "wk": 50_000}[rhythm["periodUnit"]]
                assert rhythm["periodUnit"] == "d" or rhythm["boundsDuration"]["value"] == 8


@given(patients, setups)
def test_drafts_are_proposals_for_this_patient(asked: Json, setup: Setup) -> None:
    """Section 16: each action creates a draft for the patient of the context, with an id of its own."""
    found = run(asked, setup).cards
    drafted = [
        action for card in found for suggestion in card.get("suggestions", ()) for action in suggestion["actions"]
    ]
    ids = [action["resource"]["id"] for action in drafted]

    assert len(ids) == len(set(ids))
    for action in drafted:
        resource = action["resource"]
        assert action["type"] == "create"
        assert (resource["status"], resource["intent"]) == ("draft", "proposal")
        assert resource["subject"] == {"reference": f"Patient/{draw.PATIENT_ID}"}
        assert "occurrenceDateTime" not in resource or "priority" not in resource


@given(patients, setups)
def test_suggestions_are_alternatives(asked: Json, setup: Setup) -> None:
    """Section 14.2: at most one is chosen; of several the first is recommended; none is empty, no two are equal."""
    for card in run(asked, setup).cards:
        suggestions = card.get("suggestions")
        assert ("selectionBehavior" in card) == (suggestions is not None)
        if suggestions is None:
            continue
        assert card["selectionBehavior"] == "at-most-one"
        assert [suggestion.get("isRecommended") for suggestion in suggestions] == (
            [None] if len(suggestions) == 1 else [True] + [False] * (len(suggestions) - 1)
        )
        assert all(suggestion["actions"] and suggestion["label"] for suggestion in suggestions)
        alike = [[{**action["resource"], "id": ""} for action in suggestion["actions"]] for suggestion in suggestions]
        assert all(one not in alike[:place] for place, one in enumerate(alike))


@given(patients, setups)
def test_uuids_are_unique(asked: Json, setup: Setup) -> None:
    """No two cards or suggestions share a `uuid`."""
    cards = run(asked, setup).cards
    found = [card["uuid"] for card in cards]
    found += [suggestion["uuid"] for card in cards for suggestion in card.get("suggestions", ())]

    assert len(found) == len(set(found))


@given(patients, setups)
def test_summaries_are_sentences(asked: Json, setup: Setup) -> None:
    """Each summary begins with a capital or a number, ends with a full stop, is filled in and never cut off."""
    for card in run(asked, setup).cards:
        summary = card["summary"]
        assert summary.endswith(".")
        assert summary[0].isupper() or summary[0].isdigit()
        assert not {"{", "}", "…", "\n"} & set(summary)
        assert "  " not in summary
        assert "None" not in summary


@given(patients, setups)
def test_details_are_filled_in(asked: Json, setup: Setup) -> None:
    """No placeholder is left in a detail, nothing is said of None, and the footer ends it."""
    footer = service(setup).guidance.wording["block.footer"]
    for card in run(asked, setup).cards:
        assert card["detail"].endswith(footer)
        assert not {"{", "}"} & set(card["detail"])
        assert "None" not in card["detail"]


@given(patients, setups)
def test_no_sentence_is_left_out(asked: Json, setup: Setup) -> None:
    """Section 14.3: the sentences are always there; only blocks give way to the limit of 220 words."""
    writer = service(setup).writer
    found = run(asked, setup)
    for chosen, card in zip(found.chosen, found.cards, strict=True):
        for text in chosen.says:
            assert writer.fill(text) in card["detail"]


NO_KIDNEY: tuple[Json | list[Json] | None, ...] = ([], None, draw.OUTCOME)


@given(patients, setups, st.sampled_from(NO_KIDNEY))
def test_unknown_kidney_function_blocks_magnesium(asked: Json, setup: Setup, way: Json | list[Json] | None) -> None:
    """Section 10: without any eGFR or creatinine there is no magnesium MR, whatever else is known."""
    assert not magnesium_orders(run(draw.changed(asked, kidney=way), setup).cards)


OLD_EGFR = st.sampled_from([draw.measured("98979-8", draw.quantity(95, "mL/min"), days) for days in (366, 400, 900)])


@given(patients, setups, OLD_EGFR)
def test_stale_kidney_function_blocks_magnesium(asked: Json, setup: Setup, old: Json) -> None:
    """Section 5: an eGFR older than 365 days is no known eGFR."""
    assert not magnesium_orders(run(draw.changed(asked, kidney=[old]), setup).cards)


@given(patients, setups)
def test_a_hold_and_a_vitamin_d_order_never_meet(asked: Json, setup: Setup) -> None:
    """Section 10: K-HOLD never stands beside a vitamin D MR, folded or not."""
    found = run(asked, setup._replace(max_cards=draw.UNFOLDED))

    assert "K-HOLD" not in found.ids or not vitamin_d_orders(found.cards)


def _tied(pool: dict[str, tuple[str, float, tuple[str, ...]]]) -> st.SearchStrategy[list[tuple[float, Json]]]:
    """Two results of one code and one moment, each with what it comes to in one unit; the lower one first."""
    one = st.one_of(
        [
            st.sampled_from(
                [(float(value) * factor, draw.measured(code, draw.quantity(value, unit), 3)) for value in values]
            )
            for unit, (code, factor, values) in pool.items()
        ]
    )
    return st.tuples(one, one).map(lambda pair: sorted(pair, key=lambda found: found[0]))


TIED_CALCIUM = _tied(
    {
        "mg/dL": ("17861-6", 1.0, ("9.4", "7.4", "10.3", "10.6", "14.5")),
        "mmol/L": ("17861-6", 4.0078, ("2.3", "1.8", "2.56", "2.7", "3.6")),
    }
)
TIED_PHOSPHATE = _tied(
    {
        "mg/dL": ("2777-1", 1.0, ("3.5", "4.5", "4.7", "6")),
        "mmol/L": ("2777-1", 3.0974, ("1.1", "1.45", "1.5", "2")),
    }
)
STAGE_3 = draw.condition(draw.concept(draw.ICD10, "N18.31"), draw.status("active"))
TIED_EGFR = _tied({"mL/min": ("98979-8", 1.0, ("95", "61", "59", "45", "29", "14"))})


@given(patients, setups, st.one_of(TIED_CALCIUM, TIED_PHOSPHATE), st.sampled_from(([], [STAGE_3])))
def test_of_tied_chemistry_the_highest_counts(
    asked: Json, setup: Setup, tied: list[tuple[float, Json]], problems: list[Json]
) -> None:
    """Section 5: of calcium and of phosphate of one moment the highest counts, in whatever unit."""
    asked = draw.changed(asked, conditions=problems)
    (_, lower), (_, higher) = tied

    alone = run(draw.changed(asked, chemistry=[higher]), setup)
    both = run(draw.changed(asked, chemistry=[lower, higher]), setup)

    assert outline(alone.response) == outline(both.response)


@given(patients, setups, TIED_EGFR)
def test_of_tied_egfr_the_lowest_counts(asked: Json, setup: Setup, tied: list[tuple[float, Json]]) -> None:
    """Sections 3.5 and 5: of eGFR of one moment the lowest counts."""
    (_, lower), (_, higher) = tied

    alone = run(draw.changed(asked, kidney=[lower]), setup)
    both = run(draw.changed(asked, kidney=[higher, lower]), setup)

    assert outline(alone.response) == outline(both.response)


@given(patients, setups)
def test_what_cannot_be_read_is_said_and_not_used(asked: Json, setup: Setup) -> None:
    """R14: K-DATA is there for an adult exactly where a state is INDET; R5: then nothing is dosed by it."""
    found = run(asked, setup._replace(max_cards=draw.UNFOLDED))
    child = "R19" in found.rows
    untrusted = "INDET" in (found.vitamin_d, found.magnesium)

    assert ("K-DATA" in found.ids) == (untrusted and not child)
    if found.vitamin_d in ("INDET", "STALE", "UNK"):
        assert not vitamin_d_orders(found.cards)
    if found.magnesium in ("INDET", "STALE", "UNK"):
        assert not magnesium_orders(found.cards)


@given(patients, setups, st.sampled_from(("2008-03-03", "2015-06-01", None)))
def test_children_and_people_of_unknown_age_get_no_drug(asked: Json, setup: Setup, born: str | None) -> None:
    """R19 and G-ADULT: under 18, or with an unknown birth date, no drug; under 18 nothing but critical and K-PEDS."""
    person = {**asked["prefetch"]["patient"], "birthDate": born}
    found = run(draw.changed(asked, patient=person), setup)

    assert not any(drugs(card) for card in found.cards)
    if born is not None:
        assert all(
            card["indicator"] == "critical" or name == "K-PEDS"
            for card, name in zip(found.cards, found.ids, strict=True)
        )


@given(patients, setups)
def test_the_dead_are_left_in_peace(asked: Json, setup: Setup) -> None:
    """Section 9.5: no cards for a deceased patient."""
    person = {**asked["prefetch"]["patient"], "deceasedDateTime": draw.ago(3)}

    assert run(draw.changed(asked, patient=person), setup).response == {"cards": []}
