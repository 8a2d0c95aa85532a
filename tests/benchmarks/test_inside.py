"""Where the time of a call goes, told by rings."""

from __future__ import annotations

import json

import pytest

from benchmarks.inside import by_ring, ring


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/somewhere/cds_service/clinical/evaluate.py", "clinical"),
        ("/somewhere/cds_service/web/front.py", "web"),
        ("/somewhere/cds_service/settings.py", "other of ours"),
        ("/env/site-packages/flask/app.py", "flask"),
        ("/env/site-packages/sqlalchemy/engine/base.py", "sqlalchemy"),
        ("/usr/lib/python3/json/decoder.py", "standard library and others"),
    ],
)
def test_files_belong_to_rings(file: str, expected: str):
    """By the folder of our package, or the library."""
    assert ring(file) == expected


def test_shares_make_a_whole():
    """Functions in C count for whoever calls them, so that nothing is lost or counted twice."""
    shares = by_ring(lambda: json.loads(json.dumps({"a": [1, 2, 3]})))

    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=lambda name: shares[name]) == "standard library and others"
