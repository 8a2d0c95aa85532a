"""Section 21 of the decision table: the properties that compare two answers, in its order and with its numbers.

Those that hold for each answer alone are in `checks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from itertools import permutations
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.states.derive import States
from tests.properties import strategies as draw
from tests.properties.running import (
    Run,
    derived,
    drugs,
    ingredient,
    magnesium_orders,
    run,
    texts,
    vitamin_d_orders,
    without_uuids,
)
from tests.properties.strategies import Json, Setup, patients, setups
from tests.support.fixtures import outline

DEFICIENCY = {"K-DDEF", "K-DINS"}
BY_COURSE = {"D:K-RECHECK", "D:K-TOOSOON", "D:K-RESIST"}
"""Rows of the D map that R1, R2 and R3 answer."""


# 1


class Lowered(NamedTuple):
    """The same 25(OH)D result twice, the second time not higher."""

    higher: Json
    lower: Json


def _lowered() -> st.SearchStrategy[Lowered]:
    codes = {"ng/mL": (*draw.TOTAL_MASS, *draw.D3), "nmol/L": (*draw.TOTAL_MOLAR, *draw.D3)}
    values = {"ng/mL": sorted(draw.MASS), "nmol/L": sorted(draw.MOLAR)}

    def pair(unit: str) -> st.SearchStrategy[Lowered]:
        value = st.sampled_from(values[unit])
        parts = st.tuples(
            st.sampled_from(codes[unit]), value, value, st.sampled_from((None, None, "<")), st.sampled_from(draw.FRESH)
        )
        return parts.map(lambda drawn: build(unit, *drawn))

    def build(unit: str, code: str, one: Decimal, other: Decimal, sign: str | None, days: int) -> Lowered:
        return Lowered(
            draw.measured(code, draw.quantity(max(one, other), unit, sign), days),
            draw.measured(code, draw.quantity(min(one, other), unit, sign), days),
        )

    return st.one_of(pair("ng/mL"), pair("nmol/L"))


@given(patients, setups, _lowered())
def test_01_lowering_vitamin_d_keeps_the_deficiency_card(asked: Json, setup: Setup, lowered: Lowered) -> None:
    """1. Within plausibility (4.3), lowering 25(OH)D never removes a deficiency card, except through R1 to R3."""
    before = run(draw.with_newest(asked, "vitaminD", lowered.higher), setup)
    after = run(draw.with_newest(asked, "vitaminD", lowered.lower), setup)

    if not after.rows & BY_COURSE:
        assert "K-DDEF" in after.ids or "K-DDEF" not in before.ids
        assert DEFICIENCY.intersection(after.ids) or not DEFICIENCY.intersection(before.ids)


# 2

GAPS = tuple(
    (Decimal(low), Decimal(high))
    for low, high in (
        ("24.96", "25"), ("29.95", "30"), ("37.44", "37.5"), ("49.92", "50"), ("74.88", "75"), ("124.8", "125"),
        ("249.6", "250"), ("374.4", "375"),
    )
)  # fmt: skip
"""nmol/L that the printed pairs of section 2 leave open, ends included."""

NG_PER_NMOL = Decimal("0.40064")
OUTSIDE_GAPS = [
    value
    for value in (*draw.MOLAR, *draw.around(("24.95", "29.94", "37.43", "49.91", "74.87", "124.79", "249.59"), "0.01"))
    if not any(low <= value <= high for low, high in GAPS)
]
SPECIMENS_OF_VITAMIN_D = [
    tuple(
        draw.quantity(value * factor, unit, sign)
        for factor, unit in (
            (Decimal(1), "nmol/L"),
            (NG_PER_NMOL, "ng/mL"),
            (NG_PER_NMOL, "ug/L"),
            (NG_PER_NMOL * 100, "ng/dL"),
        )
    )
    for value in OUTSIDE_GAPS
    for sign in (None, None, "<", ">")
]
MAGNESIUM_RANGES = (None, ("0.65", "1.10"), ("0.70", "1.05"), ("0.73", "1.05"))
MAGNESIUM_UNITS = (
    (Decimal(1), "mmol/L"), (Decimal(2), "mEq/L"), (draw.MG_PER_MMOL, "mg/dL"), (draw.MG_PER_MMOL * 10, "mg/L"),
)  # fmt: skip


def _magnesium_readings(value: Decimal, sign: str | None, own: tuple[str, str] | None) -> tuple[Json, ...]:
    """One specimen in every unit, with the laboratory's own range in the unit of the value."""
    found = []
    for factor, unit in MAGNESIUM_UNITS:
        ends = [] if own is None else [Decimal(end) * factor for end in own]
        ranged = {} if own is None else draw.own_range(str(ends[0]), str(ends[1]), unit)
        found.append(draw.reading("35249-2", draw.quantity(value * factor, unit, sign), **ranged))
    return tuple(found)


SPECIMENS_OF_MAGNESIUM = [
    _magnesium_readings(value, sign, own)
    for value in draw.MMOL
    for sign in (None, None, "<", ">")
    for own in MAGNESIUM_RANGES
]


def _in_units(code: str, values: Iterable[Decimal], *units: tuple[int, str]) -> Iterator[tuple[Json, ...]]:
    for value in values:
        yield tuple(draw.reading(code, draw.quantity(value * factor, unit)) for factor, unit in units)


SPECIMENS_OF_CALCIUM = [
    *_in_units("17861-6", draw.CA_MASS, (1, "mg/dL"), (10, "mg/L")),
    *_in_units("2000-8", draw.CA_MOLAR, (1, "mmol/L"), (2, "mEq/L")),
]

vitamin_d_specimens = st.tuples(
    st.just("vitaminD"),
    st.tuples(st.sampled_from(("62292-8", "68438-1", "35196-5")), st.sampled_from(SPECIMENS_OF_VITAMIN_D)).map(
        lambda drawn: tuple(draw.reading(drawn[0], value) for value in drawn[1])
    ),
)
specimens = st.one_of(
    vitamin_d_specimens,
    st.tuples(st.just("magnesium"), st.sampled_from(SPECIMENS_OF_MAGNESIUM)),
    st.tuples(st.just("chemistry"), st.sampled_from(SPECIMENS_OF_CALCIUM)),
)
DAYS = (10, 5, 1, 30, 90, 91, 200, 365, 366)


@given(patients, setups, specimens, st.sampled_from(DAYS), st.data())
def test_02_units_do_not_change_the_cards(
    asked: Json, setup: Setup, specimen: tuple[str, tuple[Json, ...]], days: int, data: st.DataObject
) -> None:
    """2. The same specimen in any of its units gives the same cards.

    As ng/mL, ug/L, ng/dL, mg/dL, mg/L, mmol/L or mEq/L; 25(OH)D in nmol/L too, except inside the gaps between the
    printed pairs. Calcium is compared in the family it arrived in, so its mass and molar units are kept apart.
    """
    key, readings = specimen
    first, other = readings[0], data.draw(st.sampled_from(readings[1:]))
    one, another = (
        run(draw.with_newest(asked, key, draw.observation(what, draw.final(days))), setup) for what in (first, other)
    )

    assert (one.vitamin_d, one.magnesium) == (another.vitamin_d, another.magnesium)
    assert outline(one.response) == outline(another.response)


# 3


def _problem(code: str) -> Json:
    return draw.condition(draw.concept(draw.ICD10, code), draw.status("active"))


def _with_problem(asked: Json, code: str) -> Json:
    return draw.changed(asked, conditions=[*draw.entries(asked, "conditions"), _problem(code)])


def _newest(key: str, code: str, value: Json) -> tuple[str, Json]:
    return key, draw.measured(code, value, 0)


MAGNESIUM_BLOCKERS: tuple[str | tuple[str, Json], ...] = (
    "N18.4", "N18.5", "N18.6", "Z99.2", "N17.9", "N19", "G70.0", "Z33.1",
    _newest("kidney", "98979-8", draw.quantity(29, "mL/min")),
    _newest("kidney", "98979-8", draw.quantity(14, "mL/min")),
    _newest("chemistry", "1995-0", draw.quantity("0.89", "mmol/L")),
    _newest("vitaminD", "62292-8", draw.quantity("150.1", "ng/mL")),
    _newest("magnesium", "2601-3", draw.quantity("0.49", "mmol/L")),
    _newest("magnesium", "2601-3", draw.quantity("1.06", "mmol/L")),
    ("vitals", draw.observation(draw.PREGNANT, draw.final(0))),
    ("patient", {"birthDate": "2008-03-03"}),
    ("kidney", {}),
)  # fmt: skip


@given(patients, setups, st.sampled_from(MAGNESIUM_BLOCKERS))
def test_03_each_reason_alone_takes_the_magnesium_order_away(
    asked: Json, setup: Setup, blocker: str | tuple[str, Json]
) -> None:
    """3, from outside: put one of the reasons on file, whatever else is there, and no magnesium MR is left."""
    if isinstance(blocker, str):
        asked = _with_problem(asked, blocker)
    elif blocker[0] == "patient":
        asked = draw.changed(asked, patient={**asked["prefetch"]["patient"], **blocker[1]})
    elif not blocker[1]:
        asked = draw.changed(asked, **{blocker[0]: []})
    else:
        asked = draw.with_newest(asked, *blocker)

    assert not magnesium_orders(run(asked, setup).cards)


# 4

VITAMIN_D_BLOCKERS = (
    _newest("vitaminD", "62292-8", draw.quantity("100.1", "ng/mL")),
    _newest("vitaminD", "68438-1", draw.quantity("375.1", "nmol/L")),
    _newest("chemistry", "1995-0", draw.quantity("0.89", "mmol/L")),
    _newest("chemistry", "1995-0", draw.quantity("1.33", "mmol/L")),
)


HOLDS = ("E83.52", "D86.0", "B39.9", "A15.0", "Q93.82", "E67.3")


@given(patients, setups, st.sampled_from((*VITAMIN_D_BLOCKERS, *HOLDS)))
def test_04_each_stop_alone_takes_the_vitamin_d_order_away(
    asked: Json, setup: Setup, blocker: str | tuple[str, Json]
) -> None:
    """4, from outside: put one stop or hard hold on file, whatever else is there, and no vitamin D MR is left."""
    asked = _with_problem(asked, blocker) if isinstance(blocker, str) else draw.with_newest(asked, *blocker)

    assert not vitamin_d_orders(run(asked, setup).cards)


# 9

CALCIUM_MASS = Decimal("4.0078")
MAGNESIUM_CUTS = {"0.50", "0.75", "0.85", "1.05", "1.22", "1.82", "2.07", "2.55", "4.86", "1.50", "1.70", "2.10"}
"""As section 6.1 prints them; those in whole numbers aside."""

NUMBER = re.compile(r"(?<![\d.])\d+\.\d{1,2}(?!\d)")
calcium_results = st.sampled_from([what for what in draw.CALCIUM if "valueQuantity" in what])
magnesium_results = st.sampled_from([what for what in draw.MAGNESIUM[:80] if "valueQuantity" in what])


def _numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def _said(found: Run) -> set[str]:
    return set().union(*(_numbers(texts(card)) for card in found.cards))


def _written(*exact: Decimal) -> set[str]:
    """Numbers to one and two decimals, rounded and cut off."""
    return {
        str(value.quantize(Decimal(digits), rounding))
        for value in exact
        for digits in ("0.1", "0.01")
        for rounding in (ROUND_HALF_UP, ROUND_DOWN)
    }


def _suspects(behind: States) -> set[str]:
    """Calcium over magnesium by mass and by mole, but for what is one of the two results or a cut-off."""
    calcium, magnesium = behind.calcium.result, behind.m.last
    if calcium is None or calcium.interval is None or magnesium is None or magnesium.interval is None:
        return set()
    of_calcium = calcium.interval.bound / (CALCIUM_MASS if calcium.family == "mass" else 1)
    of_magnesium = magnesium.interval.bound
    by_mole = of_calcium / of_magnesium
    known = [of_calcium, of_calcium * 2, of_calcium * CALCIUM_MASS]
    known += [of_magnesium, of_magnesium * 2, of_magnesium * draw.MG_PER_MMOL]
    return _written(by_mole, by_mole * CALCIUM_MASS / draw.MG_PER_MMOL) - _written(*known) - MAGNESIUM_CUTS


@given(patients, setups, calcium_results, magnesium_results)
def test_09_calcium_is_never_divided_by_magnesium(asked: Json, setup: Setup, calcium: Json, magnesium: Json) -> None:
    """9. No card prints a quotient of serum calcium and serum magnesium.

    A number that is said without any calcium, or without any magnesium, that the record itself holds or that is a
    cut-off is no quotient.
    """
    both = draw.with_newest(asked, "chemistry", draw.observation(calcium, draw.final(3)))
    both = draw.with_newest(both, "magnesium", draw.observation(magnesium, draw.final(2)))
    suspects = _suspects(derived(both, setup)) & _said(run(both, setup))
    if suspects:
        suspects -= _said(run(draw.changed(both, chemistry=[]), setup))
        suspects -= _said(run(draw.changed(both, magnesium=[]), setup))
        suspects -= set().union(*(_numbers(str(held)) for held in draw.resources(both)))

    assert not suspects


# 10

ENTERED_IN_ERROR = {"status": "entered-in-error", "effectiveDateTime": draw.ago(0)}
IN_ERROR: dict[str, tuple[Json, ...]] = {
    "vitaminD": tuple(draw.observation(what, ENTERED_IN_ERROR) for what in draw.VITAMIN_D[5:12]),
    "magnesium": tuple(draw.observation(what, ENTERED_IN_ERROR) for what in draw.MAGNESIUM[:6]),
    "chemistry": tuple(draw.observation(what, ENTERED_IN_ERROR) for what in draw.CALCIUM[:5]),
    "kidney": tuple(draw.observation(what, ENTERED_IN_ERROR) for what in draw.KIDNEY[:6]),
    "vitals": tuple(draw.observation(what, ENTERED_IN_ERROR) for what in draw.VITALS),
    "conditions": tuple(
        draw.condition(code, {"verificationStatus": draw.concept("", "entered-in-error")})
        for code in draw.CONDITION_CODES
    ),
    "medications": tuple(draw.order(drug, draw.Course("entered-in-error")) for drug in draw.DRUGS),
    "labOrders": tuple(
        draw.lab_order(code, {"status": "entered-in-error", "authoredOn": draw.ago(1)}) for code in draw.ORDER_CODES
    ),
}
errors = st.tuples(*(st.tuples(st.just(key), st.sampled_from(found)) for key, found in IN_ERROR.items()))
orders = st.permutations(range(6))


def _mixed(asked: Json, order: list[int], added: tuple[tuple[str, Json], ...]) -> Json:
    """The same record, its entries in another order and with resources entered in error among them."""
    extra = dict(added)
    prefetch = {}
    for key, held in reversed(asked["prefetch"].items()):
        if key == "patient" or held is None or held["resourceType"] != "Bundle":
            prefetch[key] = held
            continue
        placed = [*held["entry"], {"resource": extra[key]}]
        places = sorted(range(len(placed)), key=lambda place: order[place % len(order)])
        prefetch[key] = {**held, "entry": [placed[place] for place in places]}
    return {**asked, "prefetch": prefetch}


@given(patients, setups, orders, errors)
def test_10_order_and_errors_of_entry_change_nothing(
    asked: Json, setup: Setup, order: list[int], added: tuple[tuple[str, Json], ...]
) -> None:
    """10. The order of Bundle entries changes nothing, nor does adding an entered-in-error resource."""
    before, after = run(asked, setup), run(_mixed(asked, order, added), setup)

    assert without_uuids(before.response) == without_uuids(after.response)


TWINS: dict[str, list[Json]] = {
    "vitaminD": draw.VITAMIN_D,
    "magnesium": draw.MAGNESIUM,
    "chemistry": draw.CHEMISTRY,
    "kidney": draw.KIDNEY,
    "vitals": draw.VITALS,
}
"""Any two results of one key."""


def _values(code: str, unit: str, *values: str) -> list[Json]:
    return [draw.reading(code, draw.quantity(value, unit)) for value in values]


def _ranged(code: str, value: str, unit: str, low: str, high: str) -> list[Json]:
    """One value, without and with the laboratory's own range."""
    plain = draw.reading(code, draw.quantity(value, unit))
    return [plain, {**plain, **draw.own_range(low, high, unit)}]


ALIKE: dict[str, list[list[Json]]] = {
    "vitaminD": [
        [*_values("62292-8", "ng/mL", "20", "20.0", "19.9"), *_values("68438-1", "nmol/L", "50", "49.9", "50.1")],
        [*_values("62292-8", "ng/mL", "14"), *_values("62292-8", "ug/L", "14"), draw.reading("62292-8", "14 ng/mL")],
        draw.VITAMIN_D[-2:],
        [*_values("1989-3", "ng/mL", "14", "15"), *_values("49054-0", "ng/mL", "8", "9")],
    ],
    "magnesium": [
        [
            *_values("2601-3", "mmol/L", "0.75", "0.74"),
            *_values("19123-9", "mg/dL", "1.8"),
            *_values("2601-3", "mEq/L", "1.5"),
        ],
        [*_ranged("2601-3", "0.70", "mmol/L", "0.65", "1.10"), *_values("2601-3", "mmol/L", "0.700")],
        _ranged("2601-3", "1.08", "mmol/L", "0.65", "1.10"),
        [
            *_values("2601-3", "mmol/L", "0.70"),
            draw.reading("2601-3", draw.quantity("0.70", "mmol/L"), **draw.HAEMOLYSED),
        ],
    ],
    "chemistry": [
        [draw.reading("17861-6", draw.quantity("7.5", "mg/dL", sign)) for sign in (None, "<", ">")],
        [draw.reading("17861-6", draw.quantity("10.5", "mg/dL", sign)) for sign in (None, "<", ">")],
        [*_values("17861-6", "mg/dL", "11"), *_values("17861-6", "mg/L", "110")],
        _ranged("1995-0", "1.30", "mmol/L", "1.15", "1.27"),
        _values("2823-3", "mmol/L", "3.4", "3.5"),
        _ranged("2731-8", "70", "pg/mL", "15", "80"),
        [*_values("1751-7", "g/dL", "2.5", "4.0"), *_values("17861-6", "mg/dL", "10.2")],
        _values("2777-1", "mg/dL", "4.6", "4.7"),
    ],
    "kidney": [
        [draw.reading("33914-3", text) for text in (">60", ">59", "60", "<60", "59")],
        _values("2160-0", "mg/dL", "1.2", "1.4", "2.8"),
        [*_values("48642-3", "mL/min", "55", "62"), *_values("48643-1", "mL/min", "55", "62")],
    ],
    "vitals": [
        _values("39156-5", "kg/m2", "29.9", "30"),
        [*_values("8302-2", "cm", "160", "175"), *_values("29463-7", "kg", "80", "95")],
        [draw.PREGNANT, draw.NOT_PREGNANT],
    ],
}
"""Groups of results that say nearly the same, or say it with another range, sign or unit."""

TIE_STAMPS = [draw.final(3), draw.final(3), draw.final(3), draw.final(-3), {"status": "final"}, draw.final(400)]


def _stamped(drawn: tuple[list[Json], Json]) -> list[Json]:
    return [draw.observation(what, drawn[1]) for what in drawn[0]]


def _tie(found: st.SearchStrategy[list[Json]]) -> st.SearchStrategy[list[Json]]:
    """Observations with one stamp."""
    return st.tuples(found, st.sampled_from(TIE_STAMPS)).map(_stamped)


ENDINGS = [
    draw.Course("completed", 170),
    draw.Course("completed", 170, supply=28),
    draw.Course("completed", 170, supply=112),
    draw.Course("completed", 170, 30),
    draw.Course("stopped", 170, 60),
    draw.Course("active", 170),
    draw.Course("active", 170, weeks=8),
]
"""Orders that began on one day and came to different ends."""


KINDS = (
    ("omeprazole", "lansoprazole", "pantoprazole"),
    ("furosemide", "torsemide", "bumetanide"),
    ("indapamide", "hydrochlorothiazide", "metolazone"),
    ("gentamicin", "cisplatin", "tacrolimus"),
    ("ciprofloxacin", "moxifloxacin", "alendronate", "doxycycline", "levothyroxine"),
    ("phenytoin", "carbamazepine", "orlistat", "mineral oil"),
    ("calcitriol", "alfacalcidol", "paricalcitol"),
    ("vitamin D3 1000 IU", "ergocalciferol 50,000 IU", "vitamin D"),
)
"""Drugs of one set: a card names one of them, or all."""


def _tied_orders() -> st.SearchStrategy[list[Json]]:
    """Two orders of vitamin D that began on one day, or two drugs of one kind and one course."""
    drug, ending = st.sampled_from(draw.VITAMIN_D_DRUGS), st.sampled_from(ENDINGS)
    one_drug = st.tuples(drug, ending, ending).map(lambda d: [draw.order(d[0], d[1]), draw.order(d[0], d[2])])
    pairs = [(one, other) for kind in KINDS for one in kind for other in kind if one != other]
    one_kind = st.tuples(st.sampled_from(pairs), st.sampled_from((draw.LONG, *draw.COURSES))).map(
        lambda d: [draw.order(draw.named(text), d[1]) for text in d[0]]
    )
    return st.one_of(one_drug, one_kind)


def _ties(key: str) -> st.SearchStrategy[list[Json]]:
    """Any two results, two of a group, or three."""
    any_two = st.lists(st.sampled_from(TWINS[key]), min_size=2, max_size=2)
    alike = [
        st.sampled_from([list(found) for found in permutations(group, count)])
        for group in ALIKE[key]
        for count in (2, 3)
        if count <= len(group)
    ]
    return st.one_of([_tie(found) for found in (any_two, *alike)])


TIES = {**{key: _ties(key) for key in TWINS}, "medications": _tied_orders()}


@pytest.mark.parametrize("key", TIES)
@given(patients, setups, st.data())
def test_10_what_is_tied_has_no_order(key: str, asked: Json, setup: Setup, data: st.DataObject) -> None:
    """10, where it is hardest: results of one moment, or orders that began on one day, the other way round."""
    found = data.draw(TIES[key])
    rest = draw.entries(asked, key)
    before = run(draw.changed(asked, **{key: [*found, *rest]}), setup)
    after = run(draw.changed(asked, **{key: [*reversed(found), *rest]}), setup)

    assert without_uuids(before.response) == without_uuids(after.response)


# 11


def _offers(found: Run) -> set[tuple[str, str]]:
    """The drugs offered, by ingredient and rhythm; a dose may differ."""
    return {
        (ingredient(drafted), drafted["dosageInstruction"][0]["timing"]["repeat"]["periodUnit"])
        for card in found.cards
        for drafted in drugs(card)
    }


@given(patients, setups, st.sampled_from(draw.OPTIONAL), st.sampled_from(("missing", "failed", "partial")))
def test_11_what_is_unavailable_adds_no_drug(asked: Json, setup: Setup, key: str, way: str) -> None:
    """11. Making a prefetch key unavailable never adds a drug suggestion that was not offered before.

    Left aside: a pregnancy recorded nowhere but in `vitals`, of a male or from the age of 56. There section 10 itself
    opens G-PREG as soon as `vitals` is unavailable.
    """
    if key == "vitals":
        person = derived(asked, setup).person
        if person.pregnant and (person.male or (person.age or 0) >= 56):
            return
    less = draw.changed(asked)
    draw.fall_short(less["prefetch"], key, way)
    before, after = run(asked, setup), run(less, setup)

    assert _offers(after) <= _offers(before)


# 18

NAMES = {"vitaminD": "d", "magnesium": "m"}


def _undated(key: str, value: Json) -> Json:
    code = "62292-8" if key == "vitaminD" else "2601-3"
    return {name: part for name, part in draw.measured(code, value, 0).items() if name != "effectiveDateTime"}


UNDATED = [
    (key, _undated(key, draw.quantity(value, unit)))
    for key, unit, values in (
        ("vitaminD", "ng/mL", ("8", "25", "40", "120", "180")),
        ("magnesium", "mmol/L", ("0.4", "0.7", "0.9", "1.2", "2.3")),
    )
    for value in values
]  # fmt: skip


@given(patients, setups, st.sampled_from((*UNDATED, ("vitaminD", None), ("magnesium", None))))
def test_18_no_unusable_result_takes_an_alarm_away(asked: Json, setup: Setup, more: tuple[str, Json | None]) -> None:
    """18. Adding a result without a date, or an unusable one of the driving moment, removes no critical card."""
    key, added = more
    extra = [added] if added is not None else _unusable_twins(asked, setup, key)
    setup = setup._replace(max_cards=draw.UNFOLDED)
    before = run(asked, setup)
    after = run(draw.changed(asked, **{key: [*draw.entries(asked, key), *extra]}), setup)

    assert _critical(before) <= _critical(after)


def _critical(found: Run) -> set[str]:
    return {card["source"]["topic"]["code"] for card in found.cards if card["indicator"] == "critical"}


def _unusable_twins(asked: Json, setup: Setup, key: str) -> list[Json]:
    """A result without a unit and with another number, of each moment of the day that decides."""
    driving = getattr(derived(asked, setup), NAMES[key]).result
    if driving is None or driving.day is None:
        return []
    return [
        {**found, "valueQuantity": {"value": 77}}
        for found in draw.entries(asked, key)
        if "valueQuantity" in found and str(found.get("effectiveDateTime", "")).startswith(str(driving.day))
    ]
