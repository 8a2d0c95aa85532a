"""SMART scopes, versions 1 and 2 (row 84): whether a token plainly does not cover a query."""

from __future__ import annotations

import re
from typing import NamedTuple

SCOPE = re.compile(r"(?:patient|user|system)/(?P<type>\*|[A-Za-z]+)\.(?P<may>read|write|\*|c?r?u?d?s?)(?:\?.*)?")
READ, SEARCH = "r", "s"
VERSION_1 = {"read": frozenset("rs"), "write": frozenset("cud"), "*": frozenset("cruds")}


class Scope(NamedTuple):
    """One scope for resources: a type, or `*`, and what may be done, in the letters of SMART v2."""

    type: str
    may: frozenset[str]


class Scopes(NamedTuple):
    """What a token covers. `understood` is false where a scope for resources could not be read."""

    scopes: tuple[Scope, ...]
    understood: bool

    def lacks(self, resource_type: str, letter: str) -> bool:
        """Whether reading (`r`) or searching (`s`) *resource_type* is plainly not covered.

        Scopes that say nothing of resources, or that cannot be read, leave the decision to the server.
        """
        if not self.understood or not self.scopes:
            return False
        return not any(scope.type in ("*", resource_type) and letter in scope.may for scope in self.scopes)


def read_scopes(text: str) -> Scopes:
    """Read the space-separated scopes in *text*; `launch`, `openid` and the like say nothing of resources.

    Version 2 adds a filter after `?`: whatever it lets through is the server's to decide.
    """
    found, understood = [], True
    for word in text.split():
        matched = SCOPE.fullmatch(word)
        if matched is not None and matched["may"]:
            may = matched["may"]
            found.append(Scope(matched["type"], VERSION_1.get(may, frozenset(may))))
        elif "/" in word and not word.startswith("launch/"):
            understood = False
    return Scopes(tuple(found), understood)
