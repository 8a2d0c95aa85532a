"""How many cores this process may use: those it may run on, fewer where its container has a quota of their time."""

from __future__ import annotations

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of CPU time in a period, and the period, as control groups (version 2) have them."""
UNLIMITED = "max"


def usable(quota: Path = QUOTA) -> int:
    """The cores, of which a part counts as one; at least one."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _of_quota(quota, allowed)))


def _of_quota(quota: Path, otherwise: int) -> int:
    try:
        time, period = quota.read_text(encoding="ascii").split()
        return otherwise if time == UNLIMITED else math.ceil(int(time) / int(period))
    except (OSError, ValueError):
        return otherwise  # no such file, or another version of it
