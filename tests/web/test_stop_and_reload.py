"""A service that is asked to end, or to reload, while a call is under way; and what a reload reads again."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.recording_server import RecordingServer
from tests.support.serving import Served, serving, until
from tests.web.calls import TODAY, URL, golden, without
from tests.web.holding import Held, post

pytestmark = pytest.mark.served

PATIENCE = 60.0
IN_TIME: dict[str, Any] = {"fhir_deadline": 60, "fhir_read_timeout": 60, "request_deadline": 60}
"""Settings: nothing ends a call but the FHIR server's answer."""
POLLS = 1200
"""How often something is looked for, a twentieth of a second apart."""


class Waiting:
    """A call that waits for a FHIR server, which answers when it is let."""

    def __init__(self, hold: Held, call: Future[requests.Response]) -> None:
        self._hold, self._call = hold, call

    def answer(self) -> requests.Response:
        """Let the FHIR server answer; what the call is answered."""
        self._hold.released.set()
        return self._call.result(PATIENCE)


@contextmanager
def held(served: Served) -> Iterator[Waiting]:
    """A call that has arrived, and is not answered yet."""
    hold = Held()
    with RecordingServer(hold) as fhir, ThreadPoolExecutor(1) as threads:
        call = threads.submit(post, served, {**without("conditions"), "fhirServer": fhir.url()})
        try:
            assert hold.arrived.wait(PATIENCE)
            yield Waiting(hold, call)
        finally:
            hold.released.set()


def until_told(told: str, served: Served) -> None:
    """Wait until the log says so."""
    try:
        until(lambda: told in served.log, polls=POLLS)
    except AssertionError as never:
        raise AssertionError(f"never told: {told}\n{served.log}") from never


def profiles(served: Served) -> set[str]:
    """The profiles of guidance that its processes have told of."""
    numbers = requests.get(f"{served.url}/metrics", timeout=PATIENCE).text
    return set(re.findall(r'^cds_build_info\{.*profile="([^"]+)"', numbers, re.MULTILINE))


def test_call_under_way_is_answered_before_the_end() -> None:
    """A service that is asked to end takes no new call, answers the one under way, and ends with status 0."""
    with serving(as_of=TODAY, **IN_TIME) as served, held(served) as call:
        served.process.send_signal(signal.SIGTERM)
        until_told("Stopping worker-1", served)
        answer = call.answer()
        status = served.process.wait(PATIENCE)

    assert answer.status_code == 200
    assert answer.json()["cards"]
    assert status == 0


def test_call_under_way_is_answered_by_the_process_that_leaves() -> None:
    """A reload starts a new process first; the old one answers what it has, and then it ends."""
    with serving(as_of=TODAY, **IN_TIME) as served, held(served) as call:
        (before,) = served.workers
        os.kill(served.pid, signal.SIGHUP)
        until_told("Stopping old worker-1", served)
        meanwhile = requests.post(f"{served.url}{URL}", json=golden(), timeout=PATIENCE)
        answer = call.answer()
        until_told("Stopped old worker-1", served)
        (after,) = served.workers

    assert meanwhile.status_code == answer.status_code == 200
    assert before != after


def test_reload_reads_the_file_of_settings(tmp_path: Path) -> None:
    """New processes are those of the file as it is now; the numbers tell of no others."""
    file = tmp_path / "cds.toml"
    file.write_text('profile = "magnesium-aware"\n', encoding="utf-8")
    with serving(as_of=TODAY, config=file) as served:
        assert profiles(served) == {"magnesium-aware"}
        file.write_text('profile = "nam-2011"\n', encoding="utf-8")
        os.kill(served.pid, signal.SIGHUP)
        until_told("Stopped old worker-1", served)

        assert profiles(served) == {"nam-2011"}


def test_reload_of_wrong_settings_is_refused(tmp_path: Path) -> None:
    """With a slip in the file the service goes on as it was, and says what is wrong."""
    file = tmp_path / "cds.toml"
    file.write_text('profile = "magnesium-aware"\n', encoding="utf-8")
    with serving(as_of=TODAY, config=file) as served:
        before = served.workers
        file.write_text('profile = "no-such-profile"\n', encoding="utf-8")
        os.kill(served.pid, signal.SIGHUP)
        until_told("cds-service: not reloaded: profiles.toml: profile = 'no-such-profile'", served)
        answer = requests.post(f"{served.url}{URL}", json=golden(), timeout=PATIENCE)

        assert answer.status_code == 200
        assert served.workers == before
