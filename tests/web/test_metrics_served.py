"""Numbers of the running service: right across its processes."""

from __future__ import annotations

import re

import pytest
import requests

from tests.support.serving import serving
from tests.web.calls import TODAY, URL, golden

pytestmark = pytest.mark.served

CALLS = 40
COUNT = re.compile(r'^cds_requests_total\{service="vitamin-d-magnesium",status="200"\} ([0-9.]+)$', re.MULTILINE)


def test_processes_are_added_up():
    """Of forty calls to two processes, whichever is asked tells forty."""
    with serving(as_of=TODAY, feedback=False, workers=2) as served:
        for _ in range(CALLS):
            assert requests.post(served.url + URL, json=golden(), timeout=30).status_code == 200
        told = {counted(served.url) for _ in range(8)}

    assert told == {CALLS}


def counted(url: str) -> int:
    """The calls that were answered, as the numbers tell; each on a connection of its own."""
    text = requests.get(f"{url}/metrics", timeout=30, headers={"Connection": "close"}).text
    found = COUNT.search(text)
    assert found is not None
    return int(float(found[1]))
