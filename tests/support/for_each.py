"""A table of cases in one test: all of them are tried, and it is told which ones failed.

`pytest.mark.parametrize` makes a test of each case, which costs more than most cases take. It is for cases that need
fixtures of their own. Here a case has a `monkeypatch` and a `tmp_path` to itself, nothing has been captured yet, and
fixtures that have a `reset`, as servers do, are as at the beginning.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

Test = Callable[..., None]
Row = dict[str, Any]
Names = Iterable[object] | Callable[[Any], object]


def for_each(names: str | Sequence[str], table: Iterable[Any], ids: Names | None = None) -> Callable[[Test], Test]:
    """Try a test with each row of *table* for its arguments *names*, as `pytest.mark.parametrize` takes them."""
    given = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [_row(given, row) for row in table]
    told = _names(rows, ids)
    assert rows, "a table without rows tests nothing"

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def tried(**fixtures: Any) -> None:
            wrong = []
            for place, row in enumerate(rows):
                try:
                    with _own(fixtures, place) as own:
                        test(**own, **row)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - told when all have been tried
                    error.add_note(f"with {told[place]}")
                    wrong.append(error)
            if len(wrong) == 1:
                raise wrong[0]
            if wrong:
                raise BaseExceptionGroup(f"{len(wrong)} of {len(rows)} failed", wrong)

        asked = inspect.signature(test)
        left = [parameter for name, parameter in asked.parameters.items() if name not in given]
        tried.__signature__ = asked.replace(parameters=left)  # type: ignore[attr-defined] # the fixtures that pytest gives
        return tried

    return decorate


@contextmanager
def _own(fixtures: Row, place: int) -> Iterator[Row]:
    """The fixtures of one case."""
    with pytest.MonkeyPatch.context() as patch:
        own = {**fixtures}
        if "monkeypatch" in own:
            own["monkeypatch"] = patch
        if "tmp_path" in own:
            own["tmp_path"] = own["tmp_path"] / str(place)
            own["tmp_path"].mkdir()
        for fixture in own.values():
            getattr(fixture, "reset", lambda: None)()
        if "capsys" in own:
            own["capsys"].readouterr()
        if "caplog" in own:
            own["caplog"].clear()
        yield own


def _row(names: Sequence[str], row: Any) -> Row:
    values = row.values if isinstance(row, type(pytest.param())) else (row,) if len(names) == 1 else row
    return dict(zip(names, values, strict=True))


def _names(rows: list[Row], ids: Names | None) -> list[object]:
    if ids is None:
        return [*rows]
    return [[ids(value) for value in row.values()] for row in rows] if callable(ids) else [*ids]
