"""Where each card has to be told: the places that are compared with one another, and with the pages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

CARD = r"K-[A-Z0-9]+"
CARDS = Path("cds_service/clinical/cards")
CATALOGUE = CARDS / "catalogue.py"
PAGES = Path("docs/reference/cards")
ORDER = PAGES / "companions.md"


def _text(paths: Iterable[Path]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(paths))


def display_order(root: Path) -> tuple[str, ...]:
    """The display order as the page below *root* prints it (section 18)."""
    _, _, section = (root / ORDER).read_text(encoding="utf-8").partition('<a id="s18"></a>')
    return tuple(re.findall(CARD, " ".join(re.findall(r"^\d\. (.+)$", section, re.MULTILINE))))


def places(root: Path) -> dict[str, set[str]]:
    """The cards that each place below *root* names."""
    found = tomllib.loads((root / "cds_service/guidance/cards.toml").read_text(encoding="utf-8"))["card"]
    rules = _text(path for path in (root / CARDS).glob("*.py") if path.name != CATALOGUE.name)
    tests = _text((root / "tests/clinical").rglob("*.py"))
    return {
        "the catalogue": set(re.findall(rf'^    "({CARD})": Traits', _text([root / CATALOGUE]), re.MULTILINE)),
        "cards.toml": set(found),
        "a rule": set(re.findall(rf'"({CARD})",\s', rules)),
        "a page": set(re.findall(rf'<a id="({CARD})"></a>', _text((root / PAGES).glob("*.md")))),
        "display order": set(display_order(root)),
        "a test": {name for name, entry in found.items() if f'"{entry["topic"]}"' in tests}
        | set(re.findall(CARD, tests)),
    }


def forgotten(root: Path) -> list[str]:
    """Each card below *root* that is told in one place and not in another."""
    told = places(root)
    known = set().union(*(names for place, names in told.items() if place not in ("a rule", "a test")))
    rules = told["a rule"] - known
    return sorted(f"{name}: {place}" for name in known | rules for place, names in told.items() if name not in names)
