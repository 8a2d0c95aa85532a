"""The numbers in texts: a text takes each from the guidance, as {people.adult_age}, or the file says whose it is.

So a dose, limit, age or interval is written once: a change of it changes every text that says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cds_service.clinical.guidance_types import DAYS_OF_A_WEEK, DrugEntry, OwnNumbers
from cds_service.clinical.limits import Limits
from cds_service.clinical.order_limits import OrderRows
from cds_service.errors import GuidanceError
from cds_service.guidance.toml_table import fields_of, is_table

OWN = "own-numbers"
"""The table of `wording.toml` that says whose the other numbers are."""
PLACEHOLDER = re.compile(r"\{([a-z]\w*(?:\.[\w-]+)+)\}")
"""The name of a number has a dot; that of a value the program fills in has none."""
NO_NUMBERS = re.compile(r"\{[^{}]*\}|1,25\(OH\)2D|25\(OH\)D|1-hydroxylated|(?<=[A-Za-z])\d+")
"""Placeholders, analytes, and digits that are part of a name: D3, G4, m2."""
NUMBER = re.compile(
    r"\d+(?:[.,]\d+)*"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
    r"(?=[ -](?:hour|day|week|month|year)s?\b)"
)


def number_names(limits: Limits, drugs: Mapping[str, DrugEntry], rows: OrderRows) -> dict[str, str]:
    """What each number is called in texts, and how it is said: `people.adult_age`, `drug.d3-daily.dose`."""
    found = {**dict(_numbers("", limits)), **dict(_numbers("row.", rows))}
    for name, drug in drugs.items():
        found[f"drug.{name}.dose"] = said(drug.dose)
        weeks = weeks_of(drug)
        if weeks is not None:
            found[f"drug.{name}.weeks"] = said(weeks)
    return found


def weeks_of(drug: DrugEntry) -> int | None:
    """The weeks of the course or of the supply, where they are whole."""
    if drug.weeks is not None:
        return drug.weeks
    whole = drug.supply_days is not None and drug.supply_days % DAYS_OF_A_WEEK == 0
    return drug.supply_days // DAYS_OF_A_WEEK if whole and drug.supply_days else None


def said(number: Decimal | int) -> str:
    """*number* as a text says it: 50,000."""
    return f"{number:,}"


def _numbers(prefix: str, table: Any) -> Iterator[tuple[str, str]]:
    kind: Any = type(table)
    for entry in fields_of(kind):
        name, value = f"{prefix}{entry}", getattr(table, entry)
        if is_table(type(value)):
            yield from _numbers(f"{name}.", value)
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            yield name, said(value)


def fill(file: str, key: str, text: str, numbers: Mapping[str, str], own: OwnNumbers | None = None) -> str:
    """*text* with the *numbers* it takes; what the program fills in later stays.

    Raises:
        GuidanceError: there is no such number, or the text holds one of its own that is not among *own*.
    """
    allowed = own.says if own is not None else ()
    for part in allowed:
        if part not in text:
            raise GuidanceError(file, f"{OWN}.{key}", part, f"a part of the text, which reads {text!r}")
    found = own_number(text, allowed)
    if found is not None:
        raise GuidanceError(file, key, text, _taken_from(found, numbers))
    for name in PLACEHOLDER.findall(text):
        if name not in numbers:
            expected = "a number of limits.toml, as {people.adult_age}, or of a drug, as {drug.d3-daily.dose}"
            raise GuidanceError(file, key, f"{{{name}}}", expected)
    return PLACEHOLDER.sub(lambda match: numbers[match[1]], text)


def own_number(text: str, allowed: tuple[str, ...] = ()) -> str | None:
    """The first number that stands in *text* itself, outside of the *allowed* parts."""
    for part in allowed:
        text = text.replace(part, " ")
    found = NUMBER.search(NO_NUMBERS.sub(" ", text))
    return None if found is None else found[0]


def _taken_from(number: str, numbers: Mapping[str, str]) -> str:
    same = [f"{{{name}}}" for name, value in numbers.items() if value == number]
    where = (
        f"{number} taken from where it is written, {' or '.join(same)}" if same else f"no number of its own, {number}"
    )
    return f"{where}; or its words and their source in [{OWN}], if it is none of this guidance"
