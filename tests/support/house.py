"""The house is left as it was: a test writes below its temporary folder, and nowhere else.

Each test runs in an empty folder, so that what is written by default, such as the database, falls there, and so does
what the processes write that it starts. What a test opens for writing elsewhere is refused and remembered, and so is a
process that it starts elsewhere. Settings of whoever runs the tests count for none of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

for name in [name for name in os.environ if name.upper().startswith("CDS_")]:
    del os.environ[name]

CACHE = Path(__file__).resolve().parents[2] / ".cache"
"""What tools build for the tests, and keep for the next time."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
WRITTEN = {
    "os.link": slice(1, 2),
    "os.mkdir": slice(1),
    "os.remove": slice(1),
    "os.rename": slice(2),
    "os.rmdir": slice(1),
    "os.symlink": slice(1, 2),
    "os.truncate": slice(1),
    "sqlite3.connect": slice(1),
}
"""What Python reports before it changes something, and which of the arguments are the paths that it changes."""
MADE = frozenset({"tempfile.mkdtemp", "tempfile.mkstemp"})
COMPILED = "__pycache__"
"""What Python compiles is written beside its source."""


class Outside(Exception):
    """A test reached out of its temporary folder."""


class House:
    """Tests may write below `base`, below what `tempfile` makes for them meanwhile, and in places that are `free`."""

    def __init__(self, base: Path, *free: Path) -> None:
        """Python has no way to take the hook out again: it looks away when told to."""
        self.watching = True
        self._allowed = {os.path.realpath(place) for place in (base, *free, Path(os.devnull))}
        self._rooms = base / "rooms"
        self._count = 0
        self._found: list[str] = []
        self._rooms.mkdir()
        self._next_room()
        sys.addaudithook(self._look)

    def _next_room(self) -> None:
        self._count += 1
        self._room = self._rooms / str(self._count)
        self._room.mkdir()
        os.chdir(self._room)

    def left(self) -> list[str]:
        """Where tests reached out since the last time; a room that was used is left for an empty one."""
        if any(self._room.iterdir()):
            self._next_room()
        told, self._found = self._found, []
        return told

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        if event == "open":
            if arguments[2] & WRITES and not isinstance(arguments[0], int):
                self._check(event, arguments[0])
        elif event in WRITTEN:
            for path in arguments[WRITTEN[event]]:
                self._check(event, path)
        elif event == "subprocess.Popen":
            self._check(event, arguments[2] or Path.cwd())
        elif event in MADE:
            self._allowed.add(os.path.realpath(arguments[0]))

    def _check(self, event: str, path: Any) -> None:
        place = os.path.realpath(os.fsdecode(path))
        if COMPILED in place or place == os.path.realpath(tempfile.gettempdir()):  # a file there that has no name
            return
        if self._allowed.isdisjoint((place, *map(str, Path(place).parents))):
            self._found.append(f"{os.environ.get('PYTEST_CURRENT_TEST')}: {event} {place}")
            raise Outside(self._found[-1])


def keep_notes() -> None:
    """Hypothesis keeps its table of characters, which takes it seconds, for the next process."""
    set_hypothesis_home_dir(CACHE / "hypothesis")


@pytest.fixture(scope="session", autouse=True)
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Watches over the tests of a process."""
    before = Path.cwd()
    found = House(tmp_path_factory.getbasetemp(), CACHE)
    yield found
    found.watching = False
    os.chdir(before)


@pytest.fixture(autouse=True)
def left_as_it_was(house: House) -> Iterator[None]:
    """Fail a test that reached out, also where it did not notice."""
    yield
    assert house.left() == []
