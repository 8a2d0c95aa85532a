"""The peers of the comparison kit: set up by its own script, started from where it stands, never copied."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import BARE, DUTIES, HAPI, HEALTHCHAIN, Spec, Unusable, end
from tests.support.serving import start

NAMES = {"bare": BARE, "duties": DUTIES, "healthchain": HEALTHCHAIN, "hapi": HAPI}
"""How the peers are chosen (PEERS), and how they are called in the table."""
STEPS = {"bare": "venv", "duties": "venv", "healthchain": "healthchain", "hapi": "hapi"}
"""The step of the kit's script that sets each up."""
SMALL = {"bare": "flask_msgspec", "duties": "flask_duties"}
"""The small servers, which are started alike."""
LEFT_OUT = ("node", "go", "cql")
"""Steps for peers that are not compared here."""
PATH = "/cds-services/mg-vitd"
VERSIONS = (
    "import sys; from importlib.metadata import version; print(', '.join(f'{n} {version(n)}' for n in sys.argv[1:]))"
)


def why_not(peer: str, kit: Path) -> str | None:
    """Why *peer* cannot be had here; `None` where it may be."""
    if not (kit / "run.sh").is_file():
        return "the comparison kit is not there (BENCH_KIT)"
    if peer == "hapi" and not (shutil.which("java") and shutil.which("mvn")):
        return "Java and Maven are not there"
    return None


def set_up(kit: Path, work: Path, peers: Sequence[str]) -> None:
    """Install *peers* into *work* with the kit's script, those that are not there yet; its output goes to a log.

    Raises:
        Unusable: a step failed.
    """
    if all(_mark(work, STEPS[peer]).exists() for peer in peers):
        return
    skipped = {*LEFT_OUT, *STEPS.values()} - {STEPS[peer] for peer in peers}
    log = work / "set-up.log"
    variables = {"PERF_WORK": str(work), "PEERS": "none", "SIZES": "small", "CONC": "1", "ROUNDS": "1"}
    with _marked(work, skipped):
        process = start([kit / "run.sh"], work, log, {**os.environ, **variables})
        try:
            failed = process.wait() != 0
        finally:
            end(process)
    if failed:
        raise Unusable(f"the peers could not be set up, see {log}")


@contextmanager
def _marked(work: Path, steps: Iterable[str]) -> Iterator[None]:
    """Let the kit's script take *steps* for done, for as long as it runs."""
    made = [mark for mark in (_mark(work, step) for step in steps) if not mark.exists()]
    for mark in made:
        mark.touch()
    try:
        yield
    finally:
        for mark in made:
            mark.unlink(missing_ok=True)


def _mark(work: Path, step: str) -> Path:
    return work / f".done-{step}"


def spec(peer: str, kit: Path, work: Path) -> Spec:
    """How *peer* is started: as in the kit, and nothing is written into it."""
    folder, quiet = kit / "peers" / "python", {"PYTHONDONTWRITEBYTECODE": "1"}
    if peer in SMALL:
        gunicorn = f"{work}/venv/bin/gunicorn -b 127.0.0.1:{{port}} -w 1 -k gthread --threads 4 --keep-alive 30"
        command = [*gunicorn.split(), "--log-level", "warning", f"{SMALL[peer]}:app"]
        return Spec(NAMES[peer], command, PATH, folder, quiet)
    if peer == "healthchain":
        command = [f"{work}/hc/bin/python", "healthchain_app.py", "{port}"]
        return Spec(NAMES[peer], command, f"/cds{PATH}", folder, quiet)
    classes = f"{work}/hapi/target/classes:{work}/hapi/target/lib/*"
    return Spec(NAMES[peer], ["java", "-cp", classes, "perf.Main", "{port}"], PATH, work / "hapi", warm_up=5)


def versions(work: Path) -> Mapping[str, str]:
    """What each peer that is installed consists of."""
    found = {
        BARE: _python(work / "venv", "flask", "msgspec", "gunicorn"),
        DUTIES: _python(work / "venv", "flask", "msgspec", "gunicorn", "prometheus_client"),
        HEALTHCHAIN: _python(work / "hc", "healthchain", "fhir.resources", "uvicorn"),
        HAPI: _hapi(work / "hapi" / "target" / "lib"),
    }
    return {name: told for name, told in found.items() if told}


def _python(environment: Path, *packages: str) -> str:
    python = environment / "bin" / "python"
    return _printed([str(python), "-c", VERSIONS, *packages]) if python.exists() else ""


def _hapi(libraries: Path) -> str:
    jars = sorted(file.stem for file in libraries.glob("hapi-fhir-server-cds-hooks-*.jar"))
    if not jars or not shutil.which("java"):
        return ""
    return f"{jars[0]}, {_printed(['java', '-version']).splitlines()[0]}"


def _printed(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()
