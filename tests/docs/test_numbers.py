"""The numbers of the decision rules are those of the guidance: the pages are read on GitHub, so nothing fills them in.

Each phrase of `numbers.toml` stands on its page with the numbers of `limits.toml`, and each number of that file is in
a phrase.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.guidance import loading
from tests.docs.test_docs_in_step import RULES, read, words
from tests.support.for_each import for_each

if TYPE_CHECKING:
    from collections.abc import Iterator

PHRASES: dict[str, list[str]] = tomllib.loads(read(Path(__file__).with_name("numbers.toml")))
"""What stands on each page; a key of `limits.toml` in place of each number."""


def numbers() -> dict[str, str]:
    """Each number of `limits.toml` as a page writes it, by its key; a pair is one."""
    text = (loading.FOLDER / "limits.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text, parse_float=str)
    return {f"{table}.{key}": written for table, entries in tables.items() for key, written in _written(entries)}


def _written(entries: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in entries.items():
        if isinstance(value, dict) and "mass" in value:
            yield key, f"{value['mass']} | {value['molar']}"
        elif isinstance(value, dict):
            yield from ((f"{key}.{unit}", str(number)) for unit, number in value.items())
        elif key != "source" and not isinstance(value, bool):
            yield key, f"{value:,}" if isinstance(value, int) else value


def filled(phrase: str) -> str:
    """*phrase* with the numbers in force."""
    found = numbers()
    return re.sub(r"\{([\w.]+)\}", lambda key: found[key[1]], phrase)


@for_each(("page", "phrase"), [(page, phrase) for page, told in PHRASES.items() for phrase in told])
def test_number_is_that_of_the_guidance(page: str, phrase: str):
    """A page says the number that is in force."""
    assert filled(phrase) in words(read(RULES / f"{page}.md").replace("\\|", "|"))


def test_every_number_is_told():
    """Each number of `limits.toml` stands on a page that is compared with it."""
    told = {key for phrases in PHRASES.values() for phrase in phrases for key in re.findall(r"\{([\w.]+)\}", phrase)}

    assert sorted(numbers().keys() - told) == []


@for_each("overlay", ["kdoqi-2003", "nkf-2018"])
def test_overlay_is_that_of_the_guidance(overlay: str):
    """The numbers of an overlay for kidney disease are those in force."""
    entry = tomllib.loads((loading.FOLDER / "profiles.toml").read_text(encoding="utf-8"))["overlay"][overlay]
    (told,) = re.findall(rf"^- `{overlay}`: (.+?)(?=^- |^$)", read(RULES / "states.md"), re.MULTILINE | re.DOTALL)

    for name in ("deficient_below", "insufficient_below"):
        assert name not in entry or f"{entry[name]['mass']} | {entry[name]['molar']}" in told
