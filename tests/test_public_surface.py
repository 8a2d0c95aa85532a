"""The public surface: `create_app` and `evaluate`, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

import cds_service
from cds_service.errors import MalformedRequest, PrefetchUnavailable, StartupError, WrongPatient
from cds_service.settings import Settings
from tests.support.fixtures import ROOT, SERVICE, situations
from tests.test_cli import topics, without_ids

AS_OF = date(2026, 3, 2)
SITUATIONS = {situation.name: situation for situation in situations()}
LOW_MAGNESIUM = "vector-v02-deficient-nmol-low-magnesium"


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of whoever runs the tests count for none of them."""
    for name in [name for name in os.environ if name.upper().startswith("CDS_")]:
        monkeypatch.delenv(name)


def request(name: str = LOW_MAGNESIUM) -> dict[str, Any]:
    """The request of a golden folder; decimals keep their zeros."""
    body: dict[str, Any] = json.loads(SITUATIONS[name].body, parse_float=Decimal)
    return body


def over_http(name: str = LOW_MAGNESIUM, **given: Any) -> Any:
    """What a WSGI application of those settings answers to it."""
    client = cds_service.create_app(Settings(**given)).test_client()
    path = f"/cds-services/{SERVICE}"
    return json.loads(client.post(path, data=SITUATIONS[name].body, content_type="application/json").data)


def test_names():
    """`create_app` and `evaluate` are the whole of it, and both tell what they do."""
    assert cds_service.__all__ == ["create_app", "evaluate"]
    assert all(getattr(cds_service, name).__doc__ for name in cds_service.__all__)


def test_star_import_gives_those_names():
    """`from cds_service import *` brings both names and no other."""
    found: dict[str, Any] = {}
    exec("from cds_service import *", found)  # noqa: S102 - a star import is not allowed in a function

    assert {name for name in found if not name.startswith("__")} == {"create_app", "evaluate"}


@pytest.mark.parametrize("name", SITUATIONS)
def test_evaluate_answers_as_http_does(name: str):
    """`evaluate` answers a dict as the service answers the same request over HTTP."""
    expected = SITUATIONS[name].expected
    as_of, profile = date.fromisoformat(expected["asOf"]), expected.get("profile", "magnesium-aware")

    answer = cds_service.evaluate(request(name), as_of=as_of, profile=profile)

    assert without_ids(over_http(name, as_of=as_of, profile=profile)) == without_ids(answer)


def test_evaluate_as_of():
    """`as_of` is the day of the answer: two years later the results are too old."""
    assert "vitamin-d-deficiency" in topics(cds_service.evaluate(request(), as_of=AS_OF))
    assert "vitamin-d-stale" in topics(cds_service.evaluate(request(), as_of=date(2028, 3, 2)))


def test_evaluate_is_for_today_unless_told():
    """Without `as_of` it is today, in the configured time zone."""
    with time_machine.travel(datetime(2026, 3, 2, 12, tzinfo=UTC), tick=False):
        answer = cds_service.evaluate(request())

    assert without_ids(cds_service.evaluate(request(), as_of=AS_OF)) == without_ids(answer)


def test_evaluate_day_moves_on():
    """The day is asked anew in each call, though what was built is kept."""
    with time_machine.travel(datetime(2026, 3, 2, 12, tzinfo=UTC), tick=False) as clock:
        assert "vitamin-d-deficiency" in topics(cds_service.evaluate(request()))
        clock.move_to(datetime(2028, 3, 2, 12, tzinfo=UTC))
        assert "vitamin-d-stale" in topics(cds_service.evaluate(request()))


def test_evaluate_profile():
    """`profile` is the guidance in force: 14 ng/mL is insufficient in the one of 2011 by the academy."""
    answer = cds_service.evaluate(request(), as_of=AS_OF, profile="nam-2011")

    assert "vitamin-d-insufficiency" in topics(answer)
    assert all("nam-2011" in card["source"]["label"] for card in answer["cards"])


def test_evaluate_reads_settings(monkeypatch: pytest.MonkeyPatch):
    """What is not given comes from the settings; what is given wins."""
    monkeypatch.setenv("CDS_AS_OF", "2026-03-02")
    monkeypatch.setenv("CDS_PROFILE", "nam-2011")

    assert "vitamin-d-insufficiency" in topics(cds_service.evaluate(request()))
    assert "vitamin-d-deficiency" in topics(cds_service.evaluate(request(), profile="magnesium-aware"))
    assert "magnesium-low" not in topics(cds_service.evaluate(request(), as_of=date(2028, 3, 2)))


def test_evaluate_leaves_the_request_alone():
    """The request is read, not changed."""
    before = request()

    cds_service.evaluate(before, as_of=AS_OF)

    assert request() == before


def test_evaluate_takes_floats():
    """Numbers may be plain floats too, as `json.load` gives them."""
    plain = json.loads(SITUATIONS[LOW_MAGNESIUM].body)

    answer = cds_service.evaluate(plain, as_of=AS_OF)

    assert without_ids(cds_service.evaluate(request(), as_of=AS_OF)) == without_ids(answer)


def test_evaluate_raises_what_the_caller_can_mend():
    """A request that is none, lacks required prefetch or mixes patients raises the error of its own."""
    with pytest.raises(MalformedRequest, match="context"):
        cds_service.evaluate({}, as_of=AS_OF)
    with pytest.raises(PrefetchUnavailable, match="magnesium"):
        cds_service.evaluate({**request(), "prefetch": {}}, as_of=AS_OF)
    with pytest.raises(WrongPatient):
        cds_service.evaluate({**request(), "context": {**request()["context"], "patientId": "x"}}, as_of=AS_OF)


def test_unknown_profile_stops_both():
    """A profile that is none is refused before anything is answered."""
    with pytest.raises(StartupError, match="no-such-profile"):
        cds_service.evaluate(request(), profile="no-such-profile")
    with pytest.raises(StartupError, match="no-such-profile"):
        cds_service.create_app(Settings(profile="no-such-profile"))


def test_create_app_reads_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    """Without settings `create_app` takes those of the environment, so that any WSGI server can call it."""
    monkeypatch.setenv("CDS_AS_OF", "2028-03-02")
    client = cds_service.create_app().test_client()

    response = client.post(
        f"/cds-services/{SERVICE}", data=SITUATIONS[LOW_MAGNESIUM].body, content_type="application/json"
    )

    assert "vitamin-d-stale" in topics(response.get_json())


def test_apps_stand_beside_each_other():
    """Two applications with different settings do not disturb each other."""
    first = over_http(as_of=AS_OF)
    second = over_http(as_of=AS_OF, profile="nam-2011")

    assert "vitamin-d-deficiency" in topics(first)
    assert "vitamin-d-insufficiency" in topics(second)
    assert without_ids(over_http(as_of=AS_OF)) == without_ids(first)


def test_no_warnings_in_use():
    """Building an application, a call over HTTP and an evaluation warn of nothing."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        over_http(as_of=AS_OF)
        cds_service.evaluate(request(), as_of=AS_OF)

    assert [str(warning.message) for warning in raised] == []


def test_no_warnings_on_import():
    """A fresh interpreter that turns warnings into errors imports and uses both names."""
    code = (
        "import json, sys, datetime, cds_service\n"
        "cds_service.create_app()\n"
        "answer = cds_service.evaluate(json.load(sys.stdin), as_of=datetime.date(2026, 3, 2))\n"
        "print(len(answer['cards']))\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=SITUATIONS[LOW_MAGNESIUM].body,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"2\n", b"")
