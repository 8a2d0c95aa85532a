"""Changes leave everything else as it was, and survive whatever was pasted."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.terminology import Terminology
from cds_service.playground import changes as changes_module
from cds_service.playground.changes import MAGNESIUM, VITAMIN_D, Trial, dial
from tests.support.examples import tried
from tests.support.fixtures import engine
from tests.support.for_each import for_each
from tests.web.calls import TODAY, bundle, golden, observation

FULL = Trial(vitamin_d="20", magnesium="0.8", age="50", egfr="60", therapy="d3-1000", magnesium_therapy="none")
KEYS = ["patient", "vitaminD", "magnesium", "kidney", "medications"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["entry", "resource", "code", "coding", "valueQuantity", "value", "unit", "status", "system"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_nothing_else_is_changed(terms: Terminology):
    """With a changed 25(OH)D every other key of the request is what it was, and the original is left alone."""
    request = golden()
    original = copy.deepcopy(request)
    changed = Trial(vitamin_d="44.5").apply(request, terms, TODAY)

    assert request == original
    assert changed["prefetch"].pop("vitaminD") != original["prefetch"].pop("vitaminD")
    assert changed == original


def test_the_newest_plain_total_is_changed(terms: Terminology):
    """Of several results the newest that is a number in a known unit is changed: no 1,25(OH)2D, no <4, no older one."""
    results = [
        observation("62290-2", 30, "pg/mL", "2026-03-01"),
        observation("62292-8", 12, "furlongs", "2026-03-01"),
        observation("62292-8", 14, "ng/mL", "2026-02-01"),
        observation("62292-8", 18, "ng/mL", "2026-01-01"),
    ]
    results.append({**observation("62292-8", 4, "ng/mL", "2026-02-20")})
    results[-1]["valueQuantity"]["comparator"] = "<"
    request = golden()
    request["prefetch"]["vitaminD"] = bundle(*results)
    changed = Trial(vitamin_d="25").apply(request, terms, TODAY)
    values = [entry["resource"]["valueQuantity"]["value"] for entry in changed["prefetch"]["vitaminD"]["entry"]]

    assert values == [30, 12, Decimal(25), 18, 4]


def test_d3_is_changed_where_it_stands_alone(terms: Terminology):
    """A newer 25(OH)D3 alone is what the slider shows; beside a D2 of its day it is one of two, and is left alone."""
    request = golden()
    older, d3, d2 = (
        observation("62292-8", 43, "ng/mL", "2026-01-01"),
        observation("1989-3", 25, "ng/mL", "2026-02-01"),
        observation("49054-0", 5, "ng/mL", "2026-02-01"),
    )
    request["prefetch"]["vitaminD"] = bundle(older, d3)
    assert dial(request, VITAMIN_D, terms).value == 25
    request["prefetch"]["vitaminD"] = bundle(older, d3, d2)
    assert dial(request, VITAMIN_D, terms).value == 43


@for_each(("unit", "high"), [("ng/mL", "160"), ("nmol/L", "400")], ids=["mass", "molar"])
def test_slider_is_in_the_unit_of_the_result(terms: Terminology, unit: str, high: str):
    """The slider stands at the result, in its unit, on a scale for that unit."""
    request = golden()
    request["prefetch"]["vitaminD"] = bundle(observation("62292-8", 33, unit))
    found = dial(request, VITAMIN_D, terms)

    assert (found.value, found.unit, found.scale.high) == (Decimal(33), unit, Decimal(high))


def test_slider_without_a_result_has_a_unit_all_the_same(terms: Terminology):
    """Where there is no result, the slider offers one in mmol/L and stands nowhere."""
    request = golden()
    request["prefetch"]["magnesium"] = bundle()

    assert dial(request, MAGNESIUM, terms)[:2] == (None, "mmol/L")


def test_age_is_reached_on_the_day(terms: Terminology):
    """A patient made 18 has turned 18 on the day of the trial."""
    changed = Trial(age="18").apply(golden(), terms, TODAY)

    assert changed["prefetch"]["patient"]["birthDate"] == "2008-03-02"


@tried(300)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, VALUES)))
def test_any_prefetch_can_be_changed(prefetch: dict[str, Any]):
    """Whatever stands under the keys, a change is made and nothing fails."""
    terms = engine(TODAY).terms
    changed = FULL.apply({"prefetch": prefetch}, terms, TODAY)

    assert changed["prefetch"]["vitaminD"]["resourceType"] == "Bundle" or changes_module.newest(
        prefetch, VITAMIN_D, terms
    )
    for analyte in (VITAMIN_D, MAGNESIUM):
        dial({"prefetch": prefetch}, analyte, terms)


@for_each("prefetch", [None, [], "x", 3])
def test_request_without_prefetch_stays_as_it_is(terms: Terminology, prefetch: Any):
    """A request whose prefetch is none is handed on for the service to refuse."""
    assert FULL.apply({"prefetch": prefetch}, terms, TODAY) == {"prefetch": prefetch}
