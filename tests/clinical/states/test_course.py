"""Vitamin D orders and the course they make (decision table, section 9.3)."""

from __future__ import annotations

from datetime import date

from tests.support.for_each import for_each
from tests.support.patients import ago, ask, d2, d3, derive, dosed, every, mg, order, quantity, vitd, weekly

DONE = {"status": "completed"}


def unknown(start=None, **elements):
    """An order whose dose is unknown."""
    return order("cholecalciferol", start, **elements)


def supplied(iu, start, days, **elements):
    """A daily order with a supply of *days*."""
    return d3(iu, start, dispenseRequest={"expectedSupplyDuration": quantity(str(days), "d")}, **elements)


def bounded(start, value, unit, **elements):
    """2,000 IU daily with a stated duration."""
    repeat = every(1, 1, "d", boundsDuration=quantity(value, unit))
    return order("cholecalciferol", start, dosageInstruction=dosed("2000", "[iU]", repeat), **elements)


def course(*medications):
    """The course of these orders, or None."""
    return derive(medications=list(medications)).therapy.course


@for_each(
    ("medication", "ended"),
    [
        (d3("2000", "2025-11-01"), None),
        (d3("2000", "2025-11-01", "2026-03-02"), None),
        (d3("2000", "2025-11-01", "2026-03-01"), "2026-03-01"),
        (supplied("2000", "2025-11-01", 30), None),
        (bounded("2025-11-01", "30", "d"), "2025-12-01"),
        (bounded("2025-11-01", "8", "wk"), "2025-12-27"),
        (bounded("2025-11-01", "3", "mo"), "2026-02-01"),
        (bounded("2025-11-01", "12", "mo"), None),
        (d3("2000", "2025-11-01", "2025-12-15", **DONE), "2025-12-15"),
        (d3("2000", "2025-11-01", "2026-06-01", **DONE), "2026-03-02"),
        (supplied("2000", "2025-11-01", 30, **DONE), "2025-12-01"),
        (bounded("2025-11-01", "30", "d", **DONE), "2025-12-01"),
        (d3("2000", "2025-11-01", **DONE), "2025-12-27"),
        (d3("2000", "2025-11-01", status="stopped"), "2025-12-27"),
        (d3("2000", "2026-02-20", **DONE), "2026-03-02"),
        (d3("2000", "2025-11-01", "2025-12-15", status="stopped"), "2025-12-15"),
    ],
)
def test_end_of_an_order(medication, ended):
    """The bounds end, else start and duration or supply, else start + 56 days; never later than as-of when done."""
    found = course(medication)
    assert (None if found.ended is None else found.ended.isoformat()) == ended


@for_each(
    ("medication", "counts"),
    [
        (d3("2000", "2025-01-01", ago(180), **DONE), True),
        (d3("2000", "2025-01-01", ago(181), **DONE), False),
        (d3("2000", "2025-01-01", ago(180)), True),
        (d3("2000", "2025-01-01", ago(181)), False),
        # start + 56 days is 180 or 181 days ago
        (d3("2000", ago(236), **DONE), True),
        (d3("2000", ago(237), **DONE), False),
        (d3("2000", "2025-01-01", ago(10), status="draft"), False),
    ],
)
def test_ended_courses_count_for_180_days(medication, counts):
    """A course that ended 180 days ago counts, one of 181 days ago does not; a draft never does."""
    assert (course(medication) is not None) is counts


@for_each(
    ("medication", "gate"),
    [
        (d3("2000"), "gate.G-DUP-D"),
        (d3("1999"), "gate.G-DUP-D.maintenance"),
        (d3("800"), "gate.G-DUP-D.maintenance"),
        (d3("799"), None),
        (d3("400"), None),
        (unknown(), "gate.G-DUP-D"),
        (order("calcifediol 30 MCG"), "gate.G-DUP-D"),
        # weekly: never a supplement; 714 IU a day is maintenance
        (order("cholecalciferol", dosageInstruction=dosed("5000", "[iU]", weekly())), "gate.G-DUP-D.maintenance"),
        (order("cholecalciferol", dosageInstruction=dosed("4000", "[iU]", every(1, 6, "d"))), None),
        (order("cholecalciferol", dosageInstruction=dosed("13993", "[iU]", weekly())), "gate.G-DUP-D.maintenance"),
        (order("cholecalciferol", dosageInstruction=dosed("14000", "[iU]", weekly())), "gate.G-DUP-D"),
        # one dose of 50,000 IU is course-grade at any interval
        (order("cholecalciferol", dosageInstruction=dosed("50000", "[iU]", every(1, 1, "mo"))), "gate.G-DUP-D"),
        (
            order("cholecalciferol", dosageInstruction=dosed("49999", "[iU]", every(1, 1, "mo"))),
            "gate.G-DUP-D.maintenance",
        ),
        (d3("2000", status="draft"), "gate.G-DUP-D"),
        (d3("1000", status="draft"), "gate.G-DUP-D.maintenance"),
        (d3("400", status="draft"), None),
        (d3("2000", "2025-11-01", "2026-01-01", **DONE), None),
    ],
)
def test_dose_classes_and_the_duplicate_gate(medication, gate):
    """Course-grade and maintenance close G-DUP(D) while current or drafted, a supplement does not."""
    seen = ask(vitamin_d=[vitd("15", day="2025-10-01")], magnesium=[mg("0.9")], medications=[medication])
    closed = {key for name, key in seen.closed if name == "G-DUP(D)"}
    assert closed == ({gate} if gate else set())


def test_the_reason_for_maintenance_names_the_dose():
    """Section 9.3: "already on {n} IU a day: review the dose"."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[d3("1500", "2025-12-01")])
    assert "already on 1,500 IU a day: review the dose" in seen.detail("vitamin-d-deficiency")


def test_a_supplement_is_named():
    """Section 9.3: a supplement closes nothing, the detail names it, and the course is offered."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[d3("400", "2025-12-01")])
    assert "MR:ergocalciferol-50000-weekly-8" in seen.drugs
    assert "400 IU" in seen.detail("vitamin-d-deficiency")


@for_each("iu", ["400", "1000", "1999"])
def test_lesser_orders_are_no_course(iu):
    """Only course-grade orders make a course."""
    assert course(d3(iu, "2025-11-01")) is None


@for_each(
    ("orders", "start"),
    [
        ([d3("4000", "2025-12-01", "2026-02-01", **DONE), d3("2000", "2025-06-01")], "2025-06-01"),
        ([d3("2000", "2025-12-01"), d3("4000", "2026-01-01")], "2026-01-01"),
        ([unknown("2025-01-01"), d3("2000", "2026-01-01")], "2026-01-01"),
        ([d3("2000", "2026-01-01"), d3("2000", "2025-12-01")], "2025-12-01"),
        ([unknown("2026-01-01"), unknown("2025-12-01")], "2025-12-01"),
        ([d3("2000", None), d3("2000", "2026-01-01")], "2026-01-01"),
    ],
    ids=["current before ended", "most IU", "unknown lowest", "earliest", "earliest unknown", "start known"],
)  # fmt: skip
def test_which_order_is_the_course(orders, start):
    """A current one before an ended one, then the most IU a day (unknown lowest), then the earliest start."""
    found = course(*orders)
    assert found.order.start == date.fromisoformat(start)
    assert course(*orders[::-1]) == found


@for_each(
    ("orders", "start"),
    [
        # the earlier order ended 90 or 91 days before the next start, 2026-01-01
        ([d3("2000", "2025-08-01", "2025-10-03", **DONE), d3("2000", "2026-01-01")], "2025-08-01"),
        ([d3("2000", "2025-08-01", "2025-10-02", **DONE), d3("2000", "2026-01-01")], "2026-01-01"),
        (
            [
                d3("2000", "2025-01-01", "2025-04-01", **DONE),
                d3("2000", "2025-06-01", "2025-10-03", **DONE),
                d3("2000", "2026-01-01"),
            ],
            "2025-01-01",
        ),
        ([d3("1000", "2025-08-01", "2025-12-01", **DONE), d3("2000", "2026-01-01")], "2026-01-01"),
        ([unknown("2025-08-01", **DONE), d3("2000", "2025-12-25")], "2025-08-01"),
        ([d2("2025-11-03", "2025-12-29", **DONE), d3("2000", "2026-01-01")], "2025-11-03"),
        ([d3("2000", "2025-06-01"), d3("4000", "2026-01-01")], "2025-06-01"),
        ([d3("2000", "2025-08-01", status="draft"), d3("2000", "2026-01-01")], "2026-01-01"),
        ([d3("2000", "2026-02-01"), d3("4000", "2026-01-01")], "2026-01-01"),
    ],
    ids=["gap 90", "gap 91", "two gaps", "maintenance", "unknown dose", "other drug", "overlap", "draft", "later"],
)
def test_the_chain(orders, start):
    """S is the earliest start in the chain of course-grade orders with gaps of at most 90 days."""
    assert course(*orders).s == course(*orders[::-1]).s == date.fromisoformat(start)


def test_month_3():
    """M3 = S + 84 days: 2025-12-08 + 84 = 2026-03-02."""
    assert course(d3("2000", "2025-12-08")).month3 == date(2026, 3, 2)


@for_each(("days", "topic"), [(84, "vitamin-d-recheck"), (83, "vitamin-d-too-soon")])
def test_month_3_is_reached_after_84_days(days, topic):
    """R1 at S + 84 days, R2 before."""
    seen = ask(vitamin_d=[vitd("15", day=ago(100))], magnesium=[mg("0.9")], medications=[d3("2000", ago(days))])
    assert topic in seen.topics


@for_each("medication", [d3("2000", None), unknown(None)])
def test_a_course_without_a_start_changes_no_card(medication):
    """Start unknown: no R1, R2, R3; K-DDEF with its gate closed."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[medication])
    assert (seen.topics, seen.drugs) == (["vitamin-d-deficiency"], [])


def test_a_course_without_a_start_but_at_target():
    """Start unknown: R4 (a) holds all the same."""
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg("0.9")], medications=[d3("5000", None)])
    assert seen.topics == ["vitamin-d-step-down"]


def test_ended_orders_count_for_nothing_else():
    """Section 9.3: an ended high-dose D2 is no HD, no INT2, closes no gate and adds no drug sentence."""
    medications = [
        d2("2024-01-01", "2024-06-01", **DONE),
        order("calcitriol", "2024-01-01", **DONE),
        order("hydrochlorothiazide", "2024-01-01", **DONE),
        order("magnesium oxide", "2024-01-01", **DONE),
    ]
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=medications)
    assert (seen.gates, seen.topics) == (set(), ["vitamin-d-deficiency", "magnesium-adjunct"])
    assert "hydrochlorothiazide" not in seen.text
