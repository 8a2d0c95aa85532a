"""The service keeps to its own description, /openapi.json: Schemathesis calls it in every way that it can think of."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.support.serving import ROOT, Served, serving

pytestmark = pytest.mark.fuzz

SCHEMATHESIS = ROOT / ".venv" / "bin" / "schemathesis"
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "150")
SEED = os.environ.get("FUZZ_SEED", "20260302")
# What the description allows may still be 412 or 422: whether a result is there and usable, or is of another patient,
# no schema says.
LEFT_OUT = "positive_data_acceptance"
# What the description does not allow is refused; with 412, where a required key is missing as well.
CONFIGURATION = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 404, 405, 412, 413, 415, 422]
"""
PHASES = "coverage,fuzzing"
"""The description has neither examples nor links, which the other two phases need."""


@pytest.fixture
def open_to_all() -> Iterator[Served]:
    """The service without authentication."""
    with serving(auth="off", as_of=date(2026, 3, 2), workers=2) as served:
        yield served


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Served]:
    """The service with a client that has a key; nobody here has a token."""
    registry = tmp_path / "clients.toml"
    registry.write_text('[[client]]\npreset = "local-trial"\n', encoding="utf-8")
    with serving(auth="jwt", clients=registry, public_url="http://127.0.0.1:1", workers=2) as served:
        yield served


def kept_to(served: Served, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Let Schemathesis call the service."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    command = [str(SCHEMATHESIS), "run", f"{served.url}/openapi.json", "--phases", PHASES]
    command += ["--checks", "all", "--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none"]
    command += ["--continue-on-failure", "--suppress-health-check", "all", "--no-color", "--request-timeout", "30"]
    command += ["--exclude-checks", LEFT_OUT, *more]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


def test_without_authentication(open_to_all: Served, tmp_path: Path) -> None:
    """Whatever is called, the answer is one that the description has, with the body that it says."""
    done = kept_to(open_to_all, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_token(guarded: Served, tmp_path: Path) -> None:
    """With authentication, the same holds of who has no token, and everything under /cds-services is 401."""
    done = kept_to(guarded, tmp_path)
    calls = [json.loads(line) for line in guarded.log.splitlines() if line.startswith("{")]

    assert done.returncode == 0, done.stdout + done.stderr
    assert {call["status"] for call in calls if call["event"] == "call"} == {401}
