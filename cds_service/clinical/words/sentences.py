"""Texts in words: a key of the wording and its values become a sentence, for cards and for the trace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.clinical.words.card import RecordText, Text, Value

UNQUOTABLE = re.compile(r"[`\s\x00-\x1f\x7f-\x9f]+")
"""What would end inline code or break a line."""
SENTENCES = ("summary.", "found.", "beware.", "spacing.", "because.")
"""Texts that begin a sentence: a drug's name at their beginning takes a capital letter."""


def say(text: Text, wording: Mapping[str, str]) -> str:
    """The wording of *text* with its values; a sentence that begins with a value begins with a capital letter."""
    template = wording[text.key]
    values = text.values
    if not values:
        return template
    for name, value in values.items():
        if type(value) is not str:
            values = {**values, name: _spelled(value, wording)}
    filled = template.format_map(values)
    return filled[:1].upper() + filled[1:] if template[0] == "{" and text.key.startswith(SENTENCES) else filled


def _spelled(value: Value, wording: Mapping[str, str]) -> str:
    if isinstance(value, Text):
        return say(value, wording)
    if isinstance(value, tuple):
        return "; ".join(say(text, wording) for text in value)
    return quoted(value) if isinstance(value, RecordText) else value


def quoted(text: str) -> str:
    """Text of the record as inline code: nothing in it is read as markdown, HTML or an address (row 103)."""
    return f"`{UNQUOTABLE.sub(' ', text).strip() or ' '}`"


@dataclass(frozen=True, slots=True)
class InWords:
    """A text for the trace, put into words only when the trace is read."""

    text: Text
    wording: Mapping[str, str]

    def __str__(self) -> str:
        return say(self.text, self.wording)
