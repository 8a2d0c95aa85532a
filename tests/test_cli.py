"""The commands: `serve`, `evaluate` and `check`, and `python -m cds_service`."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.settings import Settings
from tests.support.fixtures import FOLDER, ROOT, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AS_OF = "2026-03-02"
LOW_MAGNESIUM = FOLDER / "vector-v02-deficient-nmol-low-magnesium" / "request.json"
NORMAL = FOLDER / "normal-patient-no-card" / "request.json"
KIDNEY = FOLDER / "nkf-2018-overlay-pth-normal" / "request.json"
PATIENCE = 30.0
"""Seconds to wait for a process, far more than it takes."""


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of whoever runs the tests count for none of them."""
    for name in [name for name in os.environ if name.upper().startswith("CDS_")]:
        monkeypatch.delenv(name)


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


@pytest.mark.parametrize(
    "name",
    [
        "vector-v02-deficient-nmol-low-magnesium",
        "normal-patient-no-card",
        "severe-hypomagnesaemia-with-deficiency",
        "folded-info-cards",
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


def test_evaluate_as_of_is_the_day_of_the_answer(capsys: pytest.CaptureFixture[str]):
    """`--as-of` is the day: two years later the same results are too old to act on."""
    assert main(["evaluate", str(LOW_MAGNESIUM), "--as-of", "2028-03-02"]) == 0

    response = json.loads(capsys.readouterr().out)
    assert "vitamin-d-stale" in topics(response)
    assert without_ids(over_http(LOW_MAGNESIUM, as_of=date(2028, 3, 2))) == without_ids(response)


def test_evaluate_options_win_over_settings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """What is asked for on the command line wins over the environment."""
    monkeypatch.setenv("CDS_AS_OF", "2028-03-02")
    monkeypatch.setenv("CDS_PROFILE", "nam-2011")

    assert main(["evaluate", str(LOW_MAGNESIUM), "--as-of", AS_OF, "--profile", "magnesium-aware"]) == 0
    assert without_ids(over_http(LOW_MAGNESIUM)) == without_ids(json.loads(capsys.readouterr().out))


def test_evaluate_profile(capsys: pytest.CaptureFixture[str]):
    """`--profile` chooses the guidance: 14 ng/mL is deficient in one and insufficient in the other."""
    assert main(["evaluate", str(LOW_MAGNESIUM), "--as-of", AS_OF, "--profile", "nam-2011"]) == 0

    response = json.loads(capsys.readouterr().out)
    assert "vitamin-d-insufficiency" in topics(response)
    assert without_ids(over_http(LOW_MAGNESIUM, profile="nam-2011")) == without_ids(response)


def test_evaluate_ckd_overlay(capsys: pytest.CaptureFixture[str]):
    """`--ckd-overlay` chooses the overlay for kidney disease."""
    answers = {}
    for overlay in ("kdoqi-2003", "nkf-2018"):
        assert main(["evaluate", str(KIDNEY), "--as-of", AS_OF, "--ckd-overlay", overlay]) == 0
        answers[overlay] = without_ids(json.loads(capsys.readouterr().out))
        assert without_ids(over_http(KIDNEY, ckd_overlay=overlay)) == answers[overlay]

    assert answers["kdoqi-2003"] != answers["nkf-2018"]


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


def test_evaluate_explain_is_written_for_people(capsys: pytest.CaptureFixture[str]):
    """A line of the trace is an id, yes or no, and words: nothing of Python, no space at its end."""
    for request in (NORMAL, LOW_MAGNESIUM):
        main(["evaluate", str(request), "--as-of", AS_OF, "--explain"])

        for line in capsys.readouterr().err.splitlines():
            assert re.fullmatch(r"(prefetch \w+: .*|\S+( \d)?: (yes|no): \S.*)(?<!\s)", line), line
            assert not re.search(r"\b(None|True|False|Decimal)\b", line), line


@pytest.mark.parametrize("rule", [f"R{number}" for number in range(1, 20)])
def test_evaluate_explain_names_every_rule(rule: str, capsys: pytest.CaptureFixture[str]):
    """The trace names R1 to R19, fired or not, with the fact that decided (section 1 of the decision table)."""
    main(["evaluate", str(NORMAL), "--as-of", AS_OF, "--explain"])

    assert re.search(rf"^{rule}\w?: (yes|no): \S", capsys.readouterr().err, re.MULTILINE)


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
    """Where an order is withheld, the trace names the gate and its reason."""
    request = FOLDER / "vector-v14-dialysis-deficient-no-drug" / "request.json"

    assert main(["evaluate", str(request), "--as-of", AS_OF, "--explain"]) == 0
    assert re.search(r"^G-KID: yes: closed: ", capsys.readouterr().err, re.MULTILINE)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", "invalid", "not valid JSON"),
        (b"[]", "invalid", "must be a JSON object"),
        (b"{}", "invalid", "context"),
        (
            b'{"hook":"order-sign","hookInstance":"x","context":{"userId":"Practitioner/1","patientId":"1"}}',
            "invalid",
            "order-sign",
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


def test_evaluate_refuses_another_patient(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """A record of another patient is refused, as over HTTP."""
    request = json.loads(LOW_MAGNESIUM.read_text(encoding="utf-8"))
    request["context"]["patientId"] = "somebody-else"
    say(monkeypatch, json.dumps(request).encode())

    assert main(["evaluate", "-", "--as-of", AS_OF]) == 2
    assert json.loads(capsys.readouterr().err)["issue"][0]["code"] == "business-rule"


def test_evaluate_unreadable_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """A file that cannot be read is named on standard error; the exit status is 2."""
    for path in (tmp_path / "no-such-file.json", tmp_path):
        status = main(["evaluate", str(path), "--as-of", AS_OF])

        out, err = capsys.readouterr()
        assert (status, out) == (2, "")
        assert str(path) in err
        assert "Traceback" not in err


@pytest.mark.parametrize("day", ["2026-02-30", "02.03.2026", "today", ""])
def test_evaluate_bad_date(day: str, capsys: pytest.CaptureFixture[str]):
    """A date that is none is named, with the form that is expected; the exit status is 2."""
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(LOW_MAGNESIUM), "--as-of", day])

    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert f"{day!r} is not a date YYYY-MM-DD" in err


@pytest.mark.parametrize(("option", "known"), [("--profile", "nam-2011"), ("--ckd-overlay", "nkf-2018")])
def test_evaluate_unknown_guidance(option: str, known: str, capsys: pytest.CaptureFixture[str]):
    """An unknown profile or overlay is refused with the names there are."""
    status = main(["evaluate", str(LOW_MAGNESIUM), option, "no-such-name"])

    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert "no-such-name" in err
    assert known in err


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["evaluate"], ["evaluate", "a", "b"], ["check", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    """A wrong command line is answered with the usage on standard error and exit status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert err.startswith("usage: cds-service")


@pytest.mark.parametrize("command", ["serve", "evaluate", "check"])
def test_help_lists_commands(command: str, capsys: pytest.CaptureFixture[str]):
    """`--help` lists each command, and each command has a help of its own."""
    for arguments in (["--help"], [command, "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)

        assert stopped.value.code == 0
        assert command in capsys.readouterr().out


# check


def test_check_says_that_all_is_well(capsys: pytest.CaptureFixture[str]):
    """Sound settings and guidance: one line that says so, and exit status 0."""
    status = main(["check"])

    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert "sound" in out
    assert "magnesium-aware" in out


@pytest.mark.parametrize(
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


def environment(**given: str) -> dict[str, str]:
    """The environment of a process: the settings *given* and no other."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("CDS_")}, **given}


def run(*arguments: str, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m cds_service` with *arguments*."""
    return subprocess.run(
        [sys.executable, "-m", "cds_service", *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env=environment(**settings),
        timeout=PATIENCE,
        check=False,
    )


def test_module_is_the_command():
    """`python -m cds_service` is `cds-service`: standard input in, response out, exit status 0."""
    done = run("evaluate", "-", "--as-of", AS_OF, stdin=LOW_MAGNESIUM.read_bytes())

    assert (done.returncode, done.stderr) == (0, b"")
    assert without_ids(over_http(LOW_MAGNESIUM)) == without_ids(json.loads(done.stdout))


def test_module_hands_on_the_exit_status():
    """Its exit status is that of the command."""
    done = run("check", CDS_MAX_CARDS="0")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"CDS_MAX_CARDS" in done.stderr


def test_output_is_utf8_wherever_it_goes():
    """A response with a sign that is not ASCII can be printed where the locale is the plain one."""
    done = run("evaluate", str(LOW_MAGNESIUM), "--as-of", AS_OF, LC_ALL="C", LANG="C")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cards"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Status and JSON body of one request to the server on *port*."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def until_it_answers(process: subprocess.Popen[str], port: int) -> None:
    """Wait until the server on *port* answers; fail if its process ends, or after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            ask(port, "GET", "/healthz")
        except OSError:
            assert time.monotonic() < deadline, "the server did not answer in time"
        else:
            return
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the server ended with status {process.returncode}")


@contextmanager
def served(port: int) -> Iterator[subprocess.Popen[str]]:
    """A server of its own process on *port*."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment(CDS_AS_OF=AS_OF),
        encoding="utf-8",
    )
    with process:
        try:
            until_it_answers(process, port)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def test_serve_serves():
    """`serve` answers discovery, a golden request and the health check, says where, and ends cleanly when asked to."""
    port = free_port()

    with served(port) as process:
        status, discovery = ask(port, "GET", "/cds-services")
        assert (status, [service["id"] for service in discovery["services"]]) == (200, [SERVICE])

        status, response = ask(port, "POST", f"/cds-services/{SERVICE}", LOW_MAGNESIUM.read_bytes())
        assert status == 200
        assert without_ids(over_http(LOW_MAGNESIUM)) == without_ids(response)

        assert ask(port, "GET", "/healthz") == (200, {"status": "ok"})
        assert process.poll() is None

        process.terminate()
        out, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0
    assert f"Serving on http://127.0.0.1:{port}/cds-services" in out
    with pytest.raises(ConnectionRefusedError):
        ask(port, "GET", "/healthz")
