"""Plots of what was measured, by the way in which the owner's page draws its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from flask import Flask

from cds_service.web import plots


def draw(file: Path, lines: Mapping[str, plots.Points], across: Sequence[tuple[float, str]]) -> None:
    """Draw a line for each of *lines* into *file*; *across* are the marks below."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with Flask("cds_service", template_folder="web/templates").app_context():
        file.write_text(plots.drawn(plots.lines(lines, across)), encoding="utf-8")
