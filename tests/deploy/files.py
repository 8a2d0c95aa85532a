"""What is in `deploy/`, read; the one module of the tests that knows YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from cds_service.settings import CONFIG_VARIABLE, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "chart"
SECRETS = {"CDS_DATABASE_URL", "CDS_HASH_KEY", "CDS_INSIGHTS_TOKEN", "CDS_METRICS_TOKEN"}
SETTINGS = {f"CDS_{name.upper()}" for name in Settings.model_fields} | {CONFIG_VARIABLE}

Json = dict[str, Any]


def text(*path: str) -> str:
    """The text of a file of `deploy/`."""
    return DEPLOY.joinpath(*path).read_text(encoding="utf-8")


def documents(written: str) -> list[Json]:
    """The documents of *written* YAML; empty ones are none."""
    return [document for document in yaml.safe_load_all(written) if document]


def document(*path: str) -> Json:
    """The one document of a YAML file of `deploy/`."""
    (found,) = documents(text(*path))
    return found


def every_file() -> list[Path]:
    """Each file under `deploy/` that is kept in git; what is copied from the examples is not."""
    private = {DEPLOY / ".env", DEPLOY / "clients.toml"}
    return sorted(file for file in DEPLOY.rglob("*") if file.is_file() and file not in private)


def variables(written: str) -> set[str]:
    """The variables CDS_... that *written* names."""
    return set(re.findall(r"\bCDS_[A-Z0-9_]*[A-Z0-9]\b", written))
