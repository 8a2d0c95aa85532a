"""Runs a command and tells how much CPU it took, with all that it started: in seconds, and in units of this machine.

`python tests/cpu.py COMMAND...`; with CPU_MOST=90 it fails beyond 90 units. A unit is a short loop of what the tests
do most, measured before and after, since seconds mean little: machines differ, and so does one machine under load. Each
core takes its loop at the same time as the others, as they work on the tests: two that share their parts are slower.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal

ROUNDS = 12_000
TEXT = json.dumps({"entry": [{"resource": {"code": f"{place}-1", "value": place / 3}} for place in range(20)]})


def unit() -> float:
    """The CPU seconds of the loop, in the mean of all cores."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        return sum(pool.map(_loop, range(cores))) / cores


def _loop(_: int) -> float:
    """The CPU seconds of the loop: JSON, dictionaries and decimals."""
    began, total = time.process_time(), Decimal(0)
    for _ in range(ROUNDS):
        found = json.loads(TEXT, parse_float=Decimal)
        total += sum((entry["resource"]["value"] for entry in found["entry"]), Decimal(0))
    assert total
    return time.process_time() - began


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(command: list[str]) -> int:
    """Run it; its status, or 1 where it was well but took more than it may."""
    before, began = unit(), _children()
    status = subprocess.run(command, check=False).returncode
    seconds = _children() - began
    loop = (before + unit()) / 2
    most = float(os.environ.get("CPU_MOST", "inf"))
    sys.stdout.write(f"CPU: {seconds:.0f} s, {seconds / loop:.0f} times a loop of {loop:.2f} s (at most {most:.0f})\n")
    return status or int(seconds > most * loop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
