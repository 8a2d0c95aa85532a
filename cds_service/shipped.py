"""Files that stand beside the package in a checkout and inside of it once it is installed: pages, situations."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder *name* (`docs`, `fhir_fixtures`): of the wheel where there is one, else of the checkout."""
    installed = PACKAGE / "shipped" / name
    return installed if installed.is_dir() else PACKAGE.parent / name
