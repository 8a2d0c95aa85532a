"""HD, INT2 and AD: the names of section 7.4 that rules use."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, d2, d3, derive, dosed, every, order, weekly

DONE = {"status": "completed"}


def dose(name, value, unit, repeat=None, start="2026-01-05", **elements):
    """One order."""
    return order(name, start, dosageInstruction=dosed(value, unit, repeat), **elements)


@for_each(
    ("medications", "high"),
    [
        ([d3("4000")], False),
        ([d3("4001")], True),
        ([dose("cholecalciferol", "100", "ug")], False),
        ([dose("cholecalciferol", "101", "ug")], True),
        ([d3("2000"), d3("2001")], True),
        ([d3("2000"), dose("ergocalciferol", "2000", "[iU]")], False),
        # identical orders count once
        ([d3("3000"), d3("3000")], False),
        ([dose("cholecalciferol", "50000", "[iU]", every(1, 1, "mo"))], True),
        ([dose("cholecalciferol", "49999", "[iU]", every(1, 1, "mo"))], False),
        ([dose("cholecalciferol", "1.25", "mg", every(1, 1, "a"))], True),
        ([dose("vitamin D 50000 UNT Oral Capsule", "1", "capsule", every(1, 4, "wk"))], True),
        ([d3("5000", "2025-01-01", ago(1), **DONE)], False),
        ([d3("5000", "2025-01-01", ago(1))], False),
        ([d3("5000", "2025-01-01", ago(0))], True),
        ([d3("5000", status="draft")], False),
        ([d3("5000", status="stopped")], False),
        ([order("cholecalciferol 10,000 IU")], False),
        ([dose("calcifediol", "50000", "[iU]")], False),
        ([dose("calcitriol", "5000", "[iU]")], False),
        ([], False),
    ],
)
def test_high_dose(medications, high):
    """HD: current total above 4,000 IU a day, or any current single dose of 50,000 IU or more."""
    assert derive(medications=medications).therapy.high_dose is high


def test_the_total_is_summed_over_current_orders():
    """IU a day = dose x frequency / period, summed."""
    medications = [d3("1000"), d3("400"), dose("ergocalciferol", "7000", "[iU]", weekly()), d3("9000", **DONE)]
    assert derive(medications=medications).therapy.daily_total == 2400


@for_each(
    ("medication", "intermittent"),
    [
        (d2("2026-01-05"), True),
        (dose("ergocalciferol", "5000", "[iU]", every(1, 7, "d")), True),
        (dose("ergocalciferol", "5000", "[iU]", every(1, 6, "d")), False),
        (dose("ergocalciferol", "50000", "[iU]", every(2, 1, "wk")), False),
        (dose("ergocalciferol", "50000", "[iU]", every(2, 2, "wk")), True),
        (dose("ergocalciferol", "50000", "[iU]", every(1, 1, "mo")), True),
        (dose("vitamin D2", "50000", "[iU]", weekly()), True),
        (dose("cholecalciferol", "50000", "[iU]", weekly()), False),
        (dose("vitamin D", "50000", "[iU]", weekly()), False),
        (d2("2026-01-05", **DONE), False),
        (d2("2026-01-05", ago(1)), False),
        (order("ergocalciferol 50,000 IU weekly"), False),
    ],
)
def test_intermittent_d2(medication, intermittent):
    """INT2: current ergocalciferol with 7 days or more between doses."""
    assert (derive(medications=[medication]).therapy.intermittent_d2 is not None) is intermittent


@for_each(
    ("medication", "active"),
    [
        (order("calcitriol 0.25 MCG"), True),
        (order("paricalcitol"), True),
        (order("calcitriol ointment"), False),
        (order("calcitriol", dosageInstruction=[{"route": {"text": "topical"}}]), False),
        (order("calcitriol", "2025-06-01", **DONE), False),
        (order("calcitriol", "2025-06-01", ago(1)), False),
        (order("calcitriol", "2025-06-01", ago(0)), True),
        (order("calcitriol", status="draft"), False),
        (order("cholecalciferol"), False),
    ],
)
def test_active_vitamin_d(medication, active):
    """AD: a current systemic order of `active-vitd`."""
    assert bool(derive(medications=[medication]).therapy.taking("active-vitd")) is active
