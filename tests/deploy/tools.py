"""Tools that the project does not bring along: taken from `.cache/tools` or the machine, or the test is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.deploy.files import ROOT

FOLDER = ROOT / ".cache" / "tools"


def found(name: str) -> str:
    """Where the tool is; the test is skipped where it is not."""
    place = shutil.which(name, path=os.pathsep.join([str(FOLDER), os.environ.get("PATH", "")]))
    if place is None:
        pytest.skip(f"{name} is neither in .cache/tools nor on the PATH")
    return place


def ran(name: str, *arguments: object, expected: int = 0) -> str:
    """What the tool says of *arguments*; the test fails where its status is not the one that is expected."""
    command = [found(name), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == expected, done.stdout
    return done.stdout
