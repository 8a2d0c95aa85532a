"""Which condition a code is (decision table, section 8)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import SNOMED, codings, derive, problem, read

ICD_CODES = [
    ("ckd", "", "N18.9 N18"),
    ("ckd", "1", "N18.1"),
    ("ckd", "2", "N18.2"),
    ("ckd", "3", "N18.3 N18.30 N18.31 N18.32 N1831"),
    ("ckd", "4", "N18.4"),
    ("ckd", "5", "N18.5"),
    ("dialysis", "", "N18.6 Z99.2 Z49.01 Z49.31"),
    ("transplant", "", "Z94.0 T86.10 T86.11"),
    ("aki", "", "N17.9 N17.0 N19"),
    ("obesity", "", "E66.9 E66.01 E66.2 E66.8 E66.813 Z68.30 Z68.39 Z68.41 Z68.45"),
    ("vitd-deficiency", "", "E55.0 E55.9 M83.9 M83.0"),
    ("hypervitaminosis-d", "", "E67.3"),
    ("hypercalcaemia", "", "E83.52"),
    ("hypocalcaemia", "", "E83.51"),
    ("primary-hyperparathyroidism", "", "E21.0"),
    ("vitd-soft-hold", "hyperparathyroidism", "E21.2 E21.3"),
    ("vitd-soft-hold", "stones", "N20.0 N20.1 N20.9 R82.994"),
    ("active-vitd-indication", "", "N25.81 E83.31"),
    ("hypoparathyroidism", "", "E20.0 E20.9 E89.2 D82.1"),
    ("granulomatous", "sarcoidosis", "D86.0 D86.9"),
    ("granulomatous", "other", "B38.9 B39.4 B40.9 J63.2 A30.9"),
    ("tuberculosis", "", "A15.0 A17.0 A18.01 A19.9"),
    ("stone-history", "", "Z87.442"),
    ("williams", "", "Q93.82"),
    ("lymphoma", "", "C81.90 C82.00 C83.30 C84.00 C85.90 C86.6 C88.40"),
    ("malabsorption", "malabsorption", "K90.0 K90.9 K50.90 K51.90 E84.0 K86.81 K91.2"),
    ("malabsorption", "bariatric", "Z98.84"),
    ("pregnancy", "", "Z33 Z33.1 Z33.3 O00.00 O09.90 O24.410 O99.89 O9A.111 Z34.80 Z3A.20"),
    ("lactation", "", "Z39.1"),
    ("osteoporosis", "", "M80.00XA M81.0"),
    ("myasthenia", "", "G70.00 G70.01"),
    ("heart-block", "", "I44.1 I44.2 I44.30 I45.5"),
    ("pacemaker", "", "Z95.0 Z95.810"),
    ("liver", "", "K72.90 K74.60"),
]
SNOMED_CODES = [
    ("ckd", "709044004 431855005 431856006 433144002 700378005 700379002 431857002 433146000"),
    ("dialysis", "46177005 265764009 302497006"),
    ("obesity", "414916001 162864005 408512008"),
    ("vitd-deficiency", "34713006"),
    ("hypercalcaemia", "66931009"),
    ("hypocalcaemia", "5291005"),
    ("vitd-soft-hold", "66999008 95570007"),
    ("hypoparathyroidism", "36976004"),
    ("granulomatous", "31541009"),
    ("tuberculosis", "56717001"),
    ("williams", "63247009"),
    ("lymphoma", "118600007"),
    ("malabsorption", "396331005 34000006 190905008"),
    ("pregnancy", "77386006 72892002 47200007"),
    ("osteoporosis", "64859006"),
    ("myasthenia", "91637004"),
    ("heart-block", "27885002"),
]


def concepts(*conditions):
    """The concept and sub-group of each condition that belongs to a value set."""
    return [(found.concept, found.group) for found in read(conditions=list(conditions)).conditions]


@for_each(("concept", "group", "codes"), ICD_CODES)
def test_icd_10_cm(concept, group, codes):
    """Section 8: match by prefix, dots ignored."""
    for code in codes.split():
        found = dict(concepts(problem(code)))
        assert concept in found, code
        assert not group or found[concept] == group, code


@for_each(
    ("code", "concept"),
    [
        ("E66.3", "obesity"), ("Z68.29", "obesity"), ("Z68.1", "obesity"), ("Z68.54", "obesity"), ("E65", "obesity"),
        ("E55", "vitd-deficiency"), ("E56.9", "vitd-deficiency"), ("E67.8", "hypervitaminosis-d"),
        ("E21.1", "vitd-soft-hold"), ("E21.1", "primary-hyperparathyroidism"), ("E21.1", "active-vitd-indication"),
        ("N25.81", "vitd-soft-hold"), ("E21.3", "primary-hyperparathyroidism"), ("E21.0", "vitd-soft-hold"),
        ("B90.9", "tuberculosis"), ("B37.9", "granulomatous"), ("J63.1", "granulomatous"),
        ("C90.00", "lymphoma"), ("Q93.81", "williams"), ("K86.89", "malabsorption"), ("K52.9", "malabsorption"),
        ("Z98.85", "malabsorption"), ("I44.0", "heart-block"), ("I44.4", "heart-block"), ("Z95.811", "pacemaker"),
        ("Z94.1", "transplant"), ("T86.20", "transplant"), ("N18.3", "dialysis"), ("Z39.2", "lactation"),
        ("Z32.01", "pregnancy"), ("G70.1", "myasthenia"), ("M82", "osteoporosis"), ("R82.99", "vitd-soft-hold"),
        ("N18.31", "aki"), ("Z99.1", "dialysis"), ("E83.30", "active-vitd-indication"), ("E83.5", "hypercalcaemia"),
        ("E83.5", "hypocalcaemia"),
    ],
)  # fmt: skip
def test_neighbours_do_not_match(code, concept):
    """Section 8: E66.3 is excluded, and what is not listed is not meant. E21.1 is neither a hold nor an indication."""
    assert concept not in dict(concepts(problem(code)))


SID = "http://hl7.org/fhir/sid/icd-10"
EDITIONS = [
    SID, f"{SID}-gm", f"{SID}-se", f"{SID}-AM", "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm", "https://fhir.hl7.org.uk/Id/icd-10",
    "urn:oid:2.16.840.1.113883.6.3", "urn:oid:2.16.840.1.113883.6.135", "urn:oid:2.16.578.1.12.4.1.1.7110",
]  # fmt: skip
CM = [f"{SID}-cm", "urn:oid:2.16.840.1.113883.6.90"]


def in_edition(system, code):
    """The condition sets of *code* in one edition, but for those that only a test of calcitriol asks for (O11)."""
    return set(concepts(problem(None, code=codings(code, system=system)))) - {("calcitriol-test", "")}


@for_each(
    ("code", "found"),
    [
        ("D86.0", {("granulomatous", "sarcoidosis")}),
        ("A16.2", {("tuberculosis", "")}),
        ("N18.0", {("ckd", "5"), ("dialysis", "")}),
        ("N18.8", {("ckd", "unspecified")}),
        ("N18.84", {("ckd", "unspecified")}),
        ("N18.-", {("ckd", "unspecified")}),
        ("O06.9", {("pregnancy", "")}),
        ("E83.30", {("active-vitd-indication", "hypophosphataemia")}),
        *((code, set()) for code in ("E83.31", "E83.41", "E83.42", "E83.51", "E83.52", "E83.4", "E83.5")),
    ],
)
def test_national_editions(code, found):
    """Sections 8 and 22: any edition of ICD-10 by prefix, and where they part."""
    for system in EDITIONS:
        assert in_edition(system, code) == found, system


@for_each("system", CM)
@for_each(
    ("code", "found"),
    [
        ("E83.31", {("active-vitd-indication", "hypophosphataemia")}),
        ("E83.51", {("hypocalcaemia", "")}),
        ("E83.52", {("hypercalcaemia", "")}),
        ("E83.30", set()),
        ("E83.5", set()),
        ("A16.2", {("tuberculosis", "")}),
    ],
)
def test_what_is_only_in_icd_10_cm(system, code, found):
    """Section 8: E83.31, E83.51 and E83.52; A16, which it has not, can mean nothing else there."""
    assert in_edition(system, code) == found


@for_each(
    "system",
    [f"{SID}-pcs", f"{SID}-PCS", "urn:oid:2.16.840.1.113883.6.4", "http://hl7.org/fhir/sid/icd-9-cm", "icd-10"],
)
def test_what_is_no_edition(system):
    """Section 22: a procedure of ICD-10-PCS is no condition; nor does it keep a text from being read (section 8)."""
    assert in_edition(system, "B40.0") == set()
    told = codings("B40.0", system=system) | {"text": "sarcoidosis"}
    assert set(concepts(problem(None, code=told))) == {("granulomatous", "sarcoidosis")}


@for_each("system", [*EDITIONS, "urn:oid:2.16.840.1.113883.6.96"])
def test_text_beside_a_code_of_any_edition(system):
    """Section 8: text is read only where there is no ICD-10 and no SNOMED CT code, whichever way that is named."""
    told = codings("R69", system=system) | {"text": "sarcoidosis"}
    assert concepts(problem(None, code=told)) == []


@for_each(("concept", "codes"), SNOMED_CODES)
def test_snomed(concept, codes):
    """Sections 8 and 22: the small SNOMED CT list, by URI and by OID."""
    for code in codes.split():
        for system in (SNOMED, "urn:oid:2.16.840.1.113883.6.96"):
            assert concept in dict(concepts(problem(None, code=codings(code, system=system)))), (system, code)


@for_each(
    ("code", "stage"),
    [("431855005", 1), ("431856006", 2), ("433144002", 3), ("700378005", 3), ("700379002", 3), ("431857002", 4),
     ("433146000", 5), ("46177005", 5), ("709044004", 3)],
)  # fmt: skip
def test_snomed_stage(code, stage):
    """Sections 8 and 9.4: the stage behind a SNOMED CT code; a bare CKD counts as G3 without an eGFR."""
    assert derive(kidney=[], conditions=[problem(None, code=codings(code, system=SNOMED))]).kidney.stage == stage
