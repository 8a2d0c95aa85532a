"""What the program cites is there: each rule, gate, card, section and row leads to an anchor of the documentation."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from cds_service.guidance import loading
from cds_service.web.markdown import PLACE
from tests.docs.test_docs_in_step import DOCS, known_gates, read, words
from tests.support.fixtures import ROOT
from tests.support.for_each import for_each

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CITING = [
    path
    for folder in ("cds_service", "tests", "benchmarks")
    for kind in ("*.py", "*.toml")
    for path in sorted((ROOT / folder).rglob(kind))
]
"""Whatever may cite: docstrings and comments of Python, and the guidance as a whole."""
MADE_UP = {"K-KIDS", "G-KIDS", "B-XX", "B-GOAL", "B-AGREE", "B-MGDOSES"}
"""Ids that tests make up since there is no such thing."""

ID = re.compile(
    r"(?<![\w-])(?:R1?\d[a-e]?|O\d{1,2}[a-cr]?|P\d{1,2}|[BGHK]-[A-Z][A-Z0-9]+(?:\((?:D|Mg)\))?|T-D(?:[ -]\d)?)(?![\w-])"
)
LIST = r"(?:\d[\d.]*\d|\d)(?:(?:, and |, | and | to )(?:\d[\d.]*\d|\d))*"
SECTIONS = re.compile(rf"\b[Ss]ections? ({LIST})")
ROWS = re.compile(rf"\b[Rr]ows? ({LIST})")
PROPERTIES = re.compile(rf"\b[Pp]ropert(?:y|ies) ({LIST})")
FIRST_SECTION = re.compile(r"(\d{1,2}\.\d)\b(?=[:,])")
"""A test that begins with its section: "14.2: the union over the hard holds"."""
LAST_ROW_OF_A_MAP = 12
LONG_TEXT = re.compile(r'"""(.*?)"""', re.DOTALL)
COMMENT = re.compile(r"(?:^|\s)# (.+)$", re.MULTILINE)


@cache
def anchors() -> Counter[str]:
    """Every place with a name of its own, and how often it is there."""
    return Counter(place for page in DOCS.rglob("*.md") for place in PLACE.findall(read(page)))


def said(path: Path) -> Iterator[str]:
    """The docstrings, other long texts and comments of a Python file; of any other file all of it."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield words(re.sub(r"^# ?", "", source, flags=re.MULTILINE))
        return
    yield from map(words, LONG_TEXT.findall(source))
    yield from COMMENT.findall(source)


def each(listed: str) -> list[str]:
    """The numbers of a list such as "2, 3 and 5 to 8", those between two whole ones too."""
    found = re.split(r", and |, | and | to ", listed)
    for first, last in re.findall(r"(?<![\d.])(\d+) to (\d+)(?![\d.])", listed):
        found += [str(number) for number in range(int(first) + 1, int(last))]
    return found


def cited(text: str) -> Iterator[str]:
    """The anchors that *text* refers to.

    Rows up to 12 beside a card or a map are those of the D map or the M map; all others are of the conformance page.
    """
    yield from (found.replace(" ", "-").replace("(", "-").rstrip(")") for found in ID.findall(text))
    yield from (f"s{number}" for listed in SECTIONS.findall(text) for number in each(listed))
    yield from (f"s{number}" for number in FIRST_SECTION.findall(text[:5]))
    yield from (f"P{number}" for listed in PROPERTIES.findall(text) for number in each(listed))
    of_a_map = re.search(r"\bK-[A-Z]|\bmap\b|^12\.[12]", text)
    magnesium = re.search(r"\bK-MG|\bK-HIDOSE|\bM map|^12\.2", text)
    for listed in ROWS.findall(text):
        for number in each(listed):
            if of_a_map and int(number) <= LAST_ROW_OF_A_MAP:
                yield f"{'M' if magnesium else 'D'}-map-{number}"
            else:
                yield f"row-{number}"


def test_citations_lead_somewhere():
    """Each id, section and row that a file cites is an anchor of the documentation."""
    known = anchors().keys() | MADE_UP
    astray = {path.name: {found for text in said(path) for found in cited(text)} - known for path in CITING}

    assert {name: found for name, found in astray.items() if found} == {}


def test_each_place_is_there_once():
    """No two places have one name: a citation has one meaning."""
    assert [place for place, times in anchors().items() if times > 1] == []


def test_everything_of_the_catalogue_has_a_place():
    """Each rule, gate, card and block that the program has is described under its id."""
    gates = {gate.replace("(", "-").rstrip(")") for gate in known_gates()}
    blocks = set(loading.load().topics.block)
    rules = {f"R{number}" for number in range(1, 20)}

    assert len(blocks) >= 20
    assert sorted({*gates, *blocks, *rules, *loading.load().cards} - anchors().keys()) == []


@for_each(
    ("text", "expected"),
    [
        ("K-RESIST, row 7 (R3): still low", {"K-RESIST", "R3", "D-map-7"}),
        ("K-MGLAT, row 5: low-normal", {"K-MGLAT", "M-map-5"}),
        ("Rows 7 to 9 of the M map; R5c", {"M-map-7", "M-map-8", "M-map-9", "R5c"}),
        ("The body (rows 150, 152 to 154).", {"row-150", "row-152", "row-153", "row-154"}),
        ("Sections 3.1, 3.4 and 5.", {"s3.1", "s3.4", "s5"}),
        ("14.2: at most one", {"s14.2"}),
        ("Property 13, G-DUP(Mg) and T-D 6.", {"P13", "G-DUP-Mg", "T-D-6"}),
        ("1.75 mg/dL twice; LOINC 2601-3; HL7 FHIR", set()),
    ],
)
def test_citations_are_found(text: str, expected: set[str]):
    """What is written as a citation is read as one."""
    assert set(cited(text)) == expected
