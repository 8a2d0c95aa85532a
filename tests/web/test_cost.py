"""What a call costs, without a clock: calls of Python functions, which are the same on every machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks.typical_request import AS_OF, typical
from cds_service.hooks.service import Engine
from tests.support.fixtures import SERVICE, engine
from tests.web.calls import bundle, golden, observation

BUDGET = 2_270
"""Calls of Python functions for a typical request. Recorded, with 3 in 100 to spare: what costs more says why here."""
SOME, TWICE = 200, 400


def calls(engine: Engine, body: bytes) -> int:
    """The calls of Python functions that answering *body* takes, once everything that is remembered is remembered."""
    engine.answer(SERVICE, body)
    counted = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal counted
        del frame, argument
        counted += event == "call"

    sys.setprofile(count)
    try:
        engine.answer(SERVICE, body)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other versions of Python count comprehensions otherwise")
def test_typical_request_keeps_to_its_budget():
    """A Patient, 12 Observations, 8 MedicationRequests and 10 Conditions take no more calls than recorded."""
    assert calls(engine(AS_OF), typical()) <= BUDGET


@pytest.mark.parametrize("key", ["vitaminD", "magnesium", "chemistry", "kidney"])
def test_cost_grows_in_a_straight_line(key: str):
    """With twice the Observations, what they cost is twice as much and no more, wherever they are."""
    code, unit, value = {
        "vitaminD": ("62292-8", "ng/mL", 18.2),
        "magnesium": ("19123-9", "mg/dL", 1.9),
        "chemistry": ("17861-6", "mg/dL", 9.4),
        "kidney": ("98979-8", "mL/min/{1.73_m2}", 71),
    }[key]

    def cost(number: int) -> int:
        request = golden()
        days = [f"20{10 + n % 15}-{n % 12 + 1:02d}-{n % 28 + 1:02d}" for n in range(number)]
        results = [observation(code, value, unit, day) for day in days]
        request["prefetch"][key] = bundle(*results)
        return calls(engine(AS_OF), json.dumps(request).encode())

    none, some, twice = cost(0), cost(SOME), cost(TWICE)

    assert twice - none <= 2.1 * (some - none)


SLOW_TO_IMPORT = {
    "fhir.resources",
    "jwt",
    "cryptography",
    "alembic",
    "pygal",
    "limits",
    "sqlalchemy.dialects.postgresql",
}
IMPORTED = "import sys, cds_service; cds_service.create_app(); print(*sys.modules, sep='\\n')"


def test_what_is_seldom_needed_is_not_imported(tmp_path: Path):
    """Without tokens and with the shipped guidance a server process does without what is slow to import and large."""
    settings = {"CDS_AUTH": "off", "CDS_DATABASE_URL": f"sqlite:///{tmp_path}/cds.sqlite3"}
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED], env={**os.environ, **settings}, capture_output=True, text=True, check=True
    )

    imported = set(ran.stdout.split())
    assert "cds_service.web.services" in imported
    assert imported & SLOW_TO_IMPORT == set()
