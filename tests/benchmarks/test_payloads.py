"""The requests that servers are asked to answer."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path

from benchmarks.payloads import AS_OF, SIZES, own, with_observations, written
from tests.support.fixtures import SERVICE, engine
from tests.support.for_each import for_each


def contents(body: bytes) -> Counter[str]:
    """How many resources of each type a request has."""
    values = json.loads(body)["prefetch"].values()
    return Counter(entry["resource"]["resourceType"] for value in values for entry in value.get("entry", ()))


@for_each(
    ("size", "expected"),
    [
        ("small", {"Observation": 2}),
        ("typical", {"Observation": 12, "MedicationRequest": 8, "Condition": 10}),
        ("large", {"Observation": 200, "MedicationRequest": 60, "Condition": 60}),
    ],
)
def test_sizes_hold_what_the_kit_has(size: str, expected: dict[str, int]):
    """Without the kit, our own requests hold as many resources as its."""
    assert contents(own(size)) == expected


@for_each("size", SIZES)
def test_own_requests_have_cards(size: str):
    """Each has something to tell on its day, as is asked of every server that is measured."""
    assert engine(AS_OF).answer(SERVICE, own(size)).response["cards"]


@for_each("number", [1, 7, 100])
def test_observations_are_as_many_as_asked(number: int):
    """Spread over the keys, none is lost."""
    assert contents(with_observations(number))["Observation"] == number


def test_own_requests_without_the_kit(tmp_path: Path):
    """It is said whose they are, and they are evaluated on their own day."""
    found = written(tmp_path / "none", tmp_path)

    assert found.origin == "our own, without the comparison kit"
    assert found.as_of == AS_OF
    assert found.files["small"].read_bytes() == own("small")


def test_requests_of_the_kit(tmp_path: Path):
    """Its own script makes them, and they are evaluated on the day on which its results are fresh."""
    script = "import pathlib, sys\n(pathlib.Path(sys.argv[1]) / 'small.json').write_text('{}')\n"
    (tmp_path / "gen_payloads.py").write_text(script, encoding="utf-8")

    found = written(tmp_path, tmp_path)

    assert found.as_of == date(2025, 11, 2)
    assert found.files["small"].read_bytes() == b"{}"
