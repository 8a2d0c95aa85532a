"""`/about/<topic>` and `/about/source-attributes`: what stands behind the cards, as HTML or as JSON by `Accept`.

No token, no patient, no script: anybody may read and keep them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import Match

import msgspec
from flask import Blueprint, Flask, Response, abort, current_app, render_template, request
from markupsafe import Markup, escape

from cds_service.clinical.guidance_types import Guidance
from cds_service.guidance import loading, topic_pages
from cds_service.hooks.service import Engine
from cds_service.settings import Settings
from cds_service.web.headers import policy
from cds_service.web.media import JSON
from cds_service.web.pages import Library

ADDRESS = "/about"
HTML = "text/html"
SECTIONS = re.compile(r"sections? \d(?:[\d., and]*\d)?")
"""Sections of the decision rules, as sources of numbers name them."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Content-Security-Policy": policy("img-src data:", "style-src 'self'", "form-action 'none'"),
    "Vary": "Accept",
    "X-Robots-Tag": "noindex",
}


def init_app(app: Flask, engine: Engine, settings: Settings) -> None:
    """Put the pages on *app*: by the profile of *engine*, or by the one that `?profile=` asks for."""
    blueprint = Blueprint("about", __name__, url_prefix=ADDRESS)

    @lru_cache(maxsize=len(engine.guidance.profiles))
    def guided(profile: str) -> Guidance:
        return loading.load(profile, settings.ckd_overlay)

    def asked() -> Guidance:
        """The guidance by which the page is made; without such a profile there is no page."""
        profile = request.args.get("profile", engine.guidance.profile_name)
        if profile not in engine.guidance.profiles:
            abort(404)
        return engine.guidance if profile == engine.guidance.profile_name else guided(profile)

    @blueprint.get("")
    def index() -> Response:
        """The list of all pages."""
        found = asked()
        return _shown("about_index.html", {"title": "About the advice", **topic_pages.topics(found)})

    @blueprint.get("/source-attributes")
    def attributes() -> Response:
        """The source attributes."""
        return _shown("about_attributes.html", topic_pages.attributes_page(asked()))

    @blueprint.get("/<topic>")
    def page(topic: str) -> Response:
        """The page of one topic."""
        found = asked()
        if topic not in found.topics.topic:
            abort(404)
        return _shown("about.html", topic_pages.topic_page(found, topic))

    app.register_blueprint(blueprint)
    app.add_template_filter(_linked, "linked")


def _linked(source: str) -> Markup:
    """*source* of a number, with the sections that it names linked."""
    library: Library = current_app.extensions["cds_pages"]

    def link(number: Match[str]) -> str:
        place = library.about(f"s{number[0]}")
        return number[0] if place is None else f'<a href="{place}">{number[0]}</a>'

    return Markup(SECTIONS.sub(lambda found: NUMBER.sub(link, found[0]), str(escape(source))))  # noqa: S704 - escaped


def _shown(template: str, page: dict[str, object]) -> Response:
    """*page* as what is asked for; HTML, if either will do."""
    if request.accept_mimetypes.best_match((HTML, JSON), HTML) == JSON:
        return Response(msgspec.json.encode(page), mimetype=JSON, headers=HEADERS)
    return Response(render_template(template, about=page), mimetype=HTML, headers=HEADERS)
