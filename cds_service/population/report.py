"""The report: the same counts as JSON, as CSV, and as one HTML file that needs no script and nothing beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cds_service.clinical.guidance_types import Guidance
from cds_service.fhir.orders import Json
from cds_service.population.chart import View
from cds_service.population.masking import Key
from cds_service.population.office import Office
from cds_service.population.tally import (
    ALL,
    CHANGES,
    INDICATORS,
    NO_ORDER,
    NUMBER_OF_CARDS,
    OTHER,
    PATIENTS,
    SEXES,
    URGENT_CHARTS,
    WITH_CARD,
    Figures,
)
from cds_service.shipped import PACKAGE

STYLE = PACKAGE / "web" / "static" / "site.css"
STATES = {
    "UNK": "none on file", "STALE": "too old", "INDET": "cannot be told", "DEF": "deficient", "INS": "insufficient",
    "OK": "adequate", "NOBAND": "in no band of the profile", "HIGH": "high", "TOX": "toxic", "SEV": "severely low",
    "LOW": "low", "LAT": "low normal", "NORM": "normal", "VHIGH": "very high",
}  # fmt: skip
"""States of 25(OH)D and magnesium (sections 9.1 and 9.2), in words."""
SILENCE = {
    "deceased": "the patient has died",
    "child": "under 18, and nothing critical",
    "refused": "the service would have refused to answer: what it needs is not in the export",
    OTHER: "other reasons",
}
GATES = {
    "G-ADULT": "under 18, or age not known",
    "G-PREG": "pregnancy, or not known whether",
    "G-HOLD": "a reason against vitamin D, such as a high calcium",
    "G-CA": "very low calcium",
    "G-KID": "kidney failure, dialysis or transplant",
    "G-SEV": "severely low magnesium comes first",
    "G-AD": "active vitamin D, or an order that could be any drug",
    "G-DUP(D)": "vitamin D is ordered already",
    "G-DUP(Mg)": "magnesium is ordered already",
    "G-MG": "magnesium may harm, or kidney function is not known",
    "G-ADV": "magnesium is not even advised in words",
}
NAMES = {
    "vitamin_d": "25(OH)D", "egfr": "eGFR", "bmi": "BMI", "pth": "PTH",
}  # fmt: skip
HOOKS_NOT_IN_IT = (
    "Cards at order entry (order-select, order-sign) are not in it: an export knows no order that is being written."
)
FILTERS_NOT_IN_IT = (
    "What the EHR does with cards is not in it: many show a card only in some departments, to some roles, once a day, "
    "or not at all. Nor is what clinicians dismiss, after which a topic is quiet for a time."
)
OPENED = "It counts charts as if each were opened once on that day. Charts that are opened often are not counted more."


@dataclass(frozen=True, slots=True)
class About:
    """What the report is of: the export, its day and where that came from, and what was not in it."""

    version: str
    days_from: str
    types: tuple[str, ...]
    missing: tuple[str, ...]
    limit: int
    outcomes: int
    damaged: bool
    office: Office | None


def share(figures: Figures, view: int, part: Key, whole: Key) -> float | None:
    """The share in per cent, where neither is hidden."""
    of, in_all = figures.told(view, *part), figures.told(view, *whole)
    return None if of is None or not in_all else round(100 * of / in_all, 1)


def as_json(about: About, views: Sequence[View], figures: Figures) -> Json:
    """The whole report. What is hidden is null; the first view stands at the top and among the others."""
    blocks = [_block(figures, place, view) for place, view in enumerate(views)]
    return {
        "read_first": notes(about),
        "version": about.version,
        "days_from": about.days_from,
        "types": list(about.types),
        "missing_types": list(about.missing),
        "mask": about.limit,
        **blocks[0],
        "unreadable": {key[1]: figures.told(0, *key) for key in figures.keys("unreadable")},
        "office_day": None
        if about.office is None
        else {name: spread._asdict() for name, spread in about.office._asdict().items()},
        "results": [
            {"analyte": key[1], "code": key[2], "unit": key[3], "results": figures.told(0, *key)}
            for key in figures.keys("result")
        ],
        "unusable": [
            {"analyte": key[1], "why": key[2], "results": figures.told(0, *key)} for key in figures.keys("problem")
        ],
        "views": blocks,
    }


def _block(figures: Figures, place: int, view: View) -> Json:
    """What is so in one view."""

    def told(*key: object) -> int | None:
        return figures.told(place, *key)

    def there(*begin: object) -> list[Key]:
        return [key for key in figures.keys(*begin) if figures.counts[place, key] or key in figures.hidden]

    cards, patients = told(*NUMBER_OF_CARDS), told(*PATIENTS)
    block: Json = {
        "view": view.label,
        "profile": view.guidance.profile_name,
        "as_of": str(view.day),
        "guidance": view.guidance.digest,
        "local_guidance": view.guidance.local_digest or None,
        "patients": patients,
        "with_card": told(*WITH_CARD),
        "with_card_percent": share(figures, place, WITH_CARD, PATIENTS),
        "with_warning_or_critical": told(*URGENT_CHARTS),
        "cards": cards,
        "cards_per_chart": None if cards is None or not patients else round(cards / patients, 2),
        "charts_by_cards": {str(key[1]): told(*key) for key in sorted(there("charts"), key=lambda key: key[1])},
        "topics": {
            topic: indicators
            for topic in topics(figures)
            if (indicators := {key[2]: told(*key) for key in there("topic", topic) if key[2] != ALL})
        },
        "patients_by_topic": {topic: told("topic", topic, ALL) for topic in topics(figures)},
        "cards_by_indicator": {indicator: told("topic", ALL, indicator) for indicator in INDICATORS},
        "with_card_and_no_drug_draft": told(*NO_ORDER),
        "closed_gates": ranked({key[1]: told(*key) for key in there("gate")}),
        "silence": ranked({reason(key): told(*key) for key in there("silent")}),
        "people": [
            {
                "age": band,
                "sex": sex,
                "patients": told("people", band, sex),
                "with_card": told("carded", band, sex),
            }
            for band in bands(figures)
            for sex in (*SEXES, ALL)
        ],
    }
    if view.against is not None:
        changed = dict.fromkeys(key[1] for key in figures.keys("change"))
        block["compared"] = {topic: {change: told("change", topic, change) for change in CHANGES} for topic in changed}
    return block


def ranked(counts: Mapping[str, int | None]) -> dict[str, int | None]:
    """The largest first; those that are hidden by name at the end, as their order would tell something of them."""
    return dict(sorted(counts.items(), key=lambda item: (item[1] is None, -(item[1] or 0), item[0])))


def topics(figures: Figures) -> list[str]:
    """The topics that came up."""
    return [topic for topic in dict.fromkeys(key[1] for key in figures.keys("topic")) if topic != ALL]


def bands(figures: Figures) -> list[str]:
    """The age bands, the young first, and all together."""
    found = dict.fromkeys(key[1] for key in figures.keys("people"))
    return sorted(found, key=lambda band: (band == ALL, band == "unknown", not band.startswith("under"), band))


def reason(key: Key) -> str:
    """A reason for silence in words."""
    first, *second = key[1:]
    if first in SILENCE:
        return SILENCE[first]
    return f"25(OH)D {STATES[first]}, magnesium {STATES[second[0]]}"


def name(analyte: str) -> str:
    """An analyte as people write it."""
    return NAMES.get(analyte, analyte)


def notes(about: About) -> list[str]:
    """What has to be read before any number."""
    found = []
    if about.missing:
        lacking = " and of ".join(about.missing)
        found.append(
            f"There is no file of {lacking} in the export. What it would tell is not known of anybody, and what is "
            "not known closes suggestions: the numbers are not those of a whole record."
        )
    if "ServiceRequest" not in about.types:
        found.append("There is no file of ServiceRequest: it is taken that no laboratory order is open.")
    if about.outcomes:
        found.append("The export itself reports problems: it holds an OperationOutcome. See what its server left out.")
    if about.damaged:
        found.append(
            "A file of the export is cut off or damaged: what stood in the rest of it is counted as not there."
        )
    return [*found, HOOKS_NOT_IN_IT, FILTERS_NOT_IN_IT, OPENED]


def as_csv(written: Json) -> str:
    """The report as one long table: a row for each number, with its view, table, row and column."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["view", "as_of", "profile", "table", "row", "column", "count"])
    for block in written["views"]:
        begin = [block["view"], block["as_of"], block["profile"]]
        writer.writerows([*begin, *row] for row in _rows(block))
    first = [written["view"], written["as_of"], written["profile"]]
    writer.writerows([*first, "unreadable", kind, "lines", _cell(n)] for kind, n in written["unreadable"].items())
    for row in written["results"]:
        named = f"{row['code']} {_text(row['unit'])}"
        writer.writerow([*first, "results", row["analyte"], named, _cell(row["results"])])
    for row in written["unusable"]:
        writer.writerow([*first, "unusable", row["analyte"], row["why"], _cell(row["results"])])
    return out.getvalue()


SINGLE = ("patients", "with_card", "with_warning_or_critical", "cards", "with_card_and_no_drug_draft")
SIMPLE = ("charts_by_cards", "patients_by_topic", "cards_by_indicator", "closed_gates", "silence")
DOUBLE = ("topics", "compared")


def _rows(block: Mapping[str, Any]) -> Iterator[list[object]]:
    for single in SINGLE:
        yield ["all", single, "", _cell(block[single])]
    for table in SIMPLE:
        for row, count in block[table].items():
            yield [table, row, "", _cell(count)]
    for table in DOUBLE:
        for row, columns in block.get(table, {}).items():
            for column, count in columns.items():
                yield [table, row, column, _cell(count)]
    for person in block["people"]:
        for column in ("patients", "with_card"):
            yield ["people", f"{person['age']}, {person['sex']}", column, _cell(person[column])]


def _cell(count: int | None) -> int | str:
    return "hidden" if count is None else count


def _text(text: str) -> str:
    """Text of the record: what a spreadsheet could take for a formula is marked as text."""
    return f"'{text}" if text[:1] in "=+-@" else text


def as_html(about: About, written: Json, guidance: Guidance) -> str:
    """The report for people."""
    environment = Environment(
        loader=PackageLoader("cds_service.population", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _spoken
    displays = {entry.topic: entry.display for entry in guidance.cards.values()}
    problems = {
        key.removeprefix("problem."): said for key, said in guidance.wording.items() if key.startswith("problem.")
    }
    return environment.get_template("report.html").render(
        about=about,
        written=written,
        style=STYLE.read_text(encoding="utf-8"),
        displays=displays,
        problems=problems,
        gates=GATES,
        indicators=INDICATORS,
        changes=CHANGES,
        sexes=SEXES,
        name=name,
    )


def _spoken(count: float | None) -> str:
    """A number as people read it; a bullet stands for one that is hidden."""
    if count is None:
        return "•"
    return f"{count:,}"
