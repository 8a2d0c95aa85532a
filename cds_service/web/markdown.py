"""Markdown into HTML: one library renders it, another takes out whatever must not be there."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:  # as below
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "hr", "img", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, **{f"h{level}": {"id"} for level in range(1, 5)}}
SCROLLING = {
    "<table>": '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>',
    "</table>": "</table></div>",
    "<pre>": '<pre tabindex="0">',
}
"""What may be wider than the screen can be scrolled with the keyboard too."""
NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
PLACE = re.compile(r'<a id="([\w.-]+)"></a>')
"""The one piece of HTML that a page may hold: a place with a name of its own, such as `R3` or `row-69`."""
ESCAPED_PLACE = re.compile(r'&lt;a id="([\w.-]+)"&gt;&lt;/a&gt;')
REMEMBERED = 512


@cache
def _parser() -> MarkdownIt:
    """GitHub-flavoured markdown without HTML, as cards and pages are written."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - slow to import, and many processes never show a page

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@lru_cache(maxsize=REMEMBERED)
def render(text: str) -> Markup:
    """A card's detail as HTML."""
    return _clean(_parser().render(text))


def render_page(text: str, resolve: Callable[[str], str]) -> Markup:
    """A page as HTML: headings and places have anchors. *resolve* says where a link leads; empty: it is no link."""
    parser = _parser()
    tokens = parser.parse(text)
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(inline.content))
    for token in tokens:
        _resolve(token.children or [], resolve)
    html = _clean(parser.renderer.render(tokens, parser.options, {}))
    html = Markup(ESCAPED_PLACE.sub(r'<a id="\1"></a>', str(html)))  # noqa: S704 - the name is a word
    for given, made in SCROLLING.items():
        html = html.replace(Markup(given), Markup(made))  # noqa: S704 - both are ours
    return html


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return NOT_IN_ANCHOR.sub("", PLACE.sub("", heading).strip().lower()).replace(" ", "-")


def _resolve(tokens: list[Token], resolve: Callable[[str], str]) -> None:
    for token in tokens:
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is not None:
            token.attrSet(name, resolve(str(token.attrGet(name))))


def _clean(html: str) -> Markup:
    import nh3  # noqa: PLC0415 - as above

    cleaned = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
    )
    return Markup(cleaned)  # noqa: S704 - it has just been cleaned
