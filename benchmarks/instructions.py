"""What a typical call costs without a clock: instructions, by callgrind, or else calls of Python functions.

    .venv/bin/python -m benchmarks.instructions            within 5 % of what was recorded?
    .venv/bin/python -m benchmarks.instructions --record   record it anew

A call goes through the WSGI interface inside one process, with feedback, numbers and log, each for another patient.
Start-up and the first calls are left out. What a call leaves to be written is counted too, all calls in one
transaction: usually it holds those of a fifth of a second, which is none under callgrind. Which modes are in force is
not looked at meanwhile: how often would hang on the clock.

Instructions depend on the build of Python. Where another one runs, or valgrind is not there, calls of functions are
counted, which depend on its version alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from benchmarks.inside import application, caller
from benchmarks.payloads import AS_OF, own
from cds_service import kept_modes
from cds_service.feedback import recorder

RECORDED = Path(__file__).with_suffix(".json")
ALLOWED = 0.05
WARM_UP, CALLS = 4, 40
MARK = "getppid"
"""A function of the C library that nothing else calls: callgrind writes down what was spent until each call of it."""
INSIDE = "--inside"


class Costs(msgspec.Struct):
    """What one call costs, by which Python."""

    instructions: int
    functions: int
    version: str
    build: str


def main(arguments: Sequence[str]) -> int:
    """Count, and compare with what was recorded or record it; the exit status."""
    if INSIDE in arguments:
        with calls() as call:
            for number in range(CALLS):
                call(number)
        return 0
    if "--record" in arguments:
        RECORDED.write_bytes(msgspec.json.format(msgspec.json.encode(here()), indent=2) + b"\n")
        return 0
    recorded = msgspec.json.decode(RECORDED.read_bytes(), type=Costs)
    if recorded.version != version():
        print(f"skipped: recorded on Python {recorded.version}, and this is {version()}")
        return 0
    if shutil.which("valgrind") is not None and recorded.build == build():
        return told("instructions", instructions(), recorded.instructions)
    print("not by instructions: valgrind is not there, or another build of Python was recorded")
    return told("calls of functions", functions(), recorded.functions)


def told(what: str, now: int, recorded: int) -> int:
    """Say how much it is; the exit status."""
    change = now / recorded - 1
    print(f"{now:,} {what} a typical call, {recorded:,} recorded: {change:+.1%}")
    if abs(change) <= ALLOWED:
        return 0
    print(f"More than {ALLOWED:.0%}: if it has to be, record it anew and say why (make instructions RECORD=--record)")
    return 1


def here() -> Costs:
    """What a call costs here and now."""
    return Costs(instructions(), functions(), version(), build())


def version() -> str:
    """The version of Python, as far as it decides how many functions are called."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def build() -> str:
    """What decides how many instructions a Python needs: its patch level, compiler and optimisations."""
    options = re.findall(r"--(?:enable|with)-[a-z-]+", sysconfig.get_config_var("CONFIG_ARGS") or "")
    return " ".join([sys.version.replace("\n", " "), *options])


def instructions() -> int:
    """Instructions of a call, by running this module under valgrind."""
    (total,) = between_marks("benchmarks.instructions", INSIDE)
    return total // CALLS


def between_marks(*module: str) -> list[int]:
    """Instructions from each call of `os.getppid` to the next, in a module that is run under valgrind."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={folder}/counted"]
        command = [*valgrind, sys.executable, "-m", *module]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        files = sorted(Path(folder).iterdir(), key=lambda file: int(file.suffix[1:] or 0))
        found = [re.findall(r"^totals: (\d+)", file.read_text(), re.MULTILINE) for file in files]
    return [int(total) for (total,) in found[2:]]  # before the first mark, and after the last


def functions() -> int:
    """Calls of Python functions of a call, in the thread that answers."""
    counted = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal counted
        del frame, argument
        counted += event == "call"

    with calls() as call:
        sys.setprofile(count)
        for number in range(CALLS):
            call(number)
        sys.setprofile(None)
    return counted // CALLS


@contextmanager
def calls() -> Iterator[Callable[[int], None]]:
    """What makes one call, for a patient by number; all that it leaves to be written is written in the end."""
    recorder.GATHERING = kept_modes.POLL = 3600.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(folder, "log").open("w") as log,
        redirect_stderr(log),
        application(Path(folder), AS_OF) as app,
    ):
        made = [caller(app, own("typical").replace(b"typical", b"%07d" % number)) for number in range(CALLS)]
        keeper = app.extensions["cds_recorder"]
        for call in made[:WARM_UP]:
            call()
        keeper.flush(3600)
        keeper.flush(3600)  # waits for what the thread does once it has written for the first time
        os.getppid()
        yield lambda number: made[number]()
        keeper.flush(3600)
        os.getppid()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
