"""The commands: `serve`, `evaluate` and `check`, and `python -m cds_service`."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.settings import Settings
from tests.support import patients
from tests.support.fixtures import FOLDER, SERVICE
from tests.support.for_each import for_each
from tests.support.serving import serving, until
from tests.support.tokens import Issuer, write_registry

AS_OF = "2026-03-02"
LOW_MAGNESIUM = FOLDER / "vector-v02-deficient-nmol-low-magnesium" / "request.json"
NORMAL = FOLDER / "normal-patient-no-card" / "request.json"
PATIENCE = 30.0
"""Seconds to wait for a process, far more than it takes."""


def over_http(request: Path, **given: Any) -> Any:
    """What the HTTP service answers to the file *request*."""
    settings = Settings(**{"as_of": date.fromisoformat(AS_OF), "profile": "magnesium-aware", **given})
    path = f"/cds-services/{SERVICE}"
    response = create_app(settings).test_client().post(path, data=request.read_bytes(), content_type="application/json")
    return json.loads(response.data)


def without_ids(value: Any) -> Any:
    """A response without what is new in each: uuids and the temporary ids of drafts."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != "uuid" and not (k == "id" and "resourceType" in value)}
        return {key: without_ids(item) for key, item in kept.items()}
    return [without_ids(item) for item in value] if isinstance(value, list) else value


def topics(response: Any) -> list[str]:
    """The topics of the cards."""
    return [card["source"]["topic"]["code"] for card in response["cards"]]


def say(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    """Put *text* on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"))


# evaluate


@for_each(
    "name",
    [
        "vector-v02-deficient-nmol-low-magnesium",
        "normal-patient-no-card",
        "severe-hypomagnesaemia-with-deficiency",
        "sarcoidosis-hold",
    ],
)
def test_evaluate_prints_what_http_answers(name: str, capsys: pytest.CaptureFixture[str]):
    """`evaluate` prints the response of the HTTP service, and nothing else."""
    request = FOLDER / name / "request.json"

    status = main(["evaluate", str(request), "--as-of", AS_OF])

    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert without_ids(over_http(request)) == without_ids(json.loads(out))


def test_evaluate_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """`-` is standard input."""
    say(monkeypatch, LOW_MAGNESIUM.read_bytes())

    assert main(["evaluate", "-", "--as-of", AS_OF]) == 0
    assert without_ids(over_http(LOW_MAGNESIUM)) == without_ids(json.loads(capsys.readouterr().out))


def test_evaluate_explain_keeps_the_response_clean(capsys: pytest.CaptureFixture[str]):
    """`--explain` prints the trace on standard error; standard output is the response as before."""
    assert main(["evaluate", str(LOW_MAGNESIUM), "--as-of", AS_OF, "--explain"]) == 0

    out, err = capsys.readouterr()
    assert without_ids(over_http(LOW_MAGNESIUM)) == without_ids(json.loads(out))
    assert re.search(r"^D:K-DDEF: yes: ", err, re.MULTILINE)
    assert re.search(r"^M:K-MGLOW: yes: ", err, re.MULTILINE)


def test_evaluate_explain_says_why_there_is_no_card(capsys: pytest.CaptureFixture[str]):
    """For a normal patient the trace tells each result, its band, and that no row of either map answers."""
    assert main(["evaluate", str(NORMAL), "--as-of", AS_OF, "--explain"]) == 0

    out, err = capsys.readouterr()
    assert json.loads(out) == {"cards": []}
    assert re.search(r"^D: yes: OK: 36 ng/mL .*2026-02-20", err, re.MULTILINE)
    assert re.search(r"^M: yes: NORM: 0.91 mmol/L .*2026-02-20", err, re.MULTILINE)
    assert re.search(r"^D:none: no: .*OK", err, re.MULTILINE)
    assert re.search(r"^M:none: no: .*NORM", err, re.MULTILINE)


def test_evaluate_explain_is_written_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """A line of the trace is an id, yes or no (not of a gate), and words: nothing of Python, no space at its end."""
    undated = tmp_path / "undated.json"
    undated.write_bytes(patients.request(vitamin_d=[patients.vitd("25", day=None)], kidney=[]))
    for request in (NORMAL, LOW_MAGNESIUM, undated):
        main(["evaluate", str(request), "--as-of", AS_OF, "--explain"])

        for line in capsys.readouterr().err.splitlines():
            assert re.fullmatch(r"(prefetch \w+: .*|G-\S+: \S.*|\S+( \d)?: (yes|no): \S.*)(?<!\s)", line), line
            assert not re.search(r"\b(None|True|False|Decimal|G0)\b", line), line


def test_evaluate_explain_names_every_rule(capsys: pytest.CaptureFixture[str]):
    """The trace names R1 to R19, fired or not, with the fact that decided (section 1 of the decision table)."""
    main(["evaluate", str(NORMAL), "--as-of", AS_OF, "--explain"])

    told = capsys.readouterr().err
    for rule in range(1, 20):
        assert re.search(rf"^R{rule}\w?: (yes|no): \S", told, re.MULTILINE), rule


def test_evaluate_explain_names_each_prefetch_key(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """The trace tells what was known of each prefetch key; one that was not sent is missing."""
    request = json.loads(NORMAL.read_text(encoding="utf-8"))
    del request["prefetch"]["kidney"]
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request), encoding="utf-8")

    assert main(["evaluate", str(file), "--as-of", AS_OF, "--explain"]) == 0

    err = capsys.readouterr().err
    assert "prefetch vitaminD: prefetched\n" in err
    assert "prefetch kidney: missing (" in err


def test_evaluate_explain_names_closed_gates(capsys: pytest.CaptureFixture[str]):
    """Where an order is withheld, the trace names the gate and its sentence, never a key of the wording."""
    request = FOLDER / "vector-v14-dialysis-deficient-no-drug" / "request.json"

    assert main(["evaluate", str(request), "--as-of", AS_OF, "--explain"]) == 0
    told = capsys.readouterr().err
    assert "\nG-KID: kidney failure, dialysis or transplant: specialist decision\n" in told
    assert not re.search(r"\b(gate|hold|problem|trigger|soft|say)\.[a-zA-Z0-9]", told)


@for_each(
    ("body", "code", "words"),
    [
        (b"{", "invalid", "not valid JSON"),
        (b"[]", "invalid", "must be a JSON object"),
        (b"{}", "invalid", "context"),
        (
            b'{"hook":"appointment-book","hookInstance":"x","context":{"userId":"Practitioner/1","patientId":"1"}}',
            "invalid",
            "appointment-book",
        ),
        (
            b'{"hook":"patient-view","hookInstance":"x","context":{"userId":"Practitioner/1","patientId":"1"}}',
            "required",
            "vitaminD",
        ),
    ],
)
def test_evaluate_refuses_with_an_outcome(
    body: bytes, code: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """An error is an OperationOutcome on standard error, exit status 2 and nothing on standard output."""
    say(monkeypatch, body)

    status = main(["evaluate", "-", "--as-of", AS_OF])

    out, err = capsys.readouterr()
    outcome = json.loads(err)
    (issue,) = outcome["issue"]
    assert (status, out) == (2, "")
    assert outcome["resourceType"] == "OperationOutcome"
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert words in issue["diagnostics"]


def test_evaluate_unreadable_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """A file that cannot be read is named on standard error; the exit status is 2."""
    for path in (tmp_path / "no-such-file.json", tmp_path):
        status = main(["evaluate", str(path), "--as-of", AS_OF])

        out, err = capsys.readouterr()
        assert (status, out) == (2, "")
        assert str(path) in err
        assert "Traceback" not in err


@for_each("day", ["2026-02-30", "02.03.2026", "today", ""])
def test_evaluate_bad_date(day: str, capsys: pytest.CaptureFixture[str]):
    """A date that is none is named, with the form that is expected; the exit status is 2."""
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(LOW_MAGNESIUM), "--as-of", day])

    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert f"{day!r} is not a date YYYY-MM-DD" in err


@for_each("arguments", [[], ["no-such-command"], ["evaluate"], ["evaluate", "a", "b"], ["check", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    """A wrong command line is answered with the usage on standard error and exit status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert err.startswith("usage: cds-service")


# check


def test_check_says_that_all_is_well(capsys: pytest.CaptureFixture[str]):
    """Sound settings and guidance: one line that says so, and exit status 0."""
    status = main(["check"])

    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert "sound" in out
    assert "magnesium-aware" in out


@for_each(
    ("auth", "of_client", "told"),
    [
        ("off", {}, "those of this machine, over http"),
        ("jwt", {}, "none is called, and what is not prefetched is missing (set CDS_FHIR_SERVERS"),
        ("jwt", {"fhir_servers": []}, "none is called"),
        ("jwt", {"fhir_servers": ["b.example"]}, "b.example."),
    ],
)
def test_check_says_which_servers_are_called(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    auth: str,
    of_client: dict[str, Any],
    told: str,
):
    """With clients and no server named none is called, and `check` says what to set."""
    entry = Issuer("c", "https://c.example", of_client).entry
    monkeypatch.setenv("CDS_AUTH", auth)
    monkeypatch.setenv("CDS_CLIENTS", str(write_registry(tmp_path / "clients.toml", entry)))
    monkeypatch.setenv("CDS_PUBLIC_URL", "https://cds.example.org")
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{tmp_path}/db")

    assert main(["check"]) == 0
    assert f"FHIR servers: {told}" in capsys.readouterr().out


@for_each(
    ("name", "value", "expected"),
    [
        ("CDS_MAX_CARDS", "0", "greater than or equal to 1"),
        ("CDS_MAX_CARDS", "four", "integer"),
        ("CDS_AS_OF", "2026-02-30", "date"),
        ("CDS_TIMEZONE", "Mars/Olympus", "time zone"),
        ("CDS_D3_IS_TOTAL", "perhaps", "boolean"),
        ("CDS_MAX_CARD", "3", "CDS_MAX_CARDS"),
        ("CDS_CONFIG", "no-such-file.toml", "no such file"),
        ("CDS_PROFILE", "endocrine-1999", "endocrine-2024"),
        ("CDS_CKD_OVERLAY", "kdigo-1999", "nkf-2018"),
    ],
)
def test_check_says_what_is_wrong(
    name: str, value: str, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """A bad setting: its name or value and what was expected on standard error, exit status 2, no traceback."""
    monkeypatch.setenv(name, value)

    status = main(["check"])

    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert name in err or value in err
    assert expected in err
    assert "Traceback" not in err


def test_serve_refuses_a_bad_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """`serve` says what is wrong before any server starts."""
    monkeypatch.setenv("CDS_MAX_CARDS", "0")

    assert main(["serve", "--port", "0"]) == 2
    assert "CDS_MAX_CARDS" in capsys.readouterr().err


# Processes


def run(*arguments: str, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m cds_service` with *arguments*."""
    return subprocess.run(
        [sys.executable, "-m", "cds_service", *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, **settings},
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.served
def test_module_is_the_command():
    """`python -m cds_service` is `cds-service`: standard input in, response out, exit status 0."""
    done = run("evaluate", "-", "--as-of", AS_OF, stdin=LOW_MAGNESIUM.read_bytes())

    assert (done.returncode, done.stderr) == (0, b"")
    assert without_ids(over_http(LOW_MAGNESIUM)) == without_ids(json.loads(done.stdout))


@pytest.mark.served
def test_module_hands_on_the_exit_status():
    """Its exit status is that of the command."""
    done = run("check", CDS_MAX_CARDS="0")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"CDS_MAX_CARDS" in done.stderr


@pytest.mark.served
def test_output_is_utf8_wherever_it_goes():
    """A response with a sign that is not ASCII can be printed where the locale is the plain one."""
    done = run("evaluate", str(LOW_MAGNESIUM), "--as-of", AS_OF, LC_ALL="C", LANG="C")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cards"]


@pytest.mark.served
def test_serve_serves():
    """`serve` answers discovery, a golden request and the health check, says where, and ends cleanly when asked to.

    On this machine it knows its own address: cards link the pages behind them.
    """
    with serving(as_of=AS_OF) as served:
        discovery = requests.get(f"{served.url}/cds-services", timeout=PATIENCE).json()
        response = requests.post(
            f"{served.url}/cds-services/{SERVICE}",
            data=LOW_MAGNESIUM.read_bytes(),
            headers={"Content-Type": "application/json"},
            timeout=PATIENCE,
        )
        health = requests.get(f"{served.url}/healthz", timeout=PATIENCE)

        until(lambda: served.log.endswith(f"Open {served.url}/ in a browser\n"))
        assert served.log.index(f"Serving on {served.url}/cds-services\n") < served.log.index("Open ")
        assert "[INFO]" not in served.log
        assert served.stop() == 0
    cards = response.json()["cards"]
    pages = [card["links"].pop(0)["url"] for card in cards]
    assert pages == [f"{served.url}/about/{card['source']['topic']['code']}" for card in cards]
    assert [service["id"] for service in discovery["services"]] == [
        SERVICE,
        f"{SERVICE}-order-select",
        f"{SERVICE}-order-sign",
    ]
    assert without_ids(over_http(LOW_MAGNESIUM)) == without_ids({"cards": cards})
    assert health.json() == {"status": "ok"}
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{served.url}/healthz", timeout=PATIENCE)
