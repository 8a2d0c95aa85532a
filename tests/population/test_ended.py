"""A run that is ended or has no room leaves nothing behind: neither charts nor half a report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.population.exports import AS_OF, patient, vitamin_d, write

pytestmark = pytest.mark.served
PATIENCE = 60.0
"""Seconds to wait for a process, far more than it takes."""
PATIENTS = 20_000
ROOM = 1024 * 1024


def command(export: Path, *options: str) -> list[str]:
    """The command that reports on *export*."""
    return [sys.executable, "-m", "cds_service", "population", str(export), "--as-of", AS_OF, *options]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of more patients than are read in a moment."""
    folder = tmp_path_factory.mktemp("export")
    write(folder, "Patient.ndjson", [patient(f"p{n}") for n in range(PATIENTS)])
    results = [json.dumps(vitamin_d(f"Patient/p{n}", 8)).encode() for n in range(PATIENTS)]
    write(folder, "Observation.ndjson", results)
    return folder


@pytest.mark.parametrize("processes", ["1", "2"])
def test_sigterm_leaves_nothing(export: Path, tmp_path: Path, processes: str):
    """Ended in the middle, it removes the charts that it sorted, ends its workers and writes no report."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command(export, "--processes", processes), env=environment, stderr=subprocess.PIPE, encoding="utf-8"
    ) as running:
        until = time.monotonic() + PATIENCE
        while not list(tmp_path.glob("cds-population-*/buckets/*")) and time.monotonic() < until:
            os.sched_yield()
        (spill,) = tmp_path.glob("cds-population-*")
        mode = spill.stat().st_mode & 0o777
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=PATIENCE)

    assert mode == 0o700
    assert running.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in said
    assert not Path("population-report").exists()


def test_full_disk(export: Path, tmp_path: Path):
    """Where the charts have no room, that is said in a sentence, and nothing is left."""
    room = tmp_path / "room"
    room.mkdir()
    mount = f'mount -t tmpfs -o size={ROOM} none "$0" && "$@"; status=$?; ls -A "$0"; exit $status'
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, str(room)]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(
        [*inside, *command(export, "--processes", "2")],
        env={**os.environ, "TMPDIR": str(room)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("cds-service: the disk is full, and nothing of this run is left")
    assert "Traceback" not in done.stderr
    assert not Path("population-report").exists()
