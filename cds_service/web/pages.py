"""`/docs`: the documentation, rendered from the files it is written in."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, render_template
from markupsafe import Markup

from cds_service.shipped import folder
from cds_service.web.headers import policy
from cds_service.web.markdown import PLACE, render_page

ADDRESS = "/docs"
INDEX = "index"
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
SECTIONS = {
    "tutorial": "Tutorial", "how-to": "How-to", "reference": "Reference", "explanation": "Explanation", "": "More",
}  # fmt: skip
"""The folders of the documentation, as its list is divided. A folder in one of them is listed as its index."""
SHOWN_AS_THEY_ARE = {".jpg": "image/jpeg", ".json": "application/json", ".svg": "image/svg+xml"}
POLICY = policy("img-src 'self' data:", "style-src 'self'", "form-action 'none'")
FILE_POLICY = policy("style-src 'unsafe-inline'", "form-action 'none'")
"""A plot brings its own style, and nothing else."""
EXTERNAL = ("http://", "https://")


@dataclass(frozen=True)
class DocPage:
    """One page: its name, `reference/cards`, and its markdown."""

    name: str
    text: str

    @property
    def title(self) -> str:
        """Its first heading."""
        found = TITLE.search(self.text)
        return found.group(1) if found else self.name

    @property
    def folder(self) -> str:
        """The folder it is in."""
        return posixpath.dirname(self.name)

    @property
    def section(self) -> str:
        """The folder it is listed under: an index stands for its folder."""
        return posixpath.dirname(_place(self.name))

    @property
    def address(self) -> str:
        """Where it is served."""
        return _address(self.name)

    @cached_property
    def html(self) -> Markup:
        """The page as HTML."""
        return render_page(self.text, self._resolve)

    def _resolve(self, link: str) -> str:
        """Where a link of this page leads; nowhere, if out of the documentation."""
        if link.startswith(("#", *EXTERNAL)):
            return link
        target, mark, fragment = link.partition("#")
        path = posixpath.normpath(posixpath.join(self.folder, target))
        if path.startswith(".."):
            return ""
        return f"{_address(path.removesuffix('.md'))}{mark}{fragment}"


def _place(name: str) -> str:
    """The page *name* without its last word, if that is "index": the index of a folder is found at the folder."""
    folder, _, last = name.rpartition("/")
    return folder if last == INDEX else name


def _address(name: str) -> str:
    """Where a page or file is served."""
    return f"{ADDRESS}/{_place(name)}".rstrip("/")


class Library:
    """Every page, by name."""

    def __init__(self, place: Path) -> None:
        """The pages in *place*, which are read when one is asked for first."""
        self._folder = place

    @cached_property
    def files(self) -> dict[str, Path]:
        """What pages show or link, by name."""
        found = (file for file in self._folder.rglob("*") if file.suffix in SHOWN_AS_THEY_ARE)
        return {file.relative_to(self._folder).as_posix(): file for file in found}

    @cached_property
    def pages(self) -> dict[str, DocPage]:
        """The pages, by name."""
        return {
            name: DocPage(name, FRONT_MATTER.sub("", file.read_text(encoding="utf-8")))
            for file in sorted(self._folder.rglob("*.md"))
            if (name := file.relative_to(self._folder).with_suffix("").as_posix())
        }

    def sections(self) -> dict[str, list[DocPage]]:
        """The pages as a list divided by folder."""
        found = {
            title: [page for page in self.pages.values() if page.section == section and page.name != INDEX]
            for section, title in SECTIONS.items()
        }
        return {title: pages for title, pages in found.items() if pages}

    def named(self, name: str) -> DocPage | None:
        """The page of that name, or the index of that folder."""
        return self.pages.get(name) or self.pages.get(f"{name}/{INDEX}")

    @cached_property
    def _places(self) -> dict[str, str]:
        """Where each rule, gate and card is described, by its id."""
        return {place: f"{page.address}#{place}" for page in self.pages.values() for place in PLACE.findall(page.text)}

    def about(self, step: str) -> str | None:
        """Where a step of the evaluation is described; `None` for one that speaks for itself."""
        name = step.partition(":")[2] or step
        return self._places.get(STEPS.get(name, NOT_IN_PLACE.sub("-", name).rstrip("-")))


NOT_IN_PLACE = re.compile(r"[ ()]+")
"""`G-DUP(D)` stands at `G-DUP-D`, `T-D 1` at `T-D-1`."""
STEPS = {"D": "s9.1", "M": "s9.2", "KIDNEY": "s9.4", "COURSE": "s9.3"}
"""Where the steps stand that are no rules."""


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
    page = library.named(name)
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
