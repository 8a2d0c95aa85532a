"""How the names of drugs are written (section 7): folded, tried in several spellings, found in lists of names.

Everything here takes time in proportion to the text: a client may send a name of any length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cds_service.errors import GuidanceError

_SPELLED_OUT = {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ß": "ss"}
_SPACES = ".-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_UNSEEN = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_COMBINING = range(0x300, 0x370)
_ACCENTED = (range(0xA0, 0x250), range(0x1E00, 0x1F00), range(0x2070, 0x20A0), range(0xFF01, 0xFF5F))
"""Letters and digits with accents, above or below the line, or of full width."""


def _folds() -> dict[int, str | None]:
    """What each character becomes. Folding a whole text by `unicodedata` can take the square of its length."""
    plain = {code: unicodedata.normalize("NFKD", chr(code)) for part in _ACCENTED for code in part}
    found: dict[int, str | None] = {
        code: "".join(letter for letter in letters if not unicodedata.combining(letter)).lower()
        for code, letters in plain.items()
    }
    found |= {ord(letter): spelled for letter, spelled in _SPELLED_OUT.items()}
    found |= dict.fromkeys(map(ord, _SPACES), " ") | {ord("+"): " + "}
    return found | dict.fromkeys((*map(ord, _UNSEEN), *_COMBINING))


_FOLDS = _folds()
_JOINED_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGIT_TOUCHES = re.compile(r"(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])")


def fold(text: str) -> str:
    """*text* in lower case without accents; hyphens, full stops and runs of space are one space each."""
    return " ".join(text.lower().translate(_FOLDS).split())


def words_apart(text: str) -> str:
    """*text* folded, with joined words apart: "SeeComments" is "see comments"."""
    return fold(_JOINED_WORDS.sub(" ", text))


def spellings(text: str) -> tuple[str, ...]:
    """*text* folded, in all the ways it is tried: as it is, its joined words apart, letters and digits apart as well.

    "vitaminD3" is "vitamind3", "vitamin d3" and "vitamin d 3".
    """
    apart = words_apart(text)
    return tuple(dict.fromkeys((fold(text), apart, _DIGIT_TOUCHES.sub(" ", apart))))


_WORDS = re.compile(r"\w+|[^\w\s]")
_STEM = 4
"""Letters by which the beginnings of words are looked up; a name with `*` has no fewer."""


class _Node:
    """A place within the names of a list: where the next word leads, and the names that end here."""

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.stems: dict[str, list[tuple[str, _Node]]] = {}
        self.ends: list[Named] = []

    def grow(self, word: str) -> _Node:
        """The node that *word* leads to, made if need be."""
        if not word.endswith("*"):
            return self.words.setdefault(word, _Node())
        stem = word[:-1]
        known = self.stems.setdefault(stem[:_STEM], [])
        found = next((node for listed, node in known if listed == stem), None)
        if found is None:
            found = _Node()
            known.append((stem, found))
        return found

    def follow(self, word: str) -> list[_Node]:
        """The nodes that *word* leads to, as a whole or by its beginning."""
        found = [node for stem, node in self.stems.get(word[:_STEM], ()) if word.startswith(stem)]
        whole = self.words.get(word)
        return found if whole is None else [*found, whole]


class Named(NamedTuple):
    """A name of one kind."""

    kind: str
    name: str


class NameFinder:
    """Finds names of several kinds in folded text, in one pass over its words.

    Names are whole words; one with `*` also begins a longer word. A name inside a longer one of its kind, found at
    the same place, does not count.
    """

    def __init__(self, kinds: Mapping[str, Iterable[str]], ignored: str) -> None:
        """Take the names of each kind; those of the kind *ignored* are passed over with all that is in them.

        Raises:
            GuidanceError: a name is not written as it is looked for, so that it would never be found.
        """
        self._root = _Node()
        self._ignored = ignored
        self._most_words = 1
        for kind, names in kinds.items():
            for name in names:
                self._add(Named(kind, name))

    def _add(self, named: Named) -> None:
        words = _words(named.name)
        stems = [word for word in words if "*" in word]
        if named.name != fold(named.name) or not words or any(len(stem.rstrip("*")) < _STEM for stem in stems):
            raise GuidanceError(
                "names.toml",
                named.kind,
                named.name,
                f"as it is looked for: {fold(named.name)!r}, with at least {_STEM} letters before a *",
            )
        self._most_words = max(self._most_words, len(words))
        node = self._root
        for word in words:
            node = node.grow(word)
        node.ends.append(named)

    def found(self, text: str) -> list[Named]:
        """The names in *text*, which is folded, in their order."""
        words = _WORDS.findall(text)
        whole, stems = self._root.words, self._root.stems
        seen: dict[tuple[str, ...], dict[str, tuple[int, Named]]] = {}
        ends: dict[str, int] = {}
        found: dict[Named, None] = {}
        for place, word in enumerate(words):
            if (word not in whole and word[:_STEM] not in stems) or place < ends.get(self._ignored, 0):
                continue
            if word == _UNIT and place > 0 and words[place - 1].isdecimal():
                continue
            here = tuple(words[place : place + self._most_words])
            if here not in seen:
                seen[here] = self._longest(here)
            for kind, (length, named) in seen[here].items():
                if place >= ends.get(kind, 0):
                    ends[kind] = place + length
                    found[named] = None
        return list(found)

    def _longest(self, words: tuple[str, ...]) -> dict[str, tuple[int, Named]]:
        """The longest name of each kind that *words* begin with, and its number of words; an ignored one alone."""
        nodes = [self._root]
        found: dict[str, tuple[int, Named]] = {}
        for length, word in enumerate(words, start=1):
            nodes = [further for node in nodes for further in node.follow(word)]
            if not nodes:
                break
            found |= {named.kind: (length, named) for node in nodes for named in node.ends}
        return {self._ignored: found[self._ignored]} if self._ignored in found else found


_UNIT = "mg"
"""Behind a number it is the unit: "zinc 10 mg oxide" names no magnesium."""


def _words(name: str) -> list[str]:
    """The words of a listed name, each with its `*`."""
    return [word for part in name.split() for word in re.findall(r"\w+\*?|[^\w\s]", part)]
