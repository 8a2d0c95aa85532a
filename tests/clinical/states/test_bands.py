"""Bands of 25(OH)D by profile and CKD overlay (decision table, section 2), each in both unit families (4.2)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, albumin, ask, calcium, derive, egfr, mg, order, problem, pth, vitd

G3 = {"kidney": [egfr("50")]}
SAME = [
    ("19.99", "49.99", "DEF"),
    ("20", "50", "INS"),
    ("29.99", "74.99", "INS"),
    ("30", "75", "OK"),
    ("100", "250", "OK"),
    ("100.01", "250.01", "HIGH"),
    ("150", "375", "HIGH"),
    ("150.01", "375.01", "TOX"),
]
NAM = [
    ("11.99", "29.99", "DEF"),
    ("12", "30", "INS"),
    ("19.99", "49.99", "INS"),
    ("20", "50", "OK"),
    ("50", "125", "OK"),
    ("50.01", "125.01", "HIGH"),
    ("150", "375", "HIGH"),
    ("150.01", "375.01", "TOX"),
]
FLOOR = [
    ("9.99", "24.99", "DEF"),
    ("10", "25", "NOBAND"),
    ("19.99", "49.99", "NOBAND"),
    ("100", "250", "NOBAND"),
    ("100.01", "250.01", "HIGH"),
    ("150", "375", "HIGH"),
    ("150.01", "375.01", "TOX"),
]
BANDS = [
    (profile, value, unit, state)
    for profile, edges in (
        ("magnesium-aware", SAME),
        ("endocrine-2011", SAME),
        ("nam-2011", NAM),
        ("endocrine-2024", FLOOR),
    )
    for mass, molar, state in edges
    for value, unit in ((mass, "ng/mL"), (molar, "nmol/L"))
]


@for_each(("profile", "value", "unit", "state"), BANDS)
def test_edges(profile, value, unit, state):
    """Section 2: every edge of every profile, compared in the family reported and unrounded."""
    assert ask({"profile": profile}, vitamin_d=[vitd(value, unit)]).d == state


@for_each(
    ("value", "unit", "state"),
    [
        ("49.95", "nmol/L", "DEF"),
        ("49.95", "NMOL/L", "DEF"),
        ("74.9", "nmol/L", "INS"),
        ("20", "ug/L", "INS"),
        ("1999", "ng/dL", "DEF"),
    ],
)
def test_values_between_the_printed_pairs(value, unit, state):
    """Section 4.2: 49.95 nmol/L is 20.01 ng/mL, and deficient all the same."""
    assert ask(vitamin_d=[vitd(value, unit)]).d == state


HYPOCALCAEMIA = {"calcium": [calcium("8.49")], "albumin": [albumin("4.0")]}


@for_each(
    ("parts", "indicated"),
    [
        ({"conditions": [problem("M81.0")]}, True),
        ({"conditions": [problem("M83.9")]}, True),
        ({"conditions": [problem("E55.9")]}, True),
        ({"conditions": [problem("K90.0")]}, True),
        ({"conditions": [problem("Z98.84")]}, True),
        ({"conditions": [problem("N18.31")]}, True),
        (G3, True),
        ({"kidney": [egfr("60")]}, False),
        ({"conditions": [problem("E20.9")]}, True),
        ({"conditions": [problem("E83.51")]}, True),
        (HYPOCALCAEMIA, True),
        (HYPOCALCAEMIA | {"calcium": [calcium("8.5")]}, False),
        ({"medications": [order("phenytoin", "2026-01-01")]}, True),
        ({"medications": [order("orlistat", "2026-01-01")]}, True),
        ({"medications": [order("phenytoin", "2026-01-01", status="completed")]}, False),
        # Systemic glucocorticoids from three calendar months on, or from an unknown date (7.3).
        ({"medications": [order("prednisone", "2025-12-02")]}, True),
        ({"medications": [order("prednisone", "2025-12-03")]}, False),
        ({"medications": [order("prednisone")]}, True),
        ({"conditions": [problem("E66.9")]}, False),
        ({"conditions": [problem("E21.3")]}, False),
        ({}, False),
    ],
)
def test_established_indication(parts, indicated):
    """Section 2: in `endocrine-2024` an established indication makes anything below 20 deficient."""
    states = [ask({"profile": "endocrine-2024"}, vitamin_d=[vitd(v)], **parts).d for v in ("19.99", "20")]
    if indicated and derive(**parts).kidney.ckd3:
        assert states == ["DEF", "INS"]  # the overlay raises the target
    else:
        assert states == (["DEF", "NOBAND"] if indicated else ["NOBAND", "NOBAND"])


@for_each(
    ("profile", "value", "unit", "state"),
    [
        ("magnesium-aware", "19.99", "ng/mL", "DEF"),
        ("magnesium-aware", "29.99", "ng/mL", "INS"),
        ("magnesium-aware", "30", "ng/mL", "OK"),
        ("endocrine-2011", "30", "ng/mL", "OK"),
        ("nam-2011", "11.99", "ng/mL", "DEF"),
        ("nam-2011", "12", "ng/mL", "INS"),
        ("nam-2011", "29.99", "ng/mL", "INS"),
        ("nam-2011", "30", "ng/mL", "OK"),
        ("nam-2011", "50.01", "ng/mL", "HIGH"),
        ("nam-2011", "29.99", "nmol/L", "DEF"),
        ("nam-2011", "74.99", "nmol/L", "INS"),
        ("nam-2011", "75", "nmol/L", "OK"),
        ("endocrine-2024", "19.99", "ng/mL", "DEF"),
        ("endocrine-2024", "20", "ng/mL", "INS"),
        ("endocrine-2024", "29.99", "ng/mL", "INS"),
        ("endocrine-2024", "30", "ng/mL", "NOBAND"),
        ("endocrine-2024", "74.99", "nmol/L", "INS"),
        ("endocrine-2024", "75", "nmol/L", "NOBAND"),
    ],
)
def test_overlay_kdoqi(profile, value, unit, state):
    """Section 2, `kdoqi-2003`: in G3 or worse OK or NOBAND below 30 becomes INS; DEF keeps the profile's cut."""
    assert ask({"profile": profile}, vitamin_d=[vitd(value, unit)], **G3).d == state


PTH_KNOWN, PTH_RAISED = [pth("65")], [pth("65.1")]


@for_each(
    ("profile", "value", "unit", "unknown", "normal", "raised"),
    [
        ("magnesium-aware", "14.99", "ng/mL", "DEF", "DEF", "DEF"),
        ("magnesium-aware", "15", "ng/mL", "INS", "OK", "INS"),
        ("magnesium-aware", "19.99", "ng/mL", "INS", "OK", "INS"),
        ("magnesium-aware", "20", "ng/mL", "INS", "OK", "INS"),
        ("magnesium-aware", "29.99", "ng/mL", "INS", "OK", "INS"),
        ("magnesium-aware", "30", "ng/mL", "OK", "OK", "OK"),
        ("magnesium-aware", "101", "ng/mL", "HIGH", "HIGH", "HIGH"),
        ("magnesium-aware", "37.49", "nmol/L", "DEF", "DEF", "DEF"),
        ("magnesium-aware", "37.5", "nmol/L", "INS", "OK", "INS"),
        ("magnesium-aware", "49.99", "nmol/L", "INS", "OK", "INS"),
        ("magnesium-aware", "74.99", "nmol/L", "INS", "OK", "INS"),
        ("nam-2011", "14.99", "ng/mL", "DEF", "DEF", "DEF"),
        ("nam-2011", "15", "ng/mL", "INS", "OK", "INS"),
        ("nam-2011", "20", "ng/mL", "OK", "OK", "OK"),
        ("endocrine-2024", "14.99", "ng/mL", "DEF", "DEF", "DEF"),
        ("endocrine-2024", "15", "ng/mL", "INS", "NOBAND", "INS"),
        ("endocrine-2024", "20", "ng/mL", "NOBAND", "NOBAND", "NOBAND"),
    ],
)
def test_overlay_nkf(profile, value, unit, unknown, normal, raised):
    """Section 2, `nkf-2018`: below 15 DEF; 15 to 20 by PTH; from 20 OK with a PTH that is not raised."""
    settings = {"profile": profile, "ckd_overlay": "nkf-2018"}
    found = [ask(settings, vitamin_d=[vitd(value, unit)], pth=p, **G3).d for p in ([], PTH_KNOWN, PTH_RAISED)]
    assert found == [unknown, normal, raised]


@for_each(
    ("result", "state"),
    [
        (pth("65"), "OK"),
        (pth("65.1"), "INS"),
        (pth("6.9", "pmol/L"), "OK"),
        (pth("6.91", "pmol/L"), "INS"),
        (pth("60", high="55"), "INS"),
        (pth("80", high="90"), "OK"),
        (pth("90", high="90"), "OK"),
        (pth("60", day=ago(365)), "OK"),
        (pth("60", day=ago(366)), "INS"),
        (pth("60", "furlong"), "INS"),
    ],
)
def test_pth_known_and_raised(result, state):
    """Section 2: raised above the own range, else above 65 pg/mL or 6.9 pmol/L; known for 365 days."""
    assert ask({"ckd_overlay": "nkf-2018"}, vitamin_d=[vitd("17")], pth=[result], **G3).d == state


@for_each(
    ("kidney", "applies"),
    [([egfr("59.9")], True), ([egfr("60")], False), ([], False), ([egfr("50", ago(365))], True),
     ([egfr("50", ago(366))], False)],
)  # fmt: skip
def test_overlays_apply_in_g3_or_worse_only(kidney, applies):
    """Section 2: only in CKD G3 or worse (9.4): 25 is OK in `nam-2011`, 17 deficient in `magnesium-aware`."""
    raised = ask({"profile": "nam-2011"}, vitamin_d=[vitd("25")], kidney=kidney).d
    by_pth = ask({"ckd_overlay": "nkf-2018"}, vitamin_d=[vitd("17")], kidney=kidney).d
    assert (raised, by_pth) == (("INS", "INS") if applies else ("OK", "DEF"))


@for_each(
    ("profile", "orders"),
    [
        ("magnesium-aware", ["ergocalciferol-50000-weekly-8", "cholecalciferol-50000-weekly-8", "magnesium-200-daily"]),
        ("endocrine-2011", ["ergocalciferol-50000-weekly-8", "cholecalciferol-50000-weekly-8"]),
        ("nam-2011", ["ergocalciferol-50000-weekly-8", "cholecalciferol-50000-weekly-8"]),
        ("endocrine-2024", ["cholecalciferol-2000-daily"]),
    ],
)
def test_orders_for_deficiency(profile, orders):
    """Section 2: S1 and S2, in `endocrine-2024` S3 only; adjunct magnesium in `magnesium-aware` alone (R16)."""
    seen = ask({"profile": profile}, vitamin_d=[vitd("9")], magnesium=[mg("0.9")])
    assert seen.drugs == [f"MR:{name}" for name in orders]


@for_each(
    ("profile", "target", "maintenance"),
    [
        ("magnesium-aware", "30 ng/mL (75 nmol/L)", "800-2,000"),
        ("endocrine-2011", "30 ng/mL (75 nmol/L)", "1,500-2,000"),
        ("nam-2011", "20 ng/mL (50 nmol/L)", "600-800"),
        ("endocrine-2024", None, "600-800"),
    ],
)
def test_target_and_maintenance_of_a_profile(profile, target, maintenance):
    """Section 2: the target in B-TARGET (none in `endocrine-2024`) and the maintenance range in B-MAINT."""
    detail = ask({"profile": profile}, vitamin_d=[vitd("9")], magnesium=[mg("0.9")]).detail("vitamin-d-deficiency")
    assert ("Target " in detail) is (target is not None)
    assert target is None or target in detail
    assert maintenance in detail
