"""Whole patients as requests of `patient-view`, on 2 March 2026: every state, every card, the edges of every cut.

A patient is drawn key by key from pools of readings, stamps (dates and statuses) and orders, with the plain ones first,
so that a failing example shrinks towards them. Some keys are *calm* (what lets orders through), the others *wild*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import chain, product
from typing import Any, NamedTuple

from hypothesis import strategies as st

Json = dict[str, Any]
Pool = list[Json]

AS_OF = date(2026, 3, 2)
PATIENT_ID = "p1"
OPTIONAL = ("chemistry", "kidney", "vitals", "conditions", "medications", "labOrders")
PROFILES = ("magnesium-aware", "endocrine-2011", "nam-2011", "endocrine-2024")
OVERLAYS = ("kdoqi-2003", "nkf-2018")
MAX_CARDS = (4, 1, 2, 3, 5, 6)
UNFOLDED = 26
"""As many cards as there are: nothing folds."""

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
RXNORM, ATC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.whocc.no/atc"
ICD10, SNOMED = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"


class Setup(NamedTuple):
    """The settings of one service, and the day."""

    profile: str = PROFILES[0]
    overlay: str = OVERLAYS[0]
    max_cards: int = MAX_CARDS[0]
    as_of: date = AS_OF


setups = st.sampled_from([Setup(*parts) for parts in product(PROFILES, OVERLAYS, (*MAX_CARDS, UNFOLDED))])


def ago(days: int) -> str:
    """The date so many *days* before the day of evaluation."""
    return (AS_OF - timedelta(days=days)).isoformat()


# Elements


def concept(system: str, *codes: str) -> Json:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code} for code in codes]}


def quantity(value: Decimal | float | str, unit: str, comparator: str | None = None) -> Json:
    """A Quantity whose unit is given as UCUM code and as text."""
    said = {} if comparator is None else {"comparator": comparator}
    return {"value": Decimal(str(value)), **said, "unit": unit, "system": UCUM, "code": unit}


def labelled(value: Decimal | float | str, unit: str) -> Json:
    """A Quantity whose unit is text alone."""
    return {"value": Decimal(str(value)), "unit": unit}


def reading(code: str, value: Json | str, **more: Any) -> Json:
    """The part of an Observation that says what was measured: *value* is a Quantity or a text."""
    held = {"valueString": value} if isinstance(value, str) else {"valueQuantity": value}
    return {"code": concept(LOINC, code), **held, **more}


def own_range(low: float | str, high: float | str, unit: str) -> Json:
    """The laboratory's own range."""
    return {"referenceRange": [{"low": quantity(low, unit), "high": quantity(high, unit)}]}


def observation(what: Json, stamp: Json) -> Json:
    """An Observation from what was measured and its stamp."""
    return {"resourceType": "Observation", **what, **stamp}


def measured(code: str, value: Json | str, days: int = 10, **more: Any) -> Json:
    """A final Observation of so many *days* ago."""
    return observation(reading(code, value, **more), final(days))


def final(days: int) -> Json:
    """The stamp of a final result of so many *days* ago."""
    return {"status": "final", "effectiveDateTime": ago(days)}


def around(edges: Iterable[str], step: str) -> list[Decimal]:
    """Each edge, and one *step* to either side."""
    return [Decimal(edge) + Decimal(step) * n for edge in edges for n in (0, -1, 1)]


# Stamps: when, and what became of it

FRESH = (10, 10, 10, 5, 1, 0, 20, 30, 31)
STAMPS: Pool = [
    *map(final, (*FRESH, 45, 60, 84, 85, 89, 90, 91, 120, 180, 181, 200, 300, 365, 366, 400, 730, 731, 900, -1, -2)),
    *({"status": status, "effectiveDateTime": ago(days)} for status in ("amended", "corrected") for days in (10, 60)),
    *({"status": "preliminary", "effectiveDateTime": ago(days)} for days in (5, 31)),
    {"status": "registered", "effectiveDateTime": ago(5)},
    *({"status": status, "effectiveDateTime": ago(1)} for status in ("cancelled", "entered-in-error", "unknown")),
    {"effectiveDateTime": ago(1)},
    {"status": "final", "effectiveDateTime": f"{ago(10)}T08:30:00Z"},
    {"status": "final", "effectiveDateTime": f"{ago(10)}T23:30:00-05:00"},
    {"status": "final", "effectivePeriod": {"start": ago(12), "end": ago(9)}},
    {"status": "final", "issued": f"{ago(3)}T10:00:00.000Z"},
    {"status": "final", "effectiveDateTime": "2025-11"},
    {"status": "final", "effectiveDateTime": "2025"},
    {"status": "final"},
]  # fmt: skip
FRESH_STAMPS: Pool = [*map(final, FRESH), {"status": "corrected", "effectiveDateTime": ago(10)}]


def paired(build: Callable[[Any, Any], Json], firsts: Iterable[Any], seconds: Sequence[Any]) -> st.SearchStrategy[Json]:
    """What *build* makes of any two of these: all of them beforehand, so that one draw does."""
    return st.sampled_from([build(first, second) for first, second in product(firsts, seconds)])


def few(one: st.SearchStrategy[Json], most: int) -> st.SearchStrategy[Pool]:
    """A list of up to *most*: quicker than `lists`."""
    return st.one_of([st.tuples(*[one] * count).map(list) for count in range(most + 1)])


# 25(OH)D (sections 2, 3 and 4)

MASS_EDGES = ("20", "12", "10", "15", "30", "50", "100", "150")
MOLAR_EDGES = ("50", "30", "25", "37.5", "75", "125", "250", "375")
MASS = [Decimal(v) for v in ("14", "8", "17", "25", "40", "120", "180")] + around(MASS_EDGES, "0.01")
MOLAR = [Decimal(v) for v in ("35", "20", "42", "60", "100", "300", "450")] + around(MOLAR_EDGES, "0.01")
EXTREME_MASS = around(("1", "500"), "0.1")
EXTREME_MOLAR = around(("2.5", "1250"), "0.1")
TOTAL_MASS, TOTAL_MOLAR = ("62292-8", "49543-2", "35365-6"), ("68438-1", "60493-4")
D3, D2 = ("1989-3", "14635-7", "35196-5"), ("49054-0", "46269-7")
FEW = ("8", "14", "25", "40", "120", "180")


def _panel(*parts: tuple[str, Json | str]) -> Json:
    return {"code": concept(LOINC, "49590-3"), "component": [reading(code, value) for code, value in parts]}


VITAMIN_D: Pool = [
    *(reading("62292-8", quantity(value, "ng/mL")) for value in MASS),
    *(reading("68438-1", quantity(value, "nmol/L")) for value in MOLAR),
    *(reading("62292-8", quantity(value, "ng/mL")) for value in EXTREME_MASS),
    *(reading("68438-1", quantity(value, "nmol/L")) for value in EXTREME_MOLAR),
    *(reading(code, quantity(value, "ng/mL")) for code in ("49543-2", "35365-6", *D3) for value in FEW),
    *(reading(code, quantity(value, "ng/mL")) for code in D2 for value in ("3", "14", "25")),
    *(reading(code, quantity(value, "nmol/L")) for code in ("60493-4", "14635-7", "46269-7") for value in ("20", "60")),
    *(reading("62292-8", quantity(value, unit)) for value in ("14", "25") for unit in ("ug/L", "nmol/L", "pg/mL")),
    *(reading("62292-8", labelled(value, unit)) for value in ("14", "25") for unit in ("NG/ML", "µg/L", "mcg/L")),
    *(reading("62292-8", quantity(value, "ng/dL")) for value in ("1400", "2500")),
    *(reading("62292-8", quantity(value, "ng/mL", "<")) for value in ("4", "10", "20", "30", "40")),
    *(reading("62292-8", quantity(value, "ng/mL", ">")) for value in ("25", "100", "150")),
    *(
        reading("68438-1", quantity(value, "nmol/L", sign))
        for sign, value in (("<=", "75"), (">=", "250"), ("ad", "9"))
    ),
    *(reading(D2[0], quantity(value, "ng/mL", "<")) for value in ("4", "1")),
    *(reading(D3[0], quantity(value, "ng/mL", "<")) for value in ("4", "20")),
    *(
        reading("62292-8", text)
        for text in ("14 ng/mL", "<4 ng/mL", "12,5 ng/mL L", "14", "<4 (LOQ)", "QNS", "see note")
    ),
    reading("62292-8", {"value": Decimal(14)}),
    reading("62292-8", {"value": Decimal(14), "unit": "nmol/L", "system": UCUM, "code": "ng/mL"}),
    {"code": concept(LOINC, "62292-8"), "dataAbsentReason": {"text": "not performed"}},
    *(
        {"code": concept(LOINC, "62292-8"), "valueRange": {"low": quantity(a, "ng/mL"), "high": quantity(b, "ng/mL")}}
        for a, b in (("10", "18"), ("15", "25"), ("25", "35"), ("120", "160"))
    ),
    *(reading(code, quantity(value, "pg/mL")) for code in ("62290-2", "1649-3") for value in ("14", "45")),
    {**reading("62292-8", quantity("14", "ng/mL")), "code": concept(LOINC, "62292-8", "62290-2")},
    {**reading("62292-8", quantity("14", "ng/mL")), "code": concept(LOINC, "62292-8", "1989-3")},
    _panel((D2[0], quantity("4", "ng/mL", "<")), (D3[0], quantity("14", "ng/mL"))),
    _panel((D2[0], quantity("4", "ng/mL", "<")), (D3[0], quantity("4", "ng/mL", "<"))),
    _panel((D2[0], quantity("11", "ng/mL")), (D3[0], quantity("10", "ng/mL"))),
    _panel((D2[1], quantity("30", "nmol/L")), (D3[0], quantity("10", "ng/mL")), ("62292-8", quantity("24", "ng/mL"))),
    _panel((D2[0], "see note"), (D3[1], quantity("35", "nmol/L"))),
    _panel((D2[0], "<1 (LOQ)"), (D3[1], quantity("35", "nmol/L"))),
]

# Magnesium (section 6.1)

MMOL = [Decimal(v) for v in ("0.70", "0.80", "0.90", "0.45", "1.20", "2.30")] + around(
    ("0.75", "0.85", "0.70", "0.60", "0.50", "1.05", "2.0"), "0.001"
)
MG_PER_MMOL = Decimal("2.4305")
MILLIGRAMS = [Decimal(v) for v in ("1.7", "1.9", "2.1", "1.1", "2.9", "5.5", "1.8", "1.6")]
MG_CODES = ("19123-9", "2601-3", "35249-2", "21377-7", "2593-2")
HAEMOLYSED = {"note": [{"text": "Sample slightly haemolysed"}]}

MAGNESIUM: Pool = [
    *(reading("2601-3", quantity(value, "mmol/L")) for value in MMOL),
    *(reading("19123-9", quantity(value, "mg/dL")) for value in MILLIGRAMS),
    *(reading("19123-9", quantity(value * MG_PER_MMOL, "mg/dL")) for value in MMOL[6:]),
    *(reading("2601-3", quantity(value * 2, "mEq/L")) for value in MMOL),
    *(reading(code, quantity(value, "mmol/L")) for code in MG_CODES for value in ("0.72", "0.82")),
    *(
        reading("2601-3", quantity(value, "mmol/L"), **own_range(low, high, "mmol/L"))
        for value in ("0.68", "0.70", "0.72", "0.74", "1.08", "1.12", "1.9")
        for low, high in (("0.65", "1.10"), ("0.73", "1.05"), ("1.6", "2.6"))
    ),
    *(
        reading("19123-9", quantity(value, "mg/dL"), **own_range(low, high, "mg/dL"))
        for value in ("1.65", "1.7", "1.8", "2.6", "0.9")
        for low, high in (("1.6", "2.6"), ("1.7", "2.4"), ("0.7", "1.1"))
    ),
    *(reading("2601-3", quantity(value, "mmol/L")) for value in around(("0.1", "6.0"), "0.01")),
    *(reading("19123-9", quantity(value, "mg/L")) for value in ("16", "21")),
    *(reading("2601-3", quantity(value, "mmol/L", "<")) for value in ("0.4", "0.5", "0.7", "0.75", "0.8")),
    *(reading("2601-3", quantity(value, "mmol/L", ">")) for value in ("1.0", "1.5", "2.0")),
    *(reading("2601-3", quantity(value, "mmol/L"), **HAEMOLYSED) for value in ("0.45", "0.70", "0.90", "1.3", "2.4")),
    *(reading("19123-9", text) for text in ("1.7 mg/dL L", "1,9 mg/dL", "2.0", "QNS", "1.7 (recheck)")),
    reading("19123-9", labelled("1.7", "mg%")),
    reading("19123-9", labelled("1.7", "furlong")),
    reading("2601-3", quantity("1.7", "mg/dL")),
    {**reading("19123-9", quantity("1.7", "mg/dL")), "code": concept(LOINC, "19123-9", "2600-5")},
    *(reading(code, quantity("0.55", "mmol/L")) for code in ("2600-5", "55937-7", "65362-6")),
    {"code": concept(LOINC, "19123-9"), "dataAbsentReason": {"text": "not performed"}},
]

# Chemistry: calcium, albumin, phosphate, PTH, potassium (sections 3.5 and 6.2)

CA_MASS = [Decimal(v) for v in ("9.4", "7.0", "8.2", "11.2", "14.6")] + around(
    ("7.5", "8.5", "10.2", "10.5", "14"), "0.1"
)
CA_MOLAR = [Decimal(v) for v in ("2.35", "1.70", "2.80", "3.7")] + around(
    ("1.87", "2.12", "2.54", "2.62", "3.5"), "0.01"
)
CALCIUM: Pool = [
    *(reading("17861-6", quantity(value, "mg/dL")) for value in CA_MASS),
    *(reading("2000-8", quantity(value, "mmol/L")) for value in CA_MOLAR),
    *(reading("2000-8", quantity(value, "mEq/L")) for value in ("4.7", "3.5", "5.6")),
    *(reading("46099-8", quantity(value, "mg/dL")) for value in ("9.2", "7.2", "10.4", "11")),
    *(reading("29265-6", quantity(value, "mmol/L")) for value in ("2.3", "1.8", "2.6", "2.7")),
    *(reading("1995-0", quantity(value, "mmol/L")) for value in around(("1.2", "1.32", "1.12", "0.90"), "0.01")),
    *(reading("17863-2", quantity(value, "mg/dL")) for value in ("4.8", "5.3", "4.4", "3.6")),
    *(
        reading("1995-0", quantity(value, "mmol/L"), **own_range("1.15", "1.27", "mmol/L"))
        for value in ("1.30", "1.13")
    ),
    *(reading("17861-6", quantity(value, "mg/dL", sign)) for value in ("7.5", "10.5") for sign in ("<", ">", ">=")),
    *(reading("17861-6", quantity(value, "mg/dL")) for value in ("3.9", "25")),
    *(reading("17861-6", text) for text in ("9.4 mg/dL", "QNS", "9.4")),
]
ALBUMIN: Pool = [
    *(reading("1751-7", quantity(value, "g/dL")) for value in ("4.0", "2.5", "3.1", "5.2")),
    *(reading("61151-7", quantity(value, "g/L")) for value in ("40", "25")),
]
OTHER_CHEMISTRY: Pool = [
    *(reading("2777-1", quantity(value, "mg/dL")) for value in around(("4.6", "3.5"), "0.1")),
    *(reading("14879-1", quantity(value, "mmol/L")) for value in around(("1.49",), "0.01")),
    *(reading("2731-8", quantity(value, "pg/mL")) for value in ("45", "64", "65", "66", "180")),
    *(reading("14866-8", quantity(value, "pmol/L")) for value in ("5", "6.9", "7", "20")),
    reading("2731-8", quantity("70", "pg/mL"), **own_range("15", "80", "pg/mL")),
    *(reading("2823-3", quantity(value, "mmol/L")) for value in ("4.1", "3.5", "3.4", "2.9")),
]
CHEMISTRY: Pool = [*CALCIUM, *OTHER_CHEMISTRY, *ALBUMIN, *ALBUMIN]

# Kidney (sections 3.5 and 9.4)

EGFR_CODES = ("98979-8", "62238-1", "33914-3", "69405-9", "48642-3", "48643-1", "88293-6", "88294-4", "50210-4")
EGFR_UNITS = ("mL/min/{1.73_m2}", "mL/min", "mL/min/1.73.m2")
KIDNEY: Pool = [
    *(reading("98979-8", quantity(value, EGFR_UNITS[0])) for value in (95, 75, 50, 40, 22, 8)),
    *(reading("98979-8", quantity(value, EGFR_UNITS[0])) for value in around(("60", "30", "15", "90", "45"), "0.5")),
    *(reading(code, quantity(75, EGFR_UNITS[1])) for code in EGFR_CODES),
    *(reading(code, quantity(45, EGFR_UNITS[2])) for code in EGFR_CODES),
    *(reading("33914-3", text) for text in (">60", ">59", "<15", ">90 mL/min", "58", "not calculated")),
    *(reading("98979-8", quantity(value, EGFR_UNITS[0], sign)) for value, sign in ((60, ">"), (90, ">="), (60, "<"))),
    *(reading("2160-0", quantity(value, "mg/dL")) for value in ("0.9", "0.6", "1.2", "1.4", "2.2", "6.5")),
    *(reading("14682-9", quantity(value, "umol/L")) for value in ("80", "150", "400")),
    reading("2160-0", quantity("0.3", "mg/dL", "<")),
    reading("38483-4", quantity("0.9", "mg/dL")),
]  # fmt: skip

# Vitals (sections 3.5 and 9.5)


def _pregnancy_answer(code: str) -> Json:
    return {"code": concept(LOINC, "82810-3"), "valueCodeableConcept": concept(LOINC, code)}


PREGNANT, NOT_PREGNANT = map(_pregnancy_answer, ("LA15173-0", "LA26683-5"))
VITALS: Pool = [
    *(reading("39156-5", quantity(value, "kg/m2")) for value in ("24", "30", "29.9", "36", "5")),
    *(reading("8302-2", quantity(value, unit)) for value, unit in (("170", "cm"), ("1.6", "m"), ("65", "[in_i]"))),
    *(reading("29463-7", quantity(value, unit)) for value, unit in (("70", "kg"), ("110", "kg"), ("200", "[lb_av]"))),
    PREGNANT,
    NOT_PREGNANT,
    NOT_PREGNANT,
    _pregnancy_answer("LA4489-6"),
    reading("59576-9", quantity("97", "%")),
]

# Conditions (section 8)

ICD_CODES = (
    "E66.9", "E55.9", "M81.0", "K90.0", "N18.31", "Z98.84", "N18.4", "N18.9", "N18.2", "N18.5", "N18.6", "Z99.2",
    "Z94.0", "N17.9", "M83.9", "Z68.35", "E66.3", "E67.3", "E83.42", "E83.52", "E83.51", "E21.0", "E21.3", "E21.1",
    "N25.81", "E20.9", "D82.1", "E83.31", "D86.0", "A15.0", "B39.9", "N20.0", "R82.994", "Z87.442", "Q93.82", "C83.3",
    "E84.0", "K50.9", "Z33.1", "O26.9", "Z39.1", "G70.0", "I44.2", "Z95.0", "K74.6", "J45.9",
)  # fmt: skip
SNOMED_CODES = (
    "709044004", "433144002", "431857002", "46177005", "414916001", "34713006", "66931009", "31541009", "77386006",
    "64859006", "36976004", "27885002",
)  # fmt: skip
TEXTS = (
    "sarcoidosis", "chronic kidney disease stage 4", "hypercalcemia", "pregnancy", "myasthenia gravis", "osteoporosis",
    "celiac disease", "history of sarcoidosis", "kidney stones",
)  # fmt: skip
CONDITION_CODES: Pool = [
    *(concept(ICD10, code) for code in ICD_CODES),
    *(concept(SNOMED, code) for code in SNOMED_CODES),
    *({"text": text} for text in TEXTS),
]


def status(code: str) -> Json:
    """`clinicalStatus` with this *code*."""
    return {"clinicalStatus": {"coding": [{"code": code}]}}


CONDITION_STAMPS: Pool = [
    *({**status("active"), "recordedDate": ago(days)} for days in (100, 30, 299, 300, 279, 280, 4000)),
    *[status("active")] * 4,
    {"onsetDateTime": ago(100)},
    {**status("recurrence"), "onsetPeriod": {"start": ago(60)}},
    {**status("inactive"), "recordedDate": ago(89)},
    {**status("resolved"), "recordedDate": ago(400), "abatementDateTime": ago(91)},
    {"onsetDateTime": ago(400), "abatementDateTime": ago(60)},
    {**status("active"), "verificationStatus": {"coding": [{"code": "refuted"}]}},
    {**status("active"), "verificationStatus": {"coding": [{"code": "entered-in-error"}]}},
]


def condition(code: Json, stamp: Json) -> Json:
    """A Condition from its code and its stamp."""
    return {"resourceType": "Condition", "code": code, **stamp}


# Medications (section 7)


class Dose(NamedTuple):
    """How an order is taken."""

    value: float
    unit: str
    times: int = 1
    period: int = 1
    per: str = "d"

    def instruction(self) -> Json:
        """As `dosageInstruction`."""
        repeat = {"frequency": self.times, "period": self.period, "periodUnit": self.per}
        dose = {"value": self.value, "unit": self.unit}
        return {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": dose}]}


def _drug(named: Json, *taken: Dose | Json) -> Json:
    instructions = [taking.instruction() if isinstance(taking, Dose) else taking for taking in taken]
    return {"medicationCodeableConcept": named, **({"dosageInstruction": instructions} if instructions else {})}


def named(text: str) -> Json:
    """A drug known by its text alone."""
    return _drug({"text": text})


D2_NAMED, D3_NAMED = concept(RXNORM, "4018"), concept(RXNORM, "2418")
DAILY_D3 = (400, 600, 799, 800, 1000, 1999, 2000, 4000, 4001, 5000, 10_000)
VITAMIN_D_DRUGS: Pool = [
    *(_drug(D3_NAMED, Dose(value, "IU")) for value in DAILY_D3),
    *(_drug(D2_NAMED, Dose(50_000, "IU", 1, period, "wk")) for period in (1, 2, 4)),
    _drug(D3_NAMED, Dose(50_000, "IU", 1, 1, "wk")),
    _drug(D3_NAMED, Dose(49_999, "IU", 1, 1, "mo")),
    _drug(D2_NAMED, Dose(2000, "IU")),
    _drug({**D2_NAMED, "text": "ergocalciferol 1.25 mg capsule"}, Dose(1, "capsule", 1, 1, "wk")),
    _drug({"text": "cholecalciferol 1,000 unit tablet"}, Dose(2, "tablet", 1, 1, "d")),
    named("vitamin D 5000 units daily"),
    _drug({"text": "vitamin D3 25 mcg"}, {**Dose(1, "capsule").instruction(), "asNeededBoolean": True}),
    _drug({"text": "vitamin D3"}, Dose(25, "mcg")),
    _drug(concept(RXNORM, "1362805"), Dose(1000, "IU")),
    _drug(concept(ATC, "A11CC06"), Dose(30, "ug")),
    _drug(concept(ATC, "A11CC05"), Dose(7000, "IU", 1, 1, "wk")),
]  # fmt: skip
DRUG_CODES = ("1894", "6574", "7646", "4603", "5487", "3407", "42316", "10582", "3640")
ATC_CODES = ("H05BX02", "A12CC04", "A02BC05", "C03CA01", "C03AA03", "N03AF01", "A08AB01")
DRUG_TEXTS = (
    "alfacalcidol 1 microgram", "calcitriol ointment", "magnesium oxide 400 mg", "esomeprazole magnesium 20 mg",
    "magnesium sulfate injection", "raltegravir 400 mg", "ciprofloxacin 500 mg", "alendronate 70 mg", "dolutegravir",
    "prednisone 5 mg", "gentamicin", "torsemide", "indapamide", "digoxin 125 mcg", "lansoprazole", "mycophenolate",
    "calcium carbonate 500 mg", "ketoconazole", "mineral oil", "phenytoin", "paracetamol", "moxifloxacin",
)  # fmt: skip
CONTAINED = [{"resourceType": "Medication", "id": "m", "code": D3_NAMED}]
OTHER_DRUGS: Pool = [
    *(_drug(concept(RXNORM, code)) for code in DRUG_CODES),
    *(_drug(concept(ATC, code)) for code in ATC_CODES),
    *map(named, DRUG_TEXTS),
    {"medicationReference": {"reference": "Medication/elsewhere"}},
    {"medicationReference": {"reference": "Medication/elsewhere", "display": "cholecalciferol 2000 IU"}},
    {"medicationReference": {"reference": "#m"}, "contained": CONTAINED},
]  # fmt: skip
DRUGS: Pool = [*VITAMIN_D_DRUGS, *OTHER_DRUGS]


class Course(NamedTuple):
    """What became of an order: its status, its start and its end in days before the day of evaluation."""

    status: str = "active"
    start: int | None = 30
    end: int | None = None
    weeks: int | None = None
    supply: int | None = None


STARTS = (30, 10, 0, 83, 84, 85, 100, 120, 180, 200, 366, 400)
COURSES = [
    *(Course("active", start) for start in STARTS),
    Course("active", None),
    *(Course("active", start, weeks=weeks) for start, weeks in ((60, 8), (20, 8), (120, 12), (84, 12), (200, 8))),
    *(Course("active", start, end) for start, end in ((120, 30), (120, 0), (100, -30), (300, 181))),
    *(Course("completed", start) for start in (60, 100, 150, 236, 237, 400)),
    *(Course("completed", start, end) for start, end in ((150, 60), (150, 61), (200, 100), (270, 180), (271, 181))),
    *(Course("completed", start, supply=supply) for start, supply in ((140, 90), (170, 28), (170, 112))),
    Course("completed", None),
    *(Course("stopped", start, end) for start, end in ((90, 80), (180, None), (100, 5))),
    Course("draft", 0),
    Course("draft", None),
    Course("on-hold", 30),
    Course("cancelled", 30),
    Course("entered-in-error", 30),
]


def order(drug: Json, course: Course) -> Json:
    """A MedicationRequest for *drug*; a stated end stands in the timing, where there is one to hold it."""
    request: Json = {"resourceType": "MedicationRequest", "status": course.status, "intent": "order", **drug}
    if course.start is not None:
        request["authoredOn"] = ago(course.start)
    if course.supply is not None:
        request["dispenseRequest"] = {"expectedSupplyDuration": {"value": course.supply, "unit": "days"}}
    bounds: Json = {}
    if course.end is not None:
        bounds = {"boundsPeriod": {"end": ago(course.end)}}
    elif course.weeks is not None:
        bounds = {"boundsDuration": {"value": course.weeks, "unit": "wk", "system": UCUM, "code": "wk"}}
    if bounds:
        first = dict(drug.get("dosageInstruction", [{}])[0])
        first["timing"] = {"repeat": {**first.get("timing", {}).get("repeat", {}), **bounds}}
        request["dosageInstruction"] = [first]
    return request


# Laboratory orders (section 17)

ORDER_CODES = ("62292-8", "19123-9", "49590-3", "108834-3", "17861-6", "2160-0", "2731-8", "2823-3", "2777-1", "1989-3")
ORDER_STAMPS: Pool = [
    *({"status": "active", "authoredOn": ago(days)} for days in (5, 90, 91)),
    *({"status": "active", "occurrenceDateTime": ago(days)} for days in (0, 30, 31, -31, -32, -92, -60)),
    {"status": "draft", "occurrencePeriod": {"start": ago(-28)}},
    {"status": "draft"},
    {"status": "revoked", "authoredOn": ago(5)},
    {"status": "active", "doNotPerform": True, "authoredOn": ago(5)},
]


def lab_order(code: str, stamp: Json) -> Json:
    """A ServiceRequest for the test *code*."""
    return {"resourceType": "ServiceRequest", "intent": "order", "code": concept(LOINC, code), **stamp}


# The patient

BIRTH_DATES = ("1981-06-15", "1990-03-02", "1976-03-02", "1970-03-02", "1960-01-01", "2012-05-01")
PEOPLE: Pool = [
    {"gender": gender, "birthDate": born} for born in BIRTH_DATES for gender in ("male", "female", "other")
] + [
    {"gender": "female", "birthDate": "1988"},
    {"gender": "male", "birthDate": "1976-03"},
    {"gender": "female", "birthDate": "2008-03-02"},
    {"gender": "male", "birthDate": "2008-03-03"},
    {"gender": "male"},
    {"birthDate": "1950-01-01"},
    {"gender": "male", "birthDate": "1981-06-15", "deceasedBoolean": True},
]
ADULTS: Pool = [{"gender": gender, "birthDate": born} for born in BIRTH_DATES[:-1] for gender in ("male", "female")]

# Calm keys: what lets orders through

LONG = Course("active", 400)
CALM: dict[str, st.SearchStrategy[Any]] = {
    "patient": st.sampled_from(ADULTS),
    "vitaminD": paired(observation, VITAMIN_D[: len(MASS) + len(MOLAR)], FRESH_STAMPS).map(lambda one: [one]),
    "magnesium": paired(observation, MAGNESIUM[:60], FRESH_STAMPS).map(lambda one: [one]),
    "chemistry": st.sampled_from([
        [],
        [measured("17861-6", quantity("9.4", "mg/dL"))],
        [measured("2000-8", quantity("2.3", "mmol/L"), 40), measured("2731-8", quantity("45", "pg/mL"))],
        [measured("17861-6", quantity("8.3", "mg/dL"), 60), measured("2823-3", quantity("3.3", "mmol/L"))],
    ]),
    "kidney": st.sampled_from([
        [measured("98979-8", quantity(95, EGFR_UNITS[0]))],
        [measured("98979-8", quantity(60, EGFR_UNITS[0]))],
        [measured("2160-0", quantity("0.9", "mg/dL"))],
        [measured("98979-8", quantity(45, EGFR_UNITS[0]))],
        [],
    ]),
    "vitals": st.sampled_from([[], [], [measured("39156-5", quantity("33", "kg/m2"))]]),
    "conditions": st.sampled_from([
        [],
        *([condition(concept(ICD10, code), status("active"))] for code in ICD_CODES[:6]),
    ]),
    "medications": st.sampled_from([
        [],
        [],
        [order(VITAMIN_D_DRUGS[0], Course())],
        *([order(VITAMIN_D_DRUGS[11], course)] for course in (Course("active", 100), Course("completed", 150, 60))),
        *([order(named(text), LONG)] for text in ("digoxin", "levothyroxine", "calcitriol", "carbamazepine")),
        [order(named("furosemide"), LONG), order(named("hydrochlorothiazide"), LONG)],
        [order(named("omeprazole"), LONG), order(named("digoxin"), LONG)],
        [order(VITAMIN_D_DRUGS[13], LONG)],
        [order(VITAMIN_D_DRUGS[11], Course("active", 20))],
    ]),
    "labOrders": st.just([]),
}  # fmt: skip

# Wild keys: anything

WILD: dict[str, st.SearchStrategy[Any]] = {
    "patient": st.sampled_from(PEOPLE),
    "vitaminD": few(paired(observation, VITAMIN_D, STAMPS), 3),
    "magnesium": few(paired(observation, MAGNESIUM, STAMPS), 3),
    "chemistry": few(paired(observation, CHEMISTRY, STAMPS), 5),
    "kidney": few(paired(observation, KIDNEY, STAMPS), 3),
    "vitals": few(paired(observation, VITALS, STAMPS), 3),
    "conditions": few(paired(condition, CONDITION_CODES, CONDITION_STAMPS), 3),
    "medications": few(paired(order, DRUGS, COURSES), 4),
    "labOrders": few(paired(lab_order, ORDER_CODES, ORDER_STAMPS), 3),
}
KEYS = tuple(WILD)

OUTCOME: Json = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
NEXT_PAGE = [{"relation": "next", "url": "https://fhir.example.org/r4/next"}]
WAYS = ("missing", "failed", "partial", "none")
"""How a key can fall short: not sent, an OperationOutcome, more pages than were sent, null ("none on file")."""

SHORTFALLS: list[dict[str, str]] = [
    *[{}] * 24,
    *({key: way} for key in OPTIONAL for way in WAYS),
    {"vitals": "failed", "labOrders": "missing"},
    {"conditions": "missing", "medications": "missing"},
    dict.fromkeys(OPTIONAL, "missing"),
]


def bundle(resources: Iterable[Json]) -> Json:
    """A searchset Bundle."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": found} for found in resources]}


def fall_short(prefetch: Json, key: str, way: str) -> None:
    """Make *key* unavailable in one *way*, in place."""
    if way == "missing":
        prefetch.pop(key, None)
    elif way == "failed":
        prefetch[key] = OUTCOME
    elif way == "none":
        prefetch[key] = None
    elif isinstance(prefetch.get(key), dict) and prefetch[key]["resourceType"] == "Bundle":
        prefetch[key] = {**prefetch[key], "link": NEXT_PAGE}


def request(held: dict[str, Any], shortfall: dict[str, str] | None = None) -> Json:
    """The request whose prefetch holds these resources by key."""
    person = {"resourceType": "Patient", "id": PATIENT_ID, **held["patient"]}
    prefetch: Json = {"patient": person, **{key: bundle(held[key]) for key in KEYS if key != "patient"}}
    for key, way in (shortfall or {}).items():
        fall_short(prefetch, key, way)
    return {
        "hook": "patient-view",
        "hookInstance": "1",
        "context": {"userId": "Practitioner/1", "patientId": PATIENT_ID},
        "prefetch": prefetch,
    }


def _masks() -> Iterator[tuple[str, ...]]:
    yield from ((), (), *((key,) for key in KEYS))
    yield from (("vitaminD", "medications"), ("vitaminD", "magnesium"), ("magnesium", "medications"))
    yield from (("magnesium",), ("magnesium",), ("vitaminD", "magnesium"), ("vitaminD", "magnesium", "medications"))
    yield from (("chemistry", "kidney"), ("kidney", "conditions"), ("conditions", "medications"), ("patient", "vitals"))
    yield from (("chemistry", "medications"), ("vitaminD", "medications", "labOrders"), ("chemistry", "conditions"))
    yield from (KEYS, KEYS, KEYS[1:], KEYS[1:])


def _whole(shortfall: dict[str, str], *held: Any) -> Json:
    return request(dict(zip(KEYS, held, strict=True)), shortfall)


def _patients(mask: tuple[str, ...]) -> st.SearchStrategy[Json]:
    drawn = (WILD[key] if key in mask else CALM[key] for key in KEYS)
    return st.builds(_whole, st.sampled_from(SHORTFALLS), *drawn)


patients: st.SearchStrategy[Json] = st.one_of([_patients(mask) for mask in _masks()])
"""Whole patients: every key calm, one or two of them wild, or all."""


def entries(asked: Json, key: str) -> list[Json]:
    """The resources a request holds under *key*."""
    held = asked["prefetch"].get(key)
    found = held["entry"] if isinstance(held, dict) and held["resourceType"] == "Bundle" else ()
    return [entry["resource"] for entry in found]


def changed(asked: Json, **prefetch: Any) -> Json:
    """The same request with other prefetch keys; lists of resources become Bundles."""
    put = {key: bundle(value) if isinstance(value, list) else value for key, value in prefetch.items()}
    return {**asked, "prefetch": {**asked["prefetch"], **put}}


def with_newest(asked: Json, key: str, newest: Json) -> Json:
    """The same request with *newest* under *key* in place of every Observation of its day or later."""
    day = newest["effectiveDateTime"]
    kept = [found for found in entries(asked, key) if found.get("effectiveDateTime", "9999") < day]
    return changed(asked, **{key: [newest, *kept]})


def resources(asked: Json) -> Iterator[Json]:
    """Every resource of a request, but the Patient."""
    return chain.from_iterable(entries(asked, key) for key in KEYS if key != "patient")
