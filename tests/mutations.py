"""Takes one guard or rule after the other out of a copy of the service, and runs the tests that must notice.

Run as `.venv/bin/python tests/mutations.py`: a line for each, and status 1 where the tests did not notice. A place is
found by its text, which stands once in the package, wherever that is. `EVERY=3` takes every third, `ONLY=population`
those whose name begins so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOUND, NOT_THE_COPY = 1, 99
PLUGIN = f"""
import os, pytest, cds_service

def pytest_collection_finish(session):
    if not cds_service.__file__.startswith(os.environ["COPY_OF_SERVICE"]):
        pytest.exit("the copy is not what is imported", returncode={NOT_THE_COPY})
"""


class Mutation(NamedTuple):
    """A guard or a rule: its text, what stands there without it, and the files of tests that must notice."""

    name: str
    text: str
    replacement: str
    tests: tuple[str, ...] = ("trust/test_attacks",)

    @property
    def suite(self) -> list[str]:
        """The tests, as pytest is told."""
        return [f"tests/{name}.py" for name in self.tests]


def _mutations() -> list[Mutation]:
    """Those of `mutations.toml`."""
    listed = tomllib.loads((ROOT / "tests" / "mutations.toml").read_text(encoding="utf-8"))["mutation"]
    return [Mutation(**{**told, **({"tests": tuple(told["tests"])} if "tests" in told else {})}) for told in listed]


def _copied(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def _place(package: Path, text: str) -> Path | None:
    """The file of *package* that holds *text*; `None` where it does not stand there just once."""
    found = [(file, file.read_text(encoding="utf-8").count(text)) for file in package.rglob("*.py")]
    places = [(file, times) for file, times in found if times]
    return places[0][0] if len(places) == 1 and places[0][1] == 1 else None


def _run(source: Path, mutation: Mutation | None, suite: Sequence[str]) -> int | None:
    """The status of *suite* against a copy of *source* with *mutation*; `None` where there is no such place."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copied(source, copy / "cds_service")
        for shown in ("docs", "fhir_fixtures"):  # what the pages show stands beside the package
            (copy / shown).symlink_to(ROOT / shown)
        (copy / "imports_the_copy.py").write_text(PLUGIN, encoding="utf-8")
        if mutation is not None:
            file = _place(copy / "cds_service", mutation.text)
            if file is None:
                return None
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(mutation.text, mutation.replacement), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": folder, "COPY_OF_SERVICE": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "imports_the_copy", "-p", "no:cacheprovider"]
        paths = f"pythonpath={folder} {ROOT}"
        return subprocess.run(
            [*command, "-o", paths, *suite], cwd=ROOT, env=environment, capture_output=True, check=False
        ).returncode


def _mutated(source: Path, mutation: Mutation) -> int | None:
    return _run(source, mutation, mutation.suite)


def _told(status: int | None) -> str:
    if status is None:
        return "TEXT NOT FOUND"
    return {FOUND: "caught", 0: "NOT CAUGHT"}.get(status, f"NOT RUN (status {status})")


def main() -> int:
    """Run every mutation, and tell of each as soon as it is known; 0 where all were caught."""
    only, every = os.environ.get("ONLY", ""), int(os.environ.get("EVERY", "1"))
    caught, chosen = 0, [mutation for mutation in _mutations() if mutation.name.startswith(only)][::every]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        source = Path(folder) / "cds_service"
        _copied(ROOT / "cds_service", source)
        suite = list(dict.fromkeys(file for mutation in chosen for file in mutation.suite))
        if _run(source, None, suite) != 0:
            sys.stdout.write("The tests do not pass against an unchanged copy: nothing can be said.\n")
            return 1
        for mutation, status in zip(chosen, pool.map(partial(_mutated, source), chosen), strict=True):
            sys.stdout.write(f"{_told(status):14} {mutation.name}\n")
            sys.stdout.flush()
            caught += status == FOUND
    sys.stdout.write(f"{caught} of {len(chosen)} caught\n")
    return int(caught != len(chosen))


if __name__ == "__main__":
    sys.exit(main())
