"""FHIR R4 validation with HAPI's validator, the Maven project in tests/fhir_validator.

It checks what fhir.resources does not: bound codes, UCUM units, invariants; and whether HAPI's own classes of CDS
Hooks read what a service answers. Once Maven has its jars, it needs no network.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_PROJECT = _ROOT / "tests" / "fhir_validator"
_CACHE = _ROOT / ".cache" / "fhir-validator"  # where its pom.xml builds
_STAMP = _CACHE / "built-from"

# A short run is quickest without the optimising compiler and the parallel collector.
_JAVA = ("java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def missing() -> str | None:
    """Say which of the tools is not installed, or None when validation can run."""
    absent = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


Named = Iterable[tuple[str, dict[str, Any]]]


def validate(resources: Named, responses: Named = ()) -> dict[str, list[str]]:
    """Validate named resources, and read responses of services, in one Java process: name -> error messages.

    The first call builds the validator, which takes a minute; the next ones find it in .cache/.
    """
    lines: dict[str, str] = {}
    for kind, named in (("resource", resources), ("response", responses)):
        for name, content in named:
            if name in lines:
                raise ValueError(f"Two are named {name!r}")
            lines[name] = json.dumps({"name": name, kind: content})
    _build()
    command = [*_JAVA, "-cp", f"{_CACHE / 'classes'}:{_CACHE / 'lib' / '*'}", "validator.Main"]
    answers = [json.loads(line) for line in _run(command, "\n".join(lines.values())).splitlines()]
    errors = {answer["name"]: answer["errors"] for answer in answers}
    if errors.keys() != lines.keys():
        raise RuntimeError(f"The validator did not answer for: {', '.join(lines.keys() - errors.keys())}")
    return errors


def _build() -> None:
    sources = [_PROJECT / "pom.xml", *sorted(_PROJECT.rglob("*.java"))]
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == digest:
        return
    shutil.rmtree(_CACHE, ignore_errors=True)
    _run(["mvn", "-B", "-q", "-f", str(_PROJECT), "compile", "dependency:copy-dependencies"])
    _STAMP.write_text(digest)


def _run(command: list[str], stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout
