"""Inputs that were found by fuzzing or made by hand: none may be a fault again.

`*.body` is the body of a call, `*.raw` all the bytes of a request.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.fuzz.cases import CORPUS, DEEPEST, Case, deep
from tests.fuzz.verdicts import is_outcome, verdict
from tests.support.for_each import for_each
from tests.support.serving import serving
from tests.web.calls import ANSWERED_OR_REFUSED, GOLDEN, TODAY, URL, _golden_bytes

FILES = sorted(file for file in CORPUS.iterdir() if file.suffix in (".body", ".raw"))
BODIES = [file for file in FILES if file.suffix == ".body"]


def within(key: bytes, value: bytes) -> bytes:
    """The golden request with a member more at its beginning."""
    return b'{"%s": %s, %s' % (key, value, _golden_bytes(GOLDEN).lstrip().removeprefix(b"{"))


LARGE = {
    "deep arrays": deep(DEEPEST),
    "deep objects": deep(DEEPEST, objects=True),
    "deep extension": within(b"extension", deep(DEEPEST)),
    "deep prefetch": within(b"prefetch", deep(DEEPEST, objects=True)),
    "deep unknown member": within(b"unknown", deep(DEEPEST, objects=True)),
    "deep and never closed": b"[" * DEEPEST,
    "long hook": within(b"hook", b'"' + b"a" * 1_000_000 + b'"'),
    "long hookInstance": within(b"hookInstance", b'"' + b"\\ud800" * 100_000 + b'"'),
    "huge number": within(b"unknown", b"9" * 1_000_000),
    "huge exponent": within(b"unknown", b"1e999999999"),
    "many members": within(b"unknown", b"{" + b",".join(b'"%d":0' % place for place in range(100_000)) + b"}"),
    "many members of one name": within(b"unknown", b"{" + b",".join([b'"a":0'] * 100_000) + b"}"),
}


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """The service."""
    return create_app(Settings(as_of=TODAY)).test_client()


def is_answered(client: FlaskClient, body: bytes) -> bool:
    """Whether the service answers with cards, or with a refusal that says what to mend."""
    response = client.post(URL, data=body, content_type="application/json")
    assert response.status_code in ANSWERED_OR_REFUSED, response.status_code
    return "cards" in response.get_json() if response.status_code == 200 else is_outcome(response.get_data())


@for_each("file", BODIES, ids=lambda file: file.stem)
def test_body(client: FlaskClient, file: Path) -> None:
    """A body of the corpus is answered with cards, or refused with what to mend."""
    assert is_answered(client, file.read_bytes())


@for_each("body", LARGE.values(), ids=LARGE.keys())
def test_large_body(client: FlaskClient, body: bytes) -> None:
    """A body too deep or too large to be kept in a file is answered with cards, or refused with what to mend."""
    assert is_answered(client, body)


@pytest.mark.served
def test_over_http() -> None:
    """All of them, sent to a real server, get a documented answer; nothing hangs, and no fault is logged."""
    bodies = {file.name: Case(body=file.read_bytes()) for file in BODIES}
    bodies |= {name: Case(body=body) for name, body in LARGE.items()}
    raws = {file.name: Case(raw=file.read_bytes()) for file in FILES if file.suffix == ".raw"}
    with serving(as_of=TODAY, body_timeout=0.5) as served:
        wrong = {name: found for name, case in (bodies | raws).items() if (found := verdict(served.port, case)[0])}
        faults = [line for line in served.log.splitlines() if "unexpected" in line or "Traceback" in line]

    assert wrong == {}
    assert faults == []
