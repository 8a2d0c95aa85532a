"""`/docs`: the documentation, rendered from the files it is written in."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, current_app, render_template

from cds_service.shipped import folder
from cds_service.web.headers import policy
from cds_service.web.markdown import anchor, render_page

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask
    from markupsafe import Markup

ADDRESS = "/docs"
INDEX = "index"
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
HEADING = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)
SECTIONS = {
    "tutorial": "Tutorial", "how-to": "How-to", "reference": "Reference", "explanation": "Explanation", "": "More",
}  # fmt: skip
"""The folders of the documentation, as its list is divided."""
SHOWN_AS_THEY_ARE = {".jpg": "image/jpeg", ".json": "application/json", ".svg": "image/svg+xml"}
POLICY = policy("img-src 'self' data:", "style-src 'self'", "form-action 'none'")
FILE_POLICY = policy("style-src 'unsafe-inline'", "form-action 'none'")
"""A plot brings its own style, and nothing else."""
EXTERNAL = ("http://", "https://")


@dataclass(frozen=True)
class Page:
    """One page: its name, `reference/cards`, and its markdown."""

    name: str
    text: str

    @property
    def title(self) -> str:
        """Its first heading."""
        found = TITLE.search(self.text)
        return found.group(1) if found else self.name

    @property
    def section(self) -> str:
        """The folder it is in."""
        return posixpath.dirname(self.name)

    @property
    def address(self) -> str:
        """Where it is served."""
        return ADDRESS if self.name == INDEX else f"{ADDRESS}/{self.name}"

    @cached_property
    def html(self) -> Markup:
        """It as HTML."""
        return render_page(self.text, self._resolve)

    def _resolve(self, link: str) -> str:
        """Where a link of this page leads; nowhere, if out of the documentation."""
        if link.startswith(("#", *EXTERNAL)):
            return link
        target, mark, fragment = link.partition("#")
        path = posixpath.normpath(posixpath.join(self.section, target))
        if path.startswith(".."):
            return ""
        name = path.removesuffix(".md")
        return f"{ADDRESS}{'' if name == INDEX else f'/{name}'}{mark}{fragment}"


class Library:
    """Every page, by name."""

    def __init__(self, place: Path) -> None:
        """Read the pages in *place*."""
        self.files = {
            file.relative_to(place).as_posix(): file for file in place.rglob("*") if file.suffix in SHOWN_AS_THEY_ARE
        }
        self.pages = {
            name: Page(name, FRONT_MATTER.sub("", file.read_text(encoding="utf-8")))
            for file in sorted(place.rglob("*.md"))
            if (name := file.relative_to(place).with_suffix("").as_posix())
        }

    def sections(self) -> dict[str, list[Page]]:
        """The pages as a list divided by folder."""
        found = {
            title: [page for page in self.pages.values() if page.section == section and page.name != INDEX]
            for section, title in SECTIONS.items()
        }
        return {title: pages for title, pages in found.items() if pages}

    @cached_property
    def _anchors(self) -> dict[str, str]:
        """Where each rule and card is described, by its id: the headings `R3: ...` and `K-DDEF`."""
        found = {}
        for name in ("reference/decision-rules", "reference/cards"):
            for heading in HEADING.findall(self.pages[name].text):
                found[heading.partition(":")[0]] = f"{ADDRESS}/{name}#{anchor(heading)}"
        return found

    def about(self, step: str) -> str | None:
        """Where a step of the evaluation is described; `None` for one that speaks for itself."""
        name = step.partition(":")[2] or step
        if name.startswith("G-"):
            name = "Gates"
        return self._anchors.get(STEPS.get(name, name))


STEPS = {
    "D": "State of D",
    "M": "State of M",
    "KIDNEY": "Kidneys",
    "COURSE": "Vitamin D orders and the course",
    "T-D": "Triggers for 25(OH)D (T-D)",
}
"""The headings of the steps that are no rules."""


def init_app(app: Flask) -> None:
    """Put the documentation on *app*."""
    app.extensions["cds_pages"] = _library(folder("docs"))
    blueprint = Blueprint("pages", __name__)
    blueprint.add_url_rule(ADDRESS, view_func=_index)
    blueprint.add_url_rule(f"{ADDRESS}/<path:name>", view_func=_page)
    app.register_blueprint(blueprint)


@cache
def _library(place: Path) -> Library:
    return Library(place)


def _index() -> Response:
    """The list of all pages."""
    return _page(INDEX)


def _page(name: str) -> Response:
    """A page, or a file that one shows or links."""
    library: Library = current_app.extensions["cds_pages"]
    page = library.pages.get(name)
    if page is None:
        return _file(library, name)
    shown = render_template("page.html", page=page, sections=library.sections())
    return Response(shown, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


def _file(library: Library, name: str) -> Response:
    if name not in library.files:
        abort(404)
    file = library.files[name]
    headers = {"Content-Security-Policy": FILE_POLICY}
    return Response(file.read_bytes(), mimetype=SHOWN_AS_THEY_ARE[file.suffix], headers=headers)
