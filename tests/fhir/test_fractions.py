"""The fraction rule of 25(OH)D (decision table, section 3.2)."""

from __future__ import annotations

from typing import Any

from tests.support.for_each import for_each
from tests.support.patients import ago, ask, codings, d2, d3, derive, lab, mg, problem, quantity, read, vitd

D3, D3_MOLAR, D2, D2_MOLAR = "1989-3", "14635-7", "49054-0", "46269-7"
MORNING, EVENING = "2026-02-20T08:00:00Z", "2026-02-20T18:00:00Z"


def fraction(code, value, unit="ng/mL", when=MORNING, specimen=None, **elements):
    """One fraction; *specimen* ties it to its twin."""
    told = {} if specimen is None else {"specimen": {"reference": f"Specimen/{specimen}"}}
    return lab(code, value, unit, when, **told, **elements)


@for_each(
    ("results", "shown"),
    [
        ([fraction(D3, "9", when=MORNING, specimen="s1"), fraction(D2, "8", when=EVENING, specimen="s1")], "17"),
        ([fraction(D3, "9"), fraction(D2, "8")], "17"),
        ([fraction(D3, "9", specimen="s1"), fraction(D2, "8", specimen="s2")], "17"),
        (
            [
                fraction(D3, "9", specimen="s1"),
                fraction(D2, "30", specimen="s2"),
                fraction(D2, "8", when=EVENING, specimen="s1"),
            ],
            "17",
        ),
        ([fraction(D3, "9", when="2026-02-20"), fraction(D2, "8", when="2026-02-20")], "17"),
        ([fraction(D3_MOLAR, "22.5", "nmol/L"), fraction(D2_MOLAR, "20", "nmol/L")], "42.5"),
    ],
    ids=["same specimen", "same time", "other specimens, same time", "specimen before time", "same day", "molar"],
)
def test_pairs_are_added(results, shown):
    """D2 and D3 of one specimen, else of one effective time, are added and are no longer provisional."""
    found = derive(vitamin_d=results).d
    assert (found.result.shown, found.result.form, str(found.state), found.provisional) == (shown, "sum", "DEF", "")


@for_each(
    "results",
    [
        [fraction(D3, "9"), fraction(D2, "30", when=EVENING)],
        [fraction(D3, "9"), fraction(D2, "30", when="2026-02-19T08:00:00Z")],
        [fraction(D3, "9", specimen="s1"), fraction(D2, "30", when=EVENING, specimen="s2")],
    ],
    ids=["other time", "other day", "other specimen and time"],
)
def test_strangers_are_not_added(results):
    """Without a common specimen or time the D3 stands alone and the D2 is ignored."""
    found = derive(vitamin_d=results).d
    assert (found.result.shown, found.result.form, bool(found.provisional)) == ("9", "d3-alone", True)


CONTAINED: dict[str, Any] = {"specimen": {"reference": "#sample"}}


def test_a_contained_specimen_is_known_in_its_entry_alone():
    """`#sample` of two Observations is the name of two specimens."""
    strangers = [lab(D3, "9", "ng/mL", MORNING, **CONTAINED), lab(D2, "30", "ng/mL", EVENING, **CONTAINED)]
    assert derive(vitamin_d=strangers).d.result.form == "d3-alone"


def test_members_of_one_panel_share_its_specimen():
    """What contained members do not say themselves, their panel says: date and specimen."""
    members = [lab(D3, "9", "ng/mL", None), lab(D2, "8", "ng/mL", None)]
    panel = lab("49590-3", None, day=None, effectiveInstant="2026-02-20T08:00:00Z", contained=members)
    found = derive(vitamin_d=[panel]).d
    assert (found.result.shown, found.result.form, str(found.result.day)) == ("17", "sum", "2026-02-20")
    undated = lab("49590-3", None, day=None, contained=members, **CONTAINED)
    assert [result.shown for result in read(vitamin_d=[undated]).vitamin_d] == ["17"]


def test_a_member_that_is_not_dated_has_the_date_of_its_panel():
    """A date of its own that cannot be read is none."""
    member = vitd("15", day="yesterday", issued="soon")
    panel = lab("49590-3", None, issued="2026-02-20T08:00:00Z", day=None, contained=[member])
    (found,) = read(vitamin_d=[panel]).vitamin_d
    assert str(found.day) == "2026-02-20"


@for_each(
    ("d3_day", "d2_day", "specimen", "shown"),
    [(None, MORNING, "s1", "17"), (MORNING, None, "s1", "17"), (None, None, "s1", "17"), (None, None, None, "9"),
     (None, MORNING, None, "9")],
)  # fmt: skip
def test_a_fraction_without_a_date(d3_day, d2_day, specimen, shown):
    """It is paired by its specimen alone, and the sum has the date of the D3: none decides without one."""
    listed = [fraction(D3, "9", when=d3_day, specimen=specimen), fraction(D2, "8", when=d2_day, specimen=specimen)]
    (found,) = read(vitamin_d=listed).vitamin_d
    assert (found.shown, found.day is None) == (shown, d3_day is None)


@for_each(
    ("twins", "shown"),
    [
        ([fraction(D2, "8"), fraction(D2, "8.0")], ["17"]),
        ([fraction(D2, "30"), fraction(D2, "8", status="corrected")], ["17"]),
        ([fraction(D2_MOLAR, "90", "nmol/L"), fraction(D2, "8")], ["17"]),
        ([fraction(D2, "30", "furlong"), fraction(D2, "8")], ["17"]),
        ([fraction(D2, "30"), fraction(D2, "8"), fraction(D2, "20")], ["17", "39"]),
        ([fraction(D2, "30"), fraction(D2, "<4")], ["9", "39"]),
    ],
)
def test_which_twin_counts(twins, shown):
    """A readable one, in the unit of the D3, the corrected one; of those that differ each end gives a sum."""
    for listed in (twins, twins[::-1]):
        assert [found.shown for found in read(vitamin_d=[fraction(D3, "9"), *listed]).vitamin_d] == shown


def test_sums_that_differ_conflict():
    """Section 5: two measured D2 of one moment that differ leave the total unknown."""
    seen = ask(vitamin_d=[fraction(D3, "9"), fraction(D2, "8"), fraction(D2, "30")], magnesium=[mg("0.9")])
    assert (seen.d, seen.drugs) == ("INDET", [])
    assert "conflicting results" in seen.summary("unusable-result")


@for_each(
    ("d3_result", "d2_result", "shown", "unit", "state"),
    [
        # 20 nmol/L of D2 x 0.41265 = 8.253 ng/mL
        ((D3, "9", "ng/mL"), (D2_MOLAR, "20", "nmol/L"), "17.25", "ng/mL", "DEF"),
        # 8.253 ng/mL of D2 / 0.41265 = 20 nmol/L
        ((D3_MOLAR, "22.5", "nmol/L"), (D2, "8.253", "ng/mL"), "42.5", "nmol/L", "DEF"),
        # 11.747 + 8.253 = 20 exactly; with the molar mass of D3 it would be 19.76
        ((D3, "11.747", "ng/mL"), (D2_MOLAR, "20", "nmol/L"), "20", "ng/mL", "INS"),
        ((D3_MOLAR, "30", "nmol/L"), (D2, "8.253", "ng/mL"), "50", "nmol/L", "INS"),
        ((D3_MOLAR, "29.99", "nmol/L"), (D2, "8.253", "ng/mL"), "49.99", "nmol/L", "DEF"),
    ],
)
def test_mixed_units(d3_result, d2_result, shown, unit, state):
    """A mixed pair is added in the family of the D3, the D2 converted with its own molar mass."""
    found = derive(vitamin_d=[fraction(*d3_result), fraction(*d2_result)]).d
    assert (found.result.shown, found.result.unit, str(found.state)) == (shown, unit, state)


@for_each(
    ("d3_value", "d2_value", "state"),
    [("25", "<4", "INS"), ("<4", "22", "INS"), ("31", "<4", "OK"), ("<4", "<4", "DEF"), ("<12", "<12", "INS")],
)
def test_below_detection(d3_value, d2_value, state):
    """Below its limit a fraction counts as 0; if both are, the total is below the sum of the limits."""
    assert ask(vitamin_d=[fraction(D3, d3_value), fraction(D2, d2_value)]).d == state


def test_below_detection_in_the_other_family():
    """A D2 below detection in ng/mL leaves a D3 in nmol/L as it is."""
    found = derive(vitamin_d=[fraction(D3_MOLAR, "60", "nmol/L"), fraction(D2, "<4")]).d
    assert (found.result.shown, str(found.state), found.provisional) == ("60", "INS", "")


def test_below_detection_is_said():
    """The detail says that a fraction below detection counts as 0."""
    seen = ask(vitamin_d=[fraction(D3, "15"), fraction(D2, "<4")], magnesium=[mg("0.9")])
    assert "counts as 0" in seen.detail("vitamin-d-deficiency")


@for_each(("limit", "state"), [("<10", "DEF"), ("<=10", "INS")])
def test_the_sum_of_two_limits(limit, state):
    """Two below 10 are a total below 20; two of 10 at most may be 20, which is not deficient."""
    assert ask(vitamin_d=[fraction(D3, limit), fraction(D2, limit)]).d == state


def test_both_below_detection_is_an_interval():
    """Two fractions below 12 are a total below 24: DEF or INS, worded as a limit, daily option only (4.4)."""
    seen = ask(vitamin_d=[fraction(D3, "<12"), fraction(D2, "<12")])
    assert "below 30 ng/mL, exact level unknown" in seen.summary("vitamin-d-insufficiency")
    assert seen.drugs == ["MR:cholecalciferol-2000-daily"]


@for_each(
    ("value", "unit", "state", "provisional"),
    [
        ("19.9", "ng/mL", "DEF", True),
        ("29.9", "ng/mL", "INS", True),
        ("30", "ng/mL", "OK", False),
        ("101", "ng/mL", "HIGH", False),
        ("151", "ng/mL", "TOX", False),
        ("74.9", "nmol/L", "INS", True),
        ("75", "nmol/L", "OK", False),
    ],
)
def test_d3_alone_is_a_lower_bound(value, unit, state, provisional):
    """From the target up the band of a lone D3 stands; below, it is provisional."""
    found = derive(vitamin_d=[fraction(D3 if unit == "ng/mL" else D3_MOLAR, value, unit)]).d
    assert (str(found.state), bool(found.provisional)) == (state, provisional)


def test_a_lone_d3_is_said_to_be_provisional():
    """R14: the card it drives says so; no card of its own."""
    seen = ask(vitamin_d=[fraction(D3, "15")], magnesium=[mg("0.9")])
    assert seen.topics == ["vitamin-d-deficiency", "magnesium-adjunct"]
    assert "provisional" in seen.detail("vitamin-d-deficiency").lower()


ENDED = {"status": "completed"}


@for_each(
    ("medication", "value", "state"),
    [
        (d2("2026-01-01"), "15", "INDET"),
        (d2("2026-01-01"), "25", "INDET"),
        (d2("2026-01-01"), "31", "OK"),
        (d2("2025-06-01", ago(180), **ENDED), "25", "INDET"),
        (d2("2025-06-01", ago(181), **ENDED), "25", "INS"),
        (d2("2025-06-01", ago(180), **ENDED), "31", "OK"),
        (d2("2025-06-01", ago(180)), "25", "INDET"),
        (d2("2025-06-01", ago(181)), "25", "INS"),
        (d3("2000", "2026-01-01"), "25", "INS"),
        (d2("2026-01-01", status="draft"), "25", "INS"),
    ],
    ids=["current DEF", "current INS", "current OK", "ended 180", "ended 181", "ended, OK", "bounds 180", "bounds 181",
         "cholecalciferol", "draft"],
)  # fmt: skip
def test_d3_alone_with_ergocalciferol(medication, value, state):
    """A lone D3 below the target is undetermined while ergocalciferol is current or ended at most 180 days ago."""
    assert ask(vitamin_d=[fraction(D3, value)], medications=[medication]).d == state


def test_a_lone_d3_with_ergocalciferol_orders_the_total():
    """Then D is INDET and the total is ordered (R14)."""
    seen = ask(vitamin_d=[fraction(D3, "15")], magnesium=[mg("0.9")], medications=[d2("2026-01-01")])
    assert seen.suggestions("unusable-result") == [["SR:62292-8"]]
    assert seen.drugs == []


@for_each(("code", "unit"), [(D2, "ng/mL"), (D2_MOLAR, "nmol/L")])
def test_d2_alone_is_ignored(code, unit):
    """D2 alone is never a total: a trigger still asks for one."""
    seen = ask(vitamin_d=[fraction(code, "80", unit)], conditions=[problem("E55.9")], magnesium=[mg("0.9")])
    assert (seen.d, seen.topics) == ("UNK", ["vitamin-d-order"])


def test_d2_of_another_day_does_not_hide_an_older_total():
    """A newer D2 alone leaves the older total in charge."""
    assert ask(vitamin_d=[fraction(D2, "8"), lab("62292-8", "15", "ng/mL", "2026-01-10")]).d == "DEF"


@for_each(("code", "value", "unit"), [(D3, "25", "ng/mL"), (D3_MOLAR, "60", "nmol/L"), ("35196-5", "25", "ng/mL")])
def test_d3_is_total_by_setting(code, value, unit):
    """CDS_D3_IS_TOTAL: these codes are totals, not provisional, and ergocalciferol does not matter."""
    found = derive({"d3_is_total": True}, vitamin_d=[fraction(code, value, unit)], medications=[d2("2026-01-01")]).d
    assert (str(found.state), found.provisional) == ("INS", "")


def test_d3_is_total_is_not_added():
    """CDS_D3_IS_TOTAL: a D2 beside such a total adds nothing."""
    found = derive({"d3_is_total": True}, vitamin_d=[fraction(D3, "25"), fraction(D2, "8")]).d
    assert found.result.shown == "25"


def test_d3_is_total_is_off_by_default():
    """CDS_D3_IS_TOTAL defaults to false."""
    assert derive(vitamin_d=[fraction(D3, "25")]).d.provisional


def test_components_of_one_observation_are_one_specimen():
    """Section 4.4: D2 and D3 components are read by their own codes and added."""
    parts = [
        {"code": codings(code), "valueQuantity": quantity(value, "ng/mL")} for code, value in ((D3, "9"), (D2, "8"))
    ]
    assert derive(vitamin_d=[lab("49590-3", None, component=parts)]).d.result.shown == "17"


@for_each(
    ("beside", "shown"),
    [
        ([fraction("62292-8", "31")], "31"),
        ([fraction("62292-8", "31", when="2026-02-19T08:00:00Z")], "17"),
        ([], "17"),
    ],
    ids=["total of the same time", "older total", "no total"],
)
def test_a_total_of_the_same_time_comes_first(beside, shown):
    """Section 5: total, then the sum of fractions, then D3 alone."""
    assert derive(vitamin_d=[fraction(D3, "9"), fraction(D2, "8"), *beside]).d.result.shown == shown
