"""Status and date of results (decision table, section 5): which are read, which day they count for."""

from __future__ import annotations

from datetime import date

from tests.support.for_each import for_each
from tests.support.patients import ago, ask, calcium, d3, derive, lab, lab_order, mg, problem, read, vitd

BANDS = {"DEF", "INS", "OK", "NOBAND", "HIGH", "TOX"}


@for_each(
    ("status", "state", "pending"),
    [
        ("final", "DEF", 0),
        ("amended", "DEF", 0),
        ("corrected", "DEF", 0),
        ("appended", "DEF", 0),
        ("preliminary", "UNK", 1),
        ("registered", "UNK", 1),
        ("cancelled", "UNK", 0),
        ("entered-in-error", "UNK", 0),
        ("unknown", "UNK", 0),
        ("provisional", "UNK", 0),
        (None, "UNK", 0),
    ],
)
def test_status(status, state, pending):
    """Final, amended, corrected and appended are read; preliminary and registered are pending; others are ignored."""
    result = vitd("15", status=status)
    assert (ask(vitamin_d=[result]).d, len(read(vitamin_d=[result]).pending)) == (state, pending)


NAMES = {"effectiveDateTime": "2026-02-20"}
PERIOD = {"start": "2026-01-01", "end": "2026-01-31"}


@for_each(
    ("elements", "day"),
    [
        (
            {"effectiveDateTime": "2026-02-20", "effectivePeriod": PERIOD, "issued": "2026-02-25T10:00:00Z"},
            "2026-02-20",
        ),
        ({"effectivePeriod": PERIOD, "effectiveInstant": "2026-02-21T10:00:00Z"}, "2026-01-31"),
        ({"effectiveInstant": "2026-02-21T10:00:00Z", "issued": "2026-02-25T10:00:00Z"}, "2026-02-21"),
        ({"issued": "2026-02-25T10:00:00Z"}, "2026-02-25"),
        ({"effectivePeriod": {"start": "2026-01-01"}, "issued": "2026-02-25T10:00:00Z"}, "2026-02-25"),
        ({"effectiveDateTime": "2026-02-20T23:30:00-10:00"}, "2026-02-20"),
        ({"effectiveDateTime": "2026-02-20T00:30:00+14:00"}, "2026-02-20"),
        ({"effectiveDateTime": "2026-02-20T23:59:59.999Z"}, "2026-02-20"),
        ({"effectiveDateTime": "2026-02"}, "2026-02-01"),
        ({"effectiveDateTime": "2026"}, "2026-01-01"),
        ({"effectiveDateTime": "2024-02-29"}, "2024-02-29"),
        ({"effectiveDateTime": "20260220"}, "2026-02-20"),
        ({"effectiveDateTime": "20260220093000"}, "2026-02-20"),
        ({"effectiveDateTime": "02/20/2026", "issued": "2026-02-25T10:00:00Z"}, "2026-02-25"),
        ({"effectiveDateTime": "", "issued": "2026-02-25T10:00:00Z"}, "2026-02-25"),
        ({"effectiveDateTime": 20260220, "issued": "2026-02-25T10:00:00Z"}, "2026-02-25"),
        ({"effectivePeriod": {"end": "soon"}, "effectiveInstant": "20260221100000"}, "2026-02-21"),
        ({"effectiveInstant": "2026-02-30T10:00:00Z", "issued": "20260225"}, "2026-02-25"),
    ],
)
def test_date(elements, day):
    """The first readable one of effective date, period end, instant, issued: the calendar date as written.

    Partial dates count at their first day; 8 and 14 digits are read too.
    """
    (found,) = read(vitamin_d=[vitd("15", day=None, **elements)]).vitamin_d
    assert found.day == date.fromisoformat(day)


@for_each(
    "elements",
    [{}, {"effectivePeriod": {"start": "2026-02-20"}}, {"effectiveDateTime": "2026-02-30"},
     {"effectiveDateTime": "yesterday"}, {"effectiveDateTime": "20260230"}, {"effectiveDateTime": "202602200930"},
     {"effectiveDateTime": "2026-W08-5"}, {"effectiveDateTime": ""},
     {"effectiveTiming": {"event": ["2026-02-20T09:00:00Z"]}}],
    ids=["none", "period without end", "no such day", "word", "no such day in digits", "12 digits", "week", "empty",
         "timing"],
)  # fmt: skip
def test_without_a_date_a_result_is_not_usable(elements):
    """No date: it drives no band and no order; beside a dated result of its band it is passed over (section 5)."""
    undated = vitd("15", day=None, **elements)
    seen = ask(vitamin_d=[undated], magnesium=[mg("0.9")])
    assert (seen.d in BANDS, seen.drugs) == (False, [])
    assert ask(vitamin_d=[undated, vitd("16")]).d == "DEF"


@for_each(
    ("day", "state"),
    [(ago(0), "DEF"), (ago(-1), "DEF"), (ago(-2), "INDET"), ("9999-12-31", "INDET"), ("0001-01-01", "UNK")],
)
def test_past_and_future_of_25ohd(day, state):
    """Section 4.5: more than 24 hours in the future is blocked; the first and the last day of the calendar are days."""
    assert ask(vitamin_d=[vitd("15", day=day)]).d == state


@for_each(
    ("day", "state"),
    [(ago(0), "LOW"), (ago(-1), "LOW"), (ago(-2), "INDET"), ("9999-12-31", "INDET"), ("0001-01-01", "STALE")],
)
def test_past_and_future_of_magnesium(day, state):
    """Section 4.5: the same for magnesium."""
    assert ask(magnesium=[mg("0.7", day=day)]).m == state


def test_a_very_old_result_is_shown_with_its_age():
    """14.1: whole calendar months: from 2023-03-03 to 2026-03-02 one day short of 36."""
    seen = ask(vitamin_d=[vitd("15", day="2023-03-03")], magnesium=[mg("0.9")])
    assert seen.summary("vitamin-d-stale") == "Latest 25(OH)D (15 ng/mL) is 35 months old: repeat before acting on it."


@for_each(("day", "high"), [(ago(-1), True), (ago(-2), False), ("9999-12-31", False)])
def test_a_future_companion_is_passed_over(day, high):
    """Section 4.5: a blocked calcium is passed over and the older one decides; no K-DATA."""
    found = derive(calcium=[calcium("12", day=day), calcium("9.4")])
    assert found.calcium.high is high
    assert "unusable-result" not in ask(calcium=[calcium("12", day=day), calcium("9.4")]).topics


@for_each(
    ("later", "earlier"),
    [
        ("2026-02-21", "2026-02-20T23:59:00Z"),
        ("2026-02-20T08:00:00Z", "2026-02-20"),
        ("2026-02-20T08:00:00Z", "2026-02-20T07:59:59Z"),
        ("2026-02-20T08:00:00.5Z", "2026-02-20T08:00:00Z"),
        # 12:00 and 23:00 the day before, in UTC: one calendar date as written, so the instant decides.
        ("2026-02-20T07:00:00-05:00", "2026-02-20T08:00:00+09:00"),
        # The instants are the other way round: the calendar date as written comes first.
        ("2026-02-21T00:30:00+14:00", "2026-02-20T23:00:00-10:00"),
        ("2026-02-20", "2026-02"),
        ("20260220080000", "2026-02-20T07:59:59Z"),
        ("2026-02-20T00:00:01Z", "20260220"),
        ("20260221", "20260220235959"),
        ("2026-02-20T00:00:01Z", "20260220996000"),
    ],
)
def test_newest(later, earlier):
    """Calendar date, then instant (a date alone is 00:00), whatever the order of the Bundle."""
    results = [vitd("40", day=later), vitd("15", day=earlier)]
    assert ask(vitamin_d=results).d == ask(vitamin_d=results[::-1]).d == "OK"


@for_each(
    ("best", "others"),
    [
        (vitd("40"), [lab("1989-3", "15", "ng/mL")]),
        (vitd("40"), [lab("1989-3", "10", "ng/mL"), lab("49054-0", "5", "ng/mL")]),
        (vitd("40", status="corrected"), [vitd("25", status="amended"), vitd("15")]),
        (vitd("40", status="amended"), [vitd("15")]),
        (vitd("40", status="corrected"), [vitd("15", status="appended")]),
    ],
    ids=["total, D3 alone", "total, sum", "corrected, amended, final", "amended, final", "corrected, appended"],
)
def test_order_within_one_instant(best, others):
    """Of one instant: the code, then the status."""
    assert ask(vitamin_d=[*others, best]).d == ask(vitamin_d=[best, *others]).d == "OK"


@for_each(("other", "state"), [("15", "DEF"), ("15.0", "DEF"), ("16", "INDET"), ("40", "INDET")])
def test_conflicting_25ohd(other, state):
    """Still tied and different: blocked, "conflicting results"; the same value twice is no conflict."""
    seen = ask(vitamin_d=[vitd("15"), vitd(other)], magnesium=[mg("0.9")])
    assert seen.d == state
    if state == "INDET":
        assert "conflicting results" in seen.summary("unusable-result")


@for_each(("other", "state"), [("0.70", "LOW"), ("0.72", "INDET"), ("0.90", "INDET")])
def test_conflicting_magnesium(other, state):
    """The same for magnesium."""
    assert ask(magnesium=[mg("0.7"), mg(other)]).m == state


def test_a_conflict_is_over_with_a_newer_result():
    """Only the newest results can conflict: an older pair does not matter."""
    old = [vitd("15", day="2026-01-20"), vitd("40", day="2026-01-20")]
    assert ask(vitamin_d=[*old, vitd("40")]).d == "OK"


@for_each(
    ("text", "start"),
    [
        ("2026-01-15", "2026-01-15"),
        ("2026-01-15T23:30:00-10:00", "2026-01-15"),
        ("2026-01", "2026-01-31"),
        ("2024-02", "2024-02-29"),
        ("2025", "2025-12-31"),
        ("20260115", "2026-01-15"),
        ("20260115093000", "2026-01-15"),
    ],
)
def test_start_of_an_order(text, start):
    """The start of an order counts at its latest day."""
    (found,) = read(medications=[d3("2000", text)]).medications
    assert found.start == date.fromisoformat(start)


@for_each("written", ["20260115", "20260115093000"])
def test_digits_are_dates_everywhere(written):
    """Dates of 8 and 14 digits are read of conditions, lab orders and patients as well."""
    waiting = lab_order("62292-8", occurrenceDateTime=written, authoredOn=written)
    found = read(patient={"birthDate": written}, conditions=[problem("N18.4", written)], lab_orders=[waiting])
    dates = found.birth_date, found.conditions[0].day, found.lab_orders[0].occurrence, found.lab_orders[0].authored
    assert set(dates) == {date(2026, 1, 15)}


@for_each("start", ["0001-01-01", "9999-12-31", "9999-12", "0001"])
def test_orders_of_any_year(start):
    """The first and the last year are dates as others: there is an answer."""
    medications = [d3("2000", start), d3("2000", start, status="completed")]
    assert ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=medications).d == "DEF"


@for_each("day", ["0001-01-01", "9999-12-31", "9999", None])
def test_conditions_and_lab_orders_of_any_year(day):
    """The same for conditions and lab orders."""
    waiting = {"resourceType": "ServiceRequest", "status": "active", "authoredOn": day, "occurrenceDateTime": day}
    waiting = {name: value for name, value in waiting.items() if value is not None}
    conditions = [problem("Z99.2", day, clinicalStatus=None), problem("O09.9", day)]
    assert ask(vitamin_d=[vitd("15")], conditions=conditions, lab_orders=[waiting]).d == "DEF"


def test_three_months_are_clamped_to_the_end_of_the_month():
    """Section 5: a recheck three calendar months after 2026-01-31 is on 2026-04-30."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[d3("2000", "2026-01-31")])
    assert seen.suggestions("vitamin-d-too-soon") == [["SR:62292-8@2026-04-30"]]
