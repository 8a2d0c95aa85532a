"""Twenty thousand broken requests to a real service: each gets an answer that is documented, and nothing grows."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from tests.fuzz.cases import CORPUS, Case, made
from tests.fuzz.verdicts import verdict
from tests.support.serving import serving

pytestmark = pytest.mark.fuzz

SEED = int(os.environ.get("FUZZ_SEED", "20260302"))
CASES = int(os.environ.get("FUZZ_CASES", "20000"))
WARM = CASES // 5
"""After so many, a worker has all the memory it needs."""
GROWTH = 1.3
AT_ONCE = 8


def test_every_answer_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """No request is a fault of the service, hangs, or ends a worker; memory stays what it was; the log has no fault."""
    found: dict[str, str] = {}
    told: Counter[str] = Counter()

    def tried(place: int) -> None:
        case = made(SEED, place)
        wrong, status = verdict(served.port, case)
        told[status] += 1
        if wrong:
            name = f"seed-{SEED}-{place}"
            found[name] = wrong
            case.save(name)

    with serving(as_of=date(2026, 3, 2), workers=2, body_timeout=2) as served, ThreadPoolExecutor(AT_ONCE) as threads:
        workers = served.workers
        list(threads.map(tried, range(WARM)))
        before = served.resident
        list(threads.map(tried, range(WARM, CASES)))
        after = served.resident
        survivors = served.workers
        healthy, _ = verdict(served.port, Case(method="GET", target=b"/healthz", framing="none"))
        faults = [line for line in served.log.splitlines() if "unexpected" in line or "Traceback" in line]
    with capsys.disabled():
        print(f"\nseed {SEED} (FUZZ_SEED), {CASES} requests (FUZZ_CASES): {dict(sorted(told.items()))}")  # noqa: T201
        print(f"memory of each worker, in MiB: {_mebibytes(before)} then {_mebibytes(after)}")  # noqa: T201

    assert not found, f"written to {CORPUS}: {dict(list(found.items())[:20])}"
    assert faults == []
    assert len(workers) == 2
    assert survivors == workers
    assert healthy == ""
    for worker, size in before.items():
        assert after[worker] <= GROWTH * size


def _mebibytes(resident: dict[int, int]) -> list[int]:
    return [size >> 20 for size in resident.values()]
