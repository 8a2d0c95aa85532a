"""Age, pregnancy and obesity (decision table, section 9.5)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, ask, codings, derive, lab, mg, problem, vitd

WOMAN = {"gender": "female", "birthDate": "1990-06-15"}
PREGNANT, NOT_PREGNANT, UNKNOWN = "LA15173-0", "LA26683-5", "LA4489-6"


@for_each(
    ("birth", "age"),
    [
        ("2008-03-02", 18), ("2008-03-03", 17), ("2008-03", 17), ("2008-02", 18), ("2008", 17), ("2007", 18),
        ("1976-03-02", 50), ("1976-03-03", 49), ("2024-02-29", 2), ("2026-03-02", 0), (None, None),
    ],
)  # fmt: skip
def test_age(birth, age):
    """Whole years; a partial birth date gives the youngest possible age."""
    assert derive(patient={"birthDate": birth}).person.age == age


def test_an_unknown_birth_date_shows_cards_and_gives_no_drug():
    """Cards as for an adult, drug suggestions closed by G-ADULT."""
    seen = ask(patient={"birthDate": None}, vitamin_d=[vitd("15")], magnesium=[mg("0.7")])
    assert seen.topics == ["magnesium-low", "vitamin-d-deficiency"]
    assert (seen.gates, seen.drugs) == ({"G-ADULT"}, [])
    assert "age under 18, or unknown" in seen.detail("vitamin-d-deficiency")


def status(answer, days):
    """An answer to 82810-3."""
    return lab("82810-3", None, day=ago(days), valueCodeableConcept=codings(answer))


def pregnancy(days):
    """A pregnancy Condition, or an undated one."""
    return problem("O09.90", None if days is None else ago(days))


@for_each(
    ("conditions", "answers", "pregnant"),
    [
        ([pregnancy(299)], [], True),
        ([pregnancy(300)], [], False),
        ([pregnancy(None)], [], True),
        ([], [status(PREGNANT, 279)], True),
        ([], [status(PREGNANT, 280)], False),
        ([], [status(PREGNANT, -1)], True),
        ([], [status(PREGNANT, 20), status(NOT_PREGNANT, -1)], True),
        ([], [status(UNKNOWN, 10)], False),
        ([], [status(NOT_PREGNANT, 10)], False),
        ([], [status(PREGNANT, 50), status(NOT_PREGNANT, 40)], False),
        ([], [status(PREGNANT, 40), status(NOT_PREGNANT, 50)], True),
        ([], [status(PREGNANT, 50), status(UNKNOWN, 40)], True),
        ([pregnancy(50)], [status(NOT_PREGNANT, 40)], False),
        ([pregnancy(40)], [status(NOT_PREGNANT, 50)], True),
        ([pregnancy(290)], [status(NOT_PREGNANT, 285)], False),
        ([pregnancy(None)], [status(NOT_PREGNANT, 279)], False),
        ([pregnancy(None)], [status(NOT_PREGNANT, 281)], True),
        ([pregnancy(None)], [status(UNKNOWN, 10)], True),
        ([pregnancy(40), pregnancy(400)], [status(NOT_PREGNANT, 50)], True),
        ([], [], False),
    ],
)
def test_pregnant(conditions, answers, pregnant):
    """A Condition less than 300 days old or undated, or an answer less than 280; a newer "not pregnant" cancels."""
    assert derive(patient=WOMAN, conditions=conditions, vitals=answers).person.pregnant is pregnant


@for_each("elements", [{"clinicalStatus": "resolved"}, {"verificationStatus": "refuted"}], ids=["resolved", "refuted"])
def test_a_pregnancy_that_does_not_count(elements):
    """Section 8: a Condition counts when active and not refuted."""
    assert not derive(patient=WOMAN, conditions=[problem("O09.90", ago(50), **elements)]).person.pregnant


@for_each("state", ["preliminary", "entered-in-error", "cancelled"])
def test_an_answer_that_is_not_final(state):
    """Section 5: only final, amended and corrected answers are read."""
    answer = status(PREGNANT, 20) | {"status": state}
    assert not derive(patient=WOMAN, vitals=[answer]).person.pregnant


BMI, HEIGHT, WEIGHT = "39156-5", "8302-2", "29463-7"


@for_each(
    ("vitals", "obese"),
    [
        ([lab(BMI, "30", "kg/m2")], True),
        ([lab(BMI, "29.99", "kg/m2")], False),
        # 89.8 / 1.73^2 = 30.004; 89.7 / 1.73^2 = 29.971, which would round to 30.0
        ([lab(WEIGHT, "89.8", "kg"), lab(HEIGHT, "173", "cm")], True),
        ([lab(WEIGHT, "89.7", "kg"), lab(HEIGHT, "173", "cm")], False),
        ([lab(WEIGHT, "89.8", "kg"), lab(HEIGHT, "1.73", "m")], True),
        # 210 lb = 95.254 kg, 70 in = 1.778 m: 30.13; 209 lb = 94.801 kg: 29.99
        ([lab(WEIGHT, "210", "[lb_av]"), lab(HEIGHT, "70", "[in_i]")], True),
        ([lab(WEIGHT, "209", "[lb_av]"), lab(HEIGHT, "70", "[in_i]")], False),
        ([lab(WEIGHT, "89800", "g"), lab(HEIGHT, "173", "cm")], True),
        ([lab(BMI, "24", "kg/m2"), lab(WEIGHT, "120", "kg"), lab(HEIGHT, "170", "cm")], False),
        ([lab(BMI, "24", "kg/m2", ago(731)), lab(WEIGHT, "120", "kg"), lab(HEIGHT, "170", "cm")], True),
        ([lab(BMI, "24", "furlong"), lab(WEIGHT, "120", "kg"), lab(HEIGHT, "170", "cm")], True),
        ([lab(WEIGHT, "120", "kg")], False),
        ([lab(HEIGHT, "170", "cm")], False),
        ([lab(WEIGHT, "120", "stone"), lab(HEIGHT, "170", "cm")], False),
        # the man of the common facts was 18 on 1998-06-15
        ([lab(WEIGHT, "120", "kg"), lab(HEIGHT, "170", "cm", "1998-06-15")], True),
        ([lab(WEIGHT, "120", "kg"), lab(HEIGHT, "170", "cm", "1998-06-14")], False),
        ([], False),
    ],
)
def test_obese_by_size(vitals, obese):
    """BMI of 30 or more, else weight over height squared, unrounded; height measured at 18 or later."""
    assert derive(vitals=vitals).person.obese is obese


@for_each(("code", "obese"), [("E66.9", True), ("E66.01", True), ("Z68.30", True), ("E66.3", False), ("Z68.29", False)])
def test_obese_by_code(code, obese):
    """Or an obesity code."""
    assert derive(vitals=[], conditions=[problem(code)]).person.obese is obese


@for_each("code", ["O09.90", "Z33.1", "Z34.80", "Z3A.20"])
def test_a_pregnant_patient_gets_no_order(code):
    """Sections 10 and 13: G-PREG takes every order away, K-PREG says so."""
    conditions = [problem(code, ago(60))]
    seen = ask(patient=WOMAN, vitamin_d=[vitd("15")], magnesium=[mg("0.7")], conditions=conditions)
    assert (seen.drugs, seen.gates) == ([], {"G-PREG"})
    assert seen.topics == ["magnesium-low", "vitamin-d-deficiency", "pregnancy"]
