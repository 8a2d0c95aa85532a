"""Small counts are neither told nor to be worked out: properties of any table, of trends and of comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cds_service.guidance import loading
from cds_service.population.chart import CARD, CARDS, PATIENT, PERSON, View
from cds_service.population.masking import Cell, Equation, Key, adds_up, hidden_keys, solved
from cds_service.population.office import office_day
from cds_service.population.tally import figures

LIMIT, FEW_LIMIT = 11, 4
ALL = "all"
TABLES = st.integers(2, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.one_of(st.integers(0, 14), st.integers(0, 90)), min_size=width, max_size=width),
        min_size=2,
        max_size=3,
    )
)


def table(rows: list[list[int]], view: int = 0) -> tuple[dict[Cell, int], list[Equation]]:
    """The counts of a table with the sums of its rows and columns, and of all."""
    down, across = range(len(rows)), range(len(rows[0]))
    counts: dict[Cell, int] = {(view, (r, c)): rows[r][c] for r in down for c in across}
    counts |= {(view, (r, ALL)): sum(rows[r]) for r in down}
    counts |= {(view, (ALL, c)): sum(row[c] for row in rows) for c in across}
    counts[view, (ALL, ALL)] = sum(map(sum, rows))
    lines: list[list[Key]] = [[(r, c) for c in across] for r in (*down, ALL)]
    sums: list[Equation] = [adds_up((view, (line[0][0], ALL)), [(view, key) for key in line]) for line in lines]
    columns: list[list[Key]] = [[(r, c) for r in down] for c in (*across, ALL)]
    sums += [adds_up((view, (ALL, column[0][1])), [(view, key) for key in column]) for column in columns]
    return counts, sums


def moves(hidden: frozenset[Key], rows: list[list[int]]) -> Iterator[dict[Key, int]]:
    """Every other table that agrees with all that is told and differs by one somewhere: how much each count differs."""
    down, across = range(len(rows)), range(len(rows[0]))
    inner = [(r, c) for r in down for c in across]
    for steps in product((-1, 0, 1), repeat=len(inner)):
        by = dict(zip(inner, steps, strict=True))
        whole: dict[Key, int] = dict(by)
        whole |= {(r, ALL): sum(by[r, c] for c in across) for r in down}
        whole |= {(ALL, c): sum(by[r, c] for r in down) for c in across}
        whole[ALL, ALL] = sum(steps)
        if all(key in hidden for key, step in whole.items() if step):
            yield whole


@given(TABLES)
def test_no_small_count_can_be_worked_out(rows: list[list[int]]) -> None:
    """Whoever knows all that is told still has two tables to choose from for each small count, none below nothing."""
    counts, sums = table(rows)
    hidden = hidden_keys(counts, sums, frozenset(), LIMIT)
    small = {key for (_, key), count in counts.items() if 0 < count < LIMIT}
    left = set(small)
    if left:
        for move in moves(hidden, rows):
            if all(counts[0, key] + step >= 0 for key, step in move.items()):
                left -= {key for key, step in move.items() if step}
            if not left:
                break

    assert small <= hidden
    assert not left
    for equation in sums:
        assert sum(key in hidden for _, key in equation) != 1
    assert bool(hidden) == bool(small)


@given(TABLES, TABLES)
def test_hidden_in_one_view_is_hidden_in_all(one: list[list[int]], other: list[list[int]]) -> None:
    """What a mask hides of a day or a profile stays hidden beside the others, and each keeps two or none in a sum."""
    counts, sums = table(one)
    more, others = table(other, view=1)
    hidden = hidden_keys(counts | more, sums + others, frozenset(), LIMIT)

    for (_, key), count in (counts | more).items():
        assert key in hidden or not 0 < count < LIMIT
    for equation in sums + others:
        assert sum(key in hidden for _, key in equation) != 1


@given(st.integers(11, 300), st.integers(0, 300))
def test_what_is_left_of_a_whole_counts_too(part: int, rest: int) -> None:
    """A count that leaves a small rest of one that is told is hidden with it, though the rest stands nowhere."""
    cells = {(0, ("all",)): part + rest, (0, ("part",)): part, (0, ("rest",)): rest}
    sums = [adds_up((0, ("all",)), [(0, ("part",)), (0, ("rest",))])]
    hidden = hidden_keys(cells, sums, frozenset({("rest",)}), LIMIT)

    assert hidden == (frozenset({("part",)}) if 0 < rest < LIMIT else frozenset())


FEW = st.sampled_from((0, 1, 2, 5))


@given(st.lists(FEW, min_size=8, max_size=8))
def test_nobody_has_more_cards_than_there_are_patients(counts: list[int]) -> None:
    """Whoever knows that no part is larger than its whole still cannot tell a small count by age and sex."""
    kinds = list(product(("30 to 39", "40 to 49"), ("female", "male"), (True, False)))
    marks: dict[Any, int] = {(0, PERSON, *kind): times for kind, times in zip(kinds, counts, strict=True)}
    cells = [(band, sex) for band, sex, carded in kinds if carded]
    carded = {cell: marks[0, PERSON, *cell, True] for cell in cells}
    patients = {cell: carded[cell] + marks[0, PERSON, *cell, False] for cell in cells}
    with_card, everybody = sum(carded.values()), sum(patients.values())
    marks |= {(0, CARDS, 1, 0): with_card, (0, CARDS, 0, 0): everybody - with_card}
    marks |= {(PATIENT,): everybody, (0, CARD, "magnesium-low", "info"): with_card}
    found = figures(marks, (View(loading.load(), date(2026, 3, 2)),), {}, FEW_LIMIT)
    small = {cell: set[int]() for cell in cells if 0 < carded[cell] < FEW_LIMIT}
    most = [patients[cell] + (1 if found.told(0, "people", *cell) is not None else 3) for cell in cells]
    for guess in product(*map(range, most)):
        guessed = dict(zip(cells, guess, strict=True))
        if all(found.told(0, "carded", *key) in (None, count) for key, count in with_sums(guessed).items()):
            for cell, values in small.items():
                values.add(guessed[cell])

    assert all(len(values) > 1 for values in small.values())


def with_sums(cells: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """The *cells* of a table with its margins."""
    found = dict(cells)
    for (band, sex), count in cells.items():
        for key in ((band, ALL), (ALL, sex), (ALL, ALL)):
            found[key] = found.get(key, 0) + count
    return found


def test_a_count_between_two_sums_is_found() -> None:
    """Two in each sum are not enough: what joins two closed rings of hidden counts follows from all sums together."""
    ring = [{"a": 1, "b": 1}, {"a": 1, "c": 1}, {"b": 1, "c": 1, "bridge": 1}, {"bridge": 1, "d": 1}]
    cells = [{(0, (name,)): times for name, times in equation.items()} for equation in ring]

    assert solved([*cells, {(0, ("a",)): 1, (0, ("b",)): -1}]) == {
        (0, (name,)) for name in ("a", "b", "c", "bridge", "d")
    }
    assert solved(cells) == set()


def sums_of(parts: dict[str, int], *sums: str) -> frozenset[Key]:
    """What is hidden of *parts* named by a letter and of *sums*, each named by the letters of its parts."""
    whole = {name: sum(parts[part] for part in name) for name in sums}
    counts: dict[Cell, int] = {(0, (name,)): count for name, count in (parts | whole).items()}
    equations = [adds_up((0, (name,)), [(0, (part,)) for part in name]) for name in sums]
    return hidden_keys(counts, equations, frozenset(), LIMIT)


def test_three_sums_tell_no_small_part() -> None:
    """Of a + b, a + c and b + c all three parts follow, though each sum has two that are hidden: a sum goes too."""
    assert sums_of({"a": 5, "b": 20, "c": 30}, "ab", "ac", "bc") & {("ab",), ("ac",), ("bc",)}


def test_two_small_parts_are_not_told_together() -> None:
    """Where 107 and 100 of it are told, the 3 and 4 that are hidden are 7 together: one more is hidden."""
    assert sums_of({"a": 3, "b": 4, "c": 100}, "abc") & {("c",), ("abc",)}


def test_nearly_everybody_is_not_told() -> None:
    """Of 120 patients with two cards each 115 have one card: 5 have not, which anybody could work out."""
    given = {"magnesium-low": 115, "vitamin-d-deficiency": 60, "vitamin-d-order": 65}
    marks: dict[Any, int] = {(0, CARD, topic, "info"): times for topic, times in given.items()}
    marks |= {(PATIENT,): 120, (0, CARDS, 2, 0): 120, (0, PERSON, "40 to 49", "female", True): 120}
    found = figures(marks, (View(loading.load(), date(2026, 3, 2)),), {}, LIMIT)

    assert found.told(0, "patients") == 120
    assert found.told(0, "topic", "magnesium-low", ALL) is None


def test_comparison_tells_no_small_gain() -> None:
    """Two told counts of a topic differ by what was gained; where that is small, they are hidden too."""
    counts: dict[Cell, int] = {(0, ("topic",)): 100, (1, ("topic",)): 103}
    counts |= {(1, (name,)): count for name, count in (("gained", 3), ("lost", 0), ("same", 100))}
    before, after = (0, ("topic",)), (1, ("topic",))
    gained, lost, same = ((1, (name,)) for name in ("gained", "lost", "same"))
    hidden = hidden_keys(counts, [adds_up(before, [lost, same]), adds_up(after, [gained, same])], frozenset(), LIMIT)

    assert {("gained",), ("same",), ("topic",)} <= hidden


def test_office_day_is_the_same_each_time_and_knows_no_rare_chart() -> None:
    """Of charts with one card each a day has twenty; a rarer kind of chart is drawn as the next, never by itself."""
    day = office_day({(1, 0): 40, (9, 9): 3}, LIMIT)
    assert day is not None
    assert (tuple(day.cards), tuple(day.warnings), tuple(day.without)) == ((20, 20, 20), (0, 0, 0), (0, 0, 0))
    assert office_day({(0, 0): 19}, LIMIT) is None
    mixed = {(0, 0): 50, (1, 1): 50}
    assert office_day(mixed, LIMIT) == office_day(dict(reversed(mixed.items())), LIMIT)
