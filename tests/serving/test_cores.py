"""The number of server processes comes from the cores, unless it is set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cds_service.serving import cores


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000\n", 8),
        ("400000 100000\n", 4),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("", 8),
        ("what is this\n", 8),
    ],
)
def test_quota_of_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, expected: int) -> None:
    """Of eight cores a container uses as many as its quota pays for, a part of one being one."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    file = tmp_path / "cpu.max"
    file.write_text(quota, encoding="ascii")

    assert cores.usable(file) == expected


def test_cores_it_may_run_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a quota those count that the process may run on, however many the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1}, raising=False)

    assert cores.usable(tmp_path / "none") == 1
