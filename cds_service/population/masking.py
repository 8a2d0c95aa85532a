"""Small counts are not told, nor to be worked out from what is told.

A count from 1 to one below the limit could point at a person. Counts add up to others, so hiding it alone hides
nothing. So other counts are hidden with it, until what is told leaves every small one open: in each sum two are hidden
or none; no small count is the only solution of all sums together; and the hidden parts of a sum are together no small
number, since none of them is below nothing. A count that is hidden in one view (a day, a profile) is hidden in all:
they are nearly the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SMALL = 11
"""Counts below it are hidden unless something else is asked for, as is the custom in reports on patients."""
Key = tuple[Any, ...]
"""What a count is of: a table, a row, a column."""
Cell = tuple[int, Key]
"""A count of one view."""
Equation = Mapping[Cell, int]
"""Counts that add up to nothing, each times a number: the parts, and their sum times -1."""
PRIME = 2**61 - 1
"""Equations are solved modulo a large prime: exact, and quicker than fractions."""


def adds_up(whole: Cell, parts: Iterable[Cell]) -> dict[Cell, int]:
    """The equation of a *whole* and its *parts*."""
    return {whole: -1, **dict.fromkeys(parts, 1)}


def hidden_keys(
    counts: Mapping[Cell, int], equations: Sequence[Equation], untold: frozenset[Key], limit: int
) -> frozenset[Key]:
    """The keys whose *counts* are not to be told. Those of *untold* ones stand nowhere, but follow from *equations*."""
    small = {cell for cell, count in counts.items() if 0 < count < limit}
    hidden = {key for _, key in small} | untold
    while small and (more := _next(counts, equations, untold, small, hidden, limit)):
        hidden |= more
    return frozenset(hidden - untold) if small else frozenset()


def _next(
    counts: Mapping[Cell, int],
    equations: Sequence[Equation],
    untold: frozenset[Key],
    small: set[Cell],
    hidden: set[Key],
    limit: int,
) -> set[Key]:
    """Keys to hide next, none where nothing small is left to be worked out."""
    more: set[Key] = set()
    for equation in equations:
        if _has_just_one(equation, untold, small, hidden | more):
            more |= _another(equation, counts, hidden | more)
    if more:
        return more
    known = solved({cell: times % PRIME for cell, times in e.items() if cell[1] in hidden} for e in equations)
    found = _beside(known & small, equations, counts, hidden)
    for equation in equations if not found else ():
        unknown = {cell for cell in equation if cell[1] in hidden and cell not in known}
        if unknown and all(equation[cell] > 0 for cell in unknown) and sum(counts[cell] for cell in unknown) < limit:
            return _another(equation, counts, hidden) or _beside(unknown, equations, counts, hidden)
    return found


def _has_just_one(equation: Equation, untold: frozenset[Key], small: set[Cell], hidden: set[Key]) -> bool:
    """Whether just one count of a sum is hidden, and it matters: it stands in the report, or is a small one."""
    unknown = [cell for cell in equation if cell[1] in hidden]
    return len(unknown) == 1 and (unknown[0][1] not in untold or unknown[0] in small)


def _another(equation: Equation, counts: Mapping[Cell, int], hidden: set[Key]) -> set[Key]:
    """The key of *equation* to hide beside: the smallest part that is no small number, rather than the sum or none."""
    told = [cell for cell in equation if cell[1] not in hidden]
    if not told:
        return set()
    chosen = min(told, key=lambda cell: (counts[cell] == 0, equation[cell] < 0, counts[cell], str(cell)))
    return {chosen[1]}


def _beside(alone: set[Cell], equations: Sequence[Equation], counts: Mapping[Cell, int], hidden: set[Key]) -> set[Key]:
    """A key to hide so that those *alone* have company: in a sum of theirs, or in one that leads there."""
    reached, left = set(alone), list(equations)
    while reached:
        near = [equation for equation in left if reached & equation.keys()]
        for equation in near:
            if found := _another(equation, counts, hidden):
                return found
        left = [equation for equation in left if equation not in near]
        reached = {cell for equation in near for cell in equation} if near else set()
    return set()


def solved(equations: Iterable[Mapping[Cell, int]]) -> set[Cell]:
    """The unknowns that *equations* leave just one solution for, whatever stands on the other side."""
    rows: dict[Cell, dict[Cell, int]] = {}
    for equation in equations:
        row = dict(equation)
        for cell in [cell for cell in row if cell in rows]:
            row = _minus(row, rows[cell], row[cell])
        if not row:
            continue
        lead = next(iter(row))
        inverse = pow(row[lead], -1, PRIME)
        row = {cell: times * inverse % PRIME for cell, times in row.items()}
        for other in [other for other, known in rows.items() if lead in known]:
            rows[other] = _minus(rows[other], row, rows[other][lead])
        rows[lead] = row
    return {lead for lead, row in rows.items() if len(row) == 1}


def _minus(row: Mapping[Cell, int], other: Mapping[Cell, int], times: int) -> dict[Cell, int]:
    found = dict(row)
    for cell, number in other.items():
        left = (found.get(cell, 0) - times * number) % PRIME
        if left:
            found[cell] = left
        else:
            found.pop(cell, None)
    return found
