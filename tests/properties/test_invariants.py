"""What holds beside section 21: what is not known, what is tied, who gets no drug, and who is left in peace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.properties import strategies as draw
from tests.properties.running import (
    drugs,
    magnesium_orders,
    run,
)
from tests.properties.strategies import Json, Setup, patients, setups
from tests.support.fixtures import outline

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
