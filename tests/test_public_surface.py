"""The public surface: `create_app` and `evaluate`, with what they take, return and raise, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest

import cds_service
from cds_service.cli import main
from cds_service.errors import MalformedRequest, PrefetchUnavailable, StartupError, WrongPatient
from cds_service.settings import Settings
from tests.support.fixtures import SERVICE, situations
from tests.support.for_each import for_each
from tests.test_cli import topics, without_ids

AS_OF = date(2026, 3, 2)
SITUATIONS = {situation.name: situation for situation in situations()}
ERRORS = {
    "CdsError",
    "GuidanceError",
    "InvalidFhir",
    "MalformedRequest",
    "PrefetchUnavailable",
    "RequestError",
    "SettingsError",
    "StartupError",
    "TooManyResources",
    "WrongPatient",
}
LOW_MAGNESIUM = "vector-v02-deficient-nmol-low-magnesium"


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
    """Both functions, their settings, what `evaluate` returns, the errors to catch and the version; each is told."""
    errors = {name for name in cds_service.__all__ if isinstance(getattr(cds_service, name), type) and name in ERRORS}

    assert errors == ERRORS
    assert (
        set(cds_service.__all__) == {"Card", "Response", "Settings", "__version__", "create_app", "evaluate"} | ERRORS
    )
    assert all(getattr(cds_service, name).__doc__ for name in cds_service.__all__)
    assert all(issubclass(getattr(cds_service, name), cds_service.CdsError) for name in ERRORS)
    assert set(cds_service.__all__) <= set(dir(cds_service))


def test_misspelled_name():
    """A name that is none is an error, and whoever checks types is told of it: or the comment here would be unused."""
    with pytest.raises(AttributeError, match="creat_app"):
        _ = cds_service.creat_app  # type: ignore[attr-defined]


def test_version(capsys: pytest.CaptureFixture[str]):
    """The version is that of the installed package, and `cds-service --version` prints it."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{cds_service.__version__}\n"
    assert cds_service.__version__ == version("vitamin-d-magnesium-cds")


def test_result_is_typed():
    """The members of what `evaluate` returns, and of a card, are those that are declared."""
    answer = cds_service.evaluate(request(), as_of=AS_OF)

    assert answer.keys() <= cds_service.Response.__annotations__.keys()
    assert len(answer["cards"]) == 2
    for card in answer["cards"]:
        assert card.keys() <= cds_service.Card.__annotations__.keys()


@for_each("name", list(SITUATIONS)[::20])
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


def test_evaluate_reads_settings(monkeypatch: pytest.MonkeyPatch):
    """What is not given comes from the settings; what is given wins."""
    monkeypatch.setenv("CDS_AS_OF", "2026-03-02")
    monkeypatch.setenv("CDS_PROFILE", "nam-2011")

    assert "vitamin-d-insufficiency" in topics(cds_service.evaluate(request()))
    assert "vitamin-d-deficiency" in topics(cds_service.evaluate(request(), profile="magnesium-aware"))
    assert "magnesium-low" not in topics(cds_service.evaluate(request(), as_of=date(2028, 3, 2)))


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


def test_no_warnings_in_use():
    """Building an application, a call over HTTP and an evaluation warn of nothing."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        over_http(as_of=AS_OF)
        cds_service.evaluate(request(), as_of=AS_OF)

    assert [str(warning.message) for warning in raised] == []


@pytest.mark.served
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
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"2\n", b"")
