"""The detail as GitHub-flavoured markdown (conformance rows 102, 103): plain, and inert whatever the record says.

The sandbox renders the detail as GFM and passes raw HTML through (section 4.1). GFM also makes links of bare
addresses, even of escaped ones, so text from the record must not hold any.
"""

from __future__ import annotations

import json
import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.for_each import for_each
from tests.web.calls import Json, actions, card, only_result, paths
from tests.web.conftest import Post

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
PLAIN_BLOCKS = {f"{name}_{end}" for name in ("paragraph", "bullet_list", "list_item") for end in ("open", "close")}
PLAIN_INLINE = {"text", "strong_open", "strong_close", "code_inline"}
AUTOLINK = re.compile(r"(https?://|www\.)[-\w]+(\.[-\w]+)|[-.\w+]+@[-\w]+\.[-\w]+", re.IGNORECASE)
"""What GFM turns into a link by itself."""

HOSTILE = {
    "image tag": "<img src=x onerror=1>",
    "script": "<script>alert(1)",
    "closing tag": "</p></div>",
    "comment": "<!-- x -->",
    "processing instruction": "<?x?>",
    "escaped tag": "\\<b>x</b>",
    "twice escaped tag": "\\\\<b>x</b>",
    "table, emphasis and link": "|*_[x](http://y)",
    "image": "![x](http://y.z/i)",
    "reference": "[x][y] [y]: /z",
    "definition": "\n\n[x]: http://y",
    "footnote": "[^1]",
    "task": "\n\n- [ ] x",
    "autolink in brackets": "<http://y.example>",
    "bare address": "http://y.example/z",
    "bare https address": "https://y.example",
    "bare www": "www.y.example",
    "bare mail": "a@y.example",
    "bold": "**x** __y__ *z* _a_",
    "struck": "~~x~~ ~y~",
    "code": "`x` ``y``",
    "fence": "\n\n```\nx\n```",
    "tilde fence": "\n\n~~~\nx",
    "entity": "&lt;b&gt; &#60;i&#62;",
    "heading": "\n\n# Stop",
    "heading after CR": "\r\r# Stop",
    "heading after CRLF": "\r\n\r\n# Stop",
    "heading under a line": "\n# Stop",
    "underlined": "\n===",
    "underlined by dashes": "\n---\n",
    "rule": "\n\n***\n",
    "list": "\n\n- item",
    "plus list": "\n\n+ item",
    "numbered list": "\n\n1. item",
    "quote": "\n\n> quote",
    "indented code": "\n\n    kode",
    "tab code": "\n\n\tkode",
    "line break": "x  \ny",
    "backslash break": "x\\\ny",
    "new paragraph": "x\n\ny",
    "table": "x|y\n-|-\n1|2",
    "placeholder": "{v} {0} {v.__class__}",
    "percent": "%s %(x)s %",
    "dollar": "$x ${y}",
    "mention": "@x #1",
    "colon": ":smile:",
}


def _tokens(markdown: str) -> list[Token]:
    return [token for block in GFM.parse(markdown) for token in (block, *(block.children or ()))]


def _shape(markdown: str) -> list[str]:
    """The kinds of tokens in order."""
    return [token.type for token in _tokens(markdown)]


def _shown(markdown: str, *kinds: str) -> str:
    """The text a reader sees, or that of some kinds of token."""
    return "\n".join(token.content for token in _tokens(markdown) if token.type in (kinds or ("text", "code_inline")))


def _unusable(post: Post, key: str, where: str, text: str) -> Json:
    """The card about a result whose text or unit is *text*."""
    elements: dict[str, dict[str, Any]] = {
        "unit": {"valueQuantity": {"value": 7, "unit": text}},
        "code": {"valueQuantity": {"value": 7, "code": text}},
        "text": {"valueQuantity": None, "valueString": f"7 {text}"},
    }
    return card(post(only_result(key, **elements[where])), "unusable-result")


def test_details_are_plain(answers: dict[str, Json]) -> None:
    """Rows 102, 103: a detail is paragraphs, a list and bold values: no HTML, no links, no tables, nothing else."""
    for name, body in answers.items():
        for found in body["cards"]:
            kinds = set(_shape(found["detail"]))
            assert set() == kinds - PLAIN_BLOCKS - PLAIN_INLINE - {"inline", "softbreak"}, (name, kinds)


def test_details_hold_no_bare_address(answers: dict[str, Json]) -> None:
    """Rows 102, 137: addresses are in `links`, where a client can judge them."""
    assert [name for name, body in answers.items() for found in body["cards"] if AUTOLINK.search(found["detail"])] == []


def test_values_stand_out(answers: dict[str, Json]) -> None:
    """Row 102: what is bold is a value with its unit."""
    for name, body in answers.items():
        for found in body["cards"]:
            tokens = _tokens(found["detail"])
            bold = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "strong_open"]
            assert [text for text in bold if not re.fullmatch(r"[<>]?=?[\d.,]+(-[\d.,]+)? \S.*", text)] == [], name


def test_other_texts_are_plain(answers: dict[str, Json]) -> None:
    """Rows 100, 116, 124: summaries, labels and descriptions are plain text: no markup, one line."""
    for name, body in answers.items():
        texts = [found["summary"] for found in body["cards"]]
        texts += [value for where, value in paths(body) if where and where[-1] in ("label", "description", "display")]
        assert [text for text in texts if re.search(r"[*_`\n]|<[A-Za-z/!]|\\", text)] == [], name


@for_each("where", ["unit", "text"])
@for_each("hostile", HOSTILE.values(), ids=HOSTILE)
def test_text_of_the_record_is_inert(post: Post, hostile: str, where: str) -> None:
    """Row 103: whatever a unit or a text result says, the detail has the shape it has with a harmless one."""
    tame = _unusable(post, "vitaminD", where, "per cubit")["detail"]
    found = _unusable(post, "vitaminD", where, hostile)["detail"]

    assert _shape(tame) == _shape(found)
    assert not AUTOLINK.search(_shown(found, "text"))


@for_each("hostile", ["<img src=x onerror=1>", "|*_[x](z)", "**x** __y__", "&lt;b&gt;", "{v} {0}"])
@for_each("where", ["unit", "text"])
def test_text_of_the_record_is_shown(post: Post, hostile: str, where: str) -> None:
    """Row 103: it is escaped, not lost: the reader sees what the laboratory wrote, as far as it is shown."""
    found = _unusable(post, "vitaminD", where, hostile)["detail"]

    assert hostile[:20] in _shown(found)


@for_each("hostile", HOSTILE.values(), ids=HOSTILE)
def test_text_of_the_record_is_nowhere_else(post: Post, hostile: str) -> None:
    """Row 103: text of the record that was not understood is in the detail alone: in no summary, label or order."""
    for where in ("unit", "text"):
        found = _unusable(post, "vitaminD", where, hostile)
        others = {name: value for name, value in found.items() if name != "detail"}
        assert hostile.strip() not in json.dumps(others, ensure_ascii=False)


@for_each("length", [25, 1_000, 1_000_000])
def test_long_text_is_cut(post: Post, length: int) -> None:
    """Row 102: a long text of the record is shown cut short."""
    for where in ("unit", "text"):
        assert len(_unusable(post, "vitaminD", where, "x" * length)["detail"]) < 700


def test_names_of_drugs_are_ours(post: Post) -> None:
    """Row 103: a card names a drug by the service's own name, whatever the order calls it."""
    request = only_result("magnesium")
    request["prefetch"]["medications"] = {
        "resourceType": "Bundle",
        "entry": [
            {
                "resource": {
                    "resourceType": "MedicationRequest",
                    "status": "active",
                    "intent": "order",
                    "medicationCodeableConcept": {"text": "digoxin <img src=x onerror=1> [x](http://y) 0.25 mg"},
                    "authoredOn": "2026-01-01",
                }
            }
        ],
    }
    body = post(request).get_json()

    assert "digoxin" in json.dumps(body).lower()
    assert "onerror" not in json.dumps(body)
    assert list(actions(body))
