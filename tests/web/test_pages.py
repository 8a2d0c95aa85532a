"""`/docs`: every page of the documentation, rendered, with links that lead somewhere."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from cds_service.guidance import loading
from cds_service.web.markdown import render, render_page
from cds_service.web.pages import Library
from tests.support.fixtures import ROOT, answer, situations
from tests.support.for_each import for_each

DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md"))


def page(client: FlaskClient, name: str) -> str:
    """A page, which must be there."""
    response = client.get("/docs" if name == "index" else f"/docs/{name}")
    assert response.status_code == 200, name
    assert response.mimetype == "text/html"
    return response.get_data(as_text=True)


@for_each("name", PAGES)
def test_page_is_rendered(client: FlaskClient, name: str):
    """Each file is a page with its title, the caution, and nothing of the markdown's own signs."""
    title = re.search(r"^# (.+)$", (DOCS / f"{name}.md").read_text(encoding="utf-8"), re.MULTILINE)
    html = page(client, name)

    assert title is not None
    assert f">{title[1]}</h1>" in html
    assert "Not clinically validated" in html
    assert "\n## " not in html
    assert "audience:" not in html


def test_links_of_every_page_lead_somewhere(client: FlaskClient):
    """Each link and picture within the site is there, and the heading that a link names too."""

    @cache
    def there(path: str) -> str:
        response = client.get(path)
        assert response.status_code == 200, path
        return response.get_data(as_text=True) if response.mimetype == "text/html" else ""

    for name in PAGES:
        html = page(client, name)
        for link in re.findall(r'(?:href|src)="([^"]*)"', html):
            place = urlsplit(link)
            if place.scheme or not link:
                continue
            target = there(place.path) if place.path else html
            if place.fragment:
                assert f'id="{place.fragment}"' in target, (name, link)


@for_each("name", ["reference/no-such", "../README", "../pyproject.toml", "index.md", "images/none.jpg"])
def test_what_is_no_page_is_not_there(client: FlaskClient, name: str):
    """Nothing but the documentation is served."""
    assert client.get(f"/docs/{name}").status_code == 404


def test_plot_is_shown_with_its_own_style(client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A plot in the documentation is served as SVG; its style counts, and a script in it would not run."""
    (tmp_path / "plot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    monkeypatch.setitem(client.application.extensions, "cds_pages", Library(tmp_path))
    response = client.get("/docs/plot.svg")
    allowed = response.headers["Content-Security-Policy"]

    assert response.mimetype == "image/svg+xml"
    assert "style-src 'unsafe-inline'" in allowed
    assert "default-src 'none'" in allowed
    assert "script-src" not in allowed


@for_each("name", ["../settings.py", "nothing.css", "playground/../../site.py"])
def test_static_files_are_those_of_the_site(client: FlaskClient, name: str):
    """Nothing but style sheets and scripts is served."""
    assert client.get(f"/static/{name}").status_code == 404


def test_steps_of_every_situation_lead_to_their_rule(client: FlaskClient):
    """Each rule, gate and card that any situation's trace names is linked to a heading that describes it."""
    about = client.application.extensions["cds_pages"].about
    steps = {step.id for situation in situations() for step in answer(situation).evaluation.trace}
    linked = {step: about(step) for step in steps}
    unlinked = {step for step, place in linked.items() if place is None}

    assert {step for step in unlinked if re.match(r"R\d|G-|[DM]:K-|K-", step)} == set()
    for place in set(linked.values()) - {None}:
        path, _, heading = str(place).partition("#")
        assert f'id="{heading}"' in client.get(path).get_data(as_text=True), place


def test_profiles_are_side_by_side():
    """The page of profiles has every number of the guidance, in the column of its profile."""
    text = (DOCS / "reference" / "profiles.md").read_text(encoding="utf-8")
    rows: dict[str, list[str]] = {}
    for line in filter(lambda line: line.startswith("| "), text.splitlines()):
        first, *others = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        rows.setdefault(first, others)
    assert [name.strip("`") for name in rows[""]] == list(loading.load().profiles)
    for column, name in enumerate(loading.load().profiles):
        profile = loading.load(name).profile
        for row, pair in (
            ("deficient below", profile.deficient_below),
            ("with an established indication, deficient below", profile.indicated_below),
            ("insufficient below", profile.insufficient_below),
            ("adequate up to", profile.adequate_to),
            ("high up to, toxic above", profile.high_to),
            ("target", profile.target),
        ):
            assert rows[row][column] == ("none" if pair is None else f"{pair.mass} | {pair.molar}"), (name, row)
        assert rows["maintenance, IU a day"][column] == profile.maintenance
        step_down = profile.step_down_order
        dose = "none" if step_down is None else f"{loading.load(name).drugs[step_down].dose:,}"
        assert rows["order at target, D3 IU a day"][column] == dose
        assert rows["first orders in deficiency"][column] == profile.deficiency_orders
        adjunct = "yes" if profile.adjunct_magnesium else "no"
        assert rows["magnesium beside vitamin D as an adjunct"][column] == adjunct
    magnesium = loading.load().limits.mg
    for row, cut in (
        ("severely low below", magnesium.severe),
        ("low below", magnesium.low),
        ("low-normal below", magnesium.latent),
        ("in range up to", magnesium.normal_to),
        ("very high from", magnesium.very_high),
    ):
        assert [float(cell) for cell in rows[row]] == [float(cut.mmol_L), float(cut.mg_dL), float(cut.mEq_L)], row


def test_sources_are_those_of_the_guidance():
    """The page of sources has each source with its citation, and links those alone whose address is checked."""
    text = (DOCS / "reference" / "sources.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    evidence = loading.load().evidence

    assert list(sections) == list(evidence)
    for key, source in evidence.items():
        assert source.citation in sections[key], key
        assert (f"]({source.url})" in sections[key]) == source.verified, key


class Tags(HTMLParser):
    """Every tag of some HTML, with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.met.append((tag, {name: value or "" for name, value in attrs}))


DANGEROUS = [
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>)",
    "![x](https://elsewhere.example/x.png)",
    '<img src=x onerror="alert(1)">',
    "<iframe src='https://elsewhere.example'></iframe>",
    "[x](https://e.example 'a\" onmouseover=\"alert(1)')",
]


@for_each("text", DANGEROUS)
def test_markdown_runs_nothing(text: str):
    """Markup in markdown stays text, and a link leads to the web or nowhere."""
    html = str(render(text))

    found = Tags()
    found.feed(html)

    for tag, attributes in found.met:
        assert tag in {"p", "a", "img"}
        assert not [name for name in attributes if name.startswith("on")]
        assert all(attributes[name].startswith("https://") for name in ("href", "src") if name in attributes)


def test_places_have_anchors():
    """A page may name a place of its own, in a heading or a table; any other HTML in it stays text."""
    html = str(render_page('# <a id="R3"></a>R3: poor response\n\n<a id="row-69"></a>69 <a id="x y"></a><b>', str))

    assert '<h1 id="r3-poor-response"><a id="R3"></a>R3: poor response</h1>' in html
    assert '<p><a id="row-69"></a>69 &lt;a' in html
    assert "<b>" not in html


def test_index_stands_for_its_folder(client: FlaskClient):
    """A folder is served as its index; the list of pages has the index, and not each page of the folder."""
    html = page(client, "reference/cards")

    assert page(client, "reference/cards/index") == html
    assert 'href="/docs/reference/cards" aria-current="page"' in html
    assert '<li><a href="/docs/reference/cards/' not in html.partition("</nav>")[0]


@for_each(
    ("step", "place"),
    [
        ("R3", "rules#R3"),
        ("M:K-MGADJ", "K-MGADJ"),
        ("G-DUP(Mg)", "gates#G-DUP-Mg"),
        ("T-D 6", "gates#T-D-6"),
        ("COURSE", "states#s9.3"),
    ],
)
def test_step_leads_to_its_place(client: FlaskClient, step: str, place: str):
    """A step of the trace is described where its id stands."""
    assert str(client.application.extensions["cds_pages"].about(step)).endswith(place)


def test_link_out_of_the_documentation_leads_nowhere():
    """What a page refers to outside of the documentation is named, and its path is not told."""
    html = str(render_page("[licence](../../LICENSE)", lambda _: ""))

    assert "licence" in html
    assert "LICENSE" not in html


def test_example_report_is_linked_and_names_nobody(client: FlaskClient):
    """The report on the made-up patients is a page that every page leads to, and has no id of theirs."""
    shown = page(client, "example-report")
    ids = re.findall(rb'"patientId": "([^"]+)"', b"".join(situation.body for situation in situations()))

    assert 'href="/docs/example-report"' in page(client, "index")
    assert "How often would it fire here?" in shown
    assert "<script" not in shown
    assert len(ids) > 100
    assert not [name for name in ids if name.decode() in shown]
