"""The unit of systemd: what it runs, and how little that may do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds_service import cli
from tests.deploy.files import DEPLOY, text
from tests.deploy.tools import ran

NAME = "cds-service.service"
UNIT = text("systemd", NAME)
EXPOSED = 15
"""Tenths of what systemd itself calls the exposure of a service, from 0 to 100, that is let through at most."""


def values(name: str) -> list[str]:
    """What the unit says for *name*."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def test_unit_runs_a_command_that_there_is():
    """The command line is one of the service."""
    (command,) = values("ExecStart")
    _, *arguments = command.split()

    assert cli._parser().parse_args(arguments).host == "127.0.0.1"  # noqa: SLF001 - what the unit is for


def test_unit_holds_no_secret():
    """Settings come from a file that is not part of the repository."""
    assert values("EnvironmentFile") == ["/etc/cds-service/cds-service.env"]
    assert not values("Environment")


def test_calls_under_way_are_finished():
    """Only the main process is asked to end, and it has longer than the longest call."""
    (stop,) = values("TimeoutStopSec")

    assert values("KillMode") == ["mixed"]
    assert int(stop) > 10 + cli.LAST_SECONDS


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a command that is there on this machine."""
    file = tmp_path / NAME
    file.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT, flags=re.MULTILINE), encoding="utf-8")
    return file


@pytest.mark.deploy
def test_systemd_understands_the_unit(unit: Path):
    """`systemd-analyze verify` has nothing to say."""
    assert ran("systemd-analyze", "verify", "--man=no", unit) == ""


@pytest.mark.deploy
def test_service_is_hardly_exposed():
    """By systemd's own measure the service may do little more than what it needs."""
    options = ["--offline=true", "--no-pager", f"--threshold={EXPOSED}"]

    assert "Overall exposure level" in ran("systemd-analyze", "security", *options, DEPLOY / "systemd" / NAME)
