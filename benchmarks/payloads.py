"""The three requests that servers are asked to answer: the comparison kit's, or our own where it is not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.typical_request import AS_OF, DRUGS, PROBLEMS, RESULTS, made, typical

SIZES = ("small", "typical", "large")
KIT_AS_OF = date(2025, 11, 2)
"""The day on which the newest results of the kit are fresh."""


class Payloads(NamedTuple):
    """A file for each size, the day to evaluate them for, and where they come from."""

    files: Mapping[str, Path]
    as_of: date
    origin: str


def written(kit: Path, folder: Path, sizes: Sequence[str]) -> Payloads:
    """The requests of *sizes* as files in *folder*."""
    script, made_by_kit = kit / "gen_payloads.py", folder / "payloads"
    command = [sys.executable, str(script), str(made_by_kit)]
    if script.is_file() and subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        return Payloads({size: made_by_kit / f"{size}.json" for size in sizes}, KIT_AS_OF, "the comparison kit's")
    own_folder = folder / "own-payloads"
    own_folder.mkdir(parents=True, exist_ok=True)
    files = {size: own_folder / f"{size}.json" for size in sizes}
    for size, file in files.items():
        file.write_bytes(own(size))
    return Payloads(files, AS_OF, "our own, without the comparison kit")


def own(size: str) -> bytes:
    """A request with about as much in it as the kit's of that size."""
    if size == "small":
        return made({"vitaminD": 1, "magnesium": 1}, 0, 0)
    if size == "typical":
        return typical()
    return made({"vitaminD": 60, "magnesium": 60, "chemistry": 30, "kidney": 40, "vitals": 10}, 60, 60)


def with_observations(number: int) -> bytes:
    """A request with *number* Observations, spread evenly over the keys that have them, and the usual rest."""
    share, rest = divmod(number, len(RESULTS))
    counts = {key: share + (place < rest) for place, key in enumerate(RESULTS)}
    return made(counts, len(DRUGS), len(PROBLEMS))
