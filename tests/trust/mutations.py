"""Takes one guard after the other out of a copy of the service, and runs the attack suite against the copy.

Run as `.venv/bin/python tests/trust/mutations.py`: a line for each guard, and status 1 where the suite did not notice.
`EVERY=3` takes every third.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SUITE = "tests/trust/test_attacks.py"
TOKENS, KEYS, REPLAYS, WEB = "trust/tokens.py", "trust/keys.py", "trust/replays.py", "web/trust.py"
FOUND, NOT_THE_COPY = 1, 99
PLUGIN = f"""
import os, pytest, cds_service

def pytest_collection_finish(session):
    if not cds_service.__file__.startswith(os.environ["COPY_OF_SERVICE"]):
        pytest.exit("the copy is not what is imported", returncode={NOT_THE_COPY})
"""
OPTIONS = 'options={"require": list(REQUIRED)},'


class Mutation(NamedTuple):
    """A guard: where it stands, and what stands there without it."""

    name: str
    file: str
    text: str
    replacement: str


def _option(name: str) -> Mutation:
    return Mutation(name, TOKENS, OPTIONS, f'options={{"require": list(REQUIRED), "{name}": False}},')


def _off(name: str, file: str, condition: str) -> Mutation:
    return Mutation(name, file, f"if {condition}:", "if False:")


MUTATIONS = (
    Mutation(
        "verify_signature",
        TOKENS,
        OPTIONS,
        'options={"require": list(REQUIRED), "verify_signature": False, "verify_aud": True, "verify_exp": True, '
        '"verify_iat": True, "verify_nbf": True},',
    ),
    _option("verify_aud"),
    _option("verify_exp"),
    _option("verify_iat"),
    _option("verify_nbf"),
    Mutation("no leeway", TOKENS, "leeway=client.clock_skew,", "leeway=0,"),
    Mutation("leeway for all", TOKENS, "leeway=client.clock_skew,", "leeway=60,"),
    Mutation("too much leeway", TOKENS, "leeway=client.clock_skew,", "leeway=client.clock_skew + 60,"),
    _off("scheme", TOKENS, 'scheme.lower() != "bearer" or not token'),
    _off("length of the token", TOKENS, "len(token) > LONGEST_TOKEN"),
    _off("typ", TOKENS, 'header.get("typ") != "JWT"'),
    _off("crit", TOKENS, '"crit" in header'),
    Mutation("alg and kid are there", TOKENS, 'for name in ("alg", "kid", "jku"):', 'for name in ("jku",):'),
    Mutation("iss is text", TOKENS, 'for name in ("iss", "jti"):', 'for name in ("jti",):'),
    Mutation("jti is text", TOKENS, 'for name in ("iss", "jti"):', 'for name in ("iss",):'),
    _off("length of jti", TOKENS, 'len(claims["jti"]) > LONGEST_JTI'),
    Mutation("moments", TOKENS, "if not number or not 0 <= value <= LATEST:", "if False:"),
    Mutation(
        "a moment is no boolean", TOKENS, "isinstance(value, int | float) and not isinstance(value, bool)", "True"
    ),
    Mutation("bounds of a moment", TOKENS, "not 0 <= value <= LATEST", "False"),
    _off("tenant is text", TOKENS, 'claims.get("tenant") is not None and not isinstance(claims["tenant"], str)'),
    _off("unknown iss", TOKENS, "client is None"),
    _off("algorithms of the client", TOKENS, "algorithm not in client.algorithms"),
    _off("jku", TOKENS, '"jku" in header and header["jku"] != client.jku'),
    _off("unknown kid", TOKENS, "key is None"),
    Mutation("algorithms of the key", KEYS, "key is not None and algorithm in key.algorithms", "key is not None"),
    _off("age", TOKENS, 'claims["exp"] - claims["iat"] > client.max_token_age'),
    _off("tenant", TOKENS, "client.tenants and tenant not in client.tenants"),
    _off("origin", TOKENS, "origin is not None and client.origins is not None and origin not in client.origins"),
    _off("replay", TOKENS, 'not self.seen.first_time(client.iss, claims["jti"], claims["exp"] + client.clock_skew)'),
    Mutation("replay within the skew", TOKENS, 'claims["exp"] + client.clock_skew', 'claims["exp"]'),
    Mutation(
        "remembered last",
        TOKENS,
        "        claims = _verified(token, key, client, algorithm, urls)\n",
        '        claims = _claims(token)\n        self.seen.first_time(client.iss, claims["jti"] + "x", 4e9)\n'
        '        if not self.seen.first_time(client.iss, claims["jti"] + "y", 4e9):\n'
        '            raise Untrusted("jti", "this token has been used before")\n'
        "        claims = _verified(token, key, client, algorithm, urls)\n",
    ),
    Mutation("jti of each client", REPLAYS, 'f"{len(iss)}:{iss}{jti}"', "jti"),
    Mutation("length of iss", REPLAYS, 'f"{len(iss)}:{iss}{jti}"', 'f"{iss}{jti}"'),
    Mutation("forgotten", REPLAYS, "SEEN_TOKEN.c.expires < int(time.time())", "SEEN_TOKEN.c.expires < 0"),
    Mutation("discovery is guarded", WEB, 'path == GUARDED or path.startswith(f"{GUARDED}/")', 'f"{GUARDED}/" in path'),
    Mutation("services are guarded", WEB, 'path == GUARDED or path.startswith(f"{GUARDED}/")', "path == GUARDED"),
    Mutation("preflights are open", WEB, 'or request.method == "OPTIONS" ', ""),
    Mutation("public URL", WEB, 'plain = f"{public_url}{request.path}"', "plain = request.base_url"),
    Mutation("host of the request", WEB, 'f"{public_url}{as_called}"', 'f"https://{request.host}{as_called}"'),
    Mutation("one URL", WEB, 'f"{public_url}{as_called}"', 'f"{public_url}/cds-services"'),
    Mutation("nothing is told", WEB, "Response(status=401", "Response(str(refusal), status=401"),
    Mutation("challenge", WEB, ', headers={"WWW-Authenticate": "Bearer"}', ""),
    Mutation(
        "check is not told", WEB, '"WWW-Authenticate": "Bearer"', '"WWW-Authenticate": "Bearer", "X": refusal.check'
    ),
)


def _copied(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def _run(source: Path, mutation: Mutation | None) -> int | None:
    """The status of the suite against a copy of *source* with *mutation*; `None` where there is no such guard."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copied(source, copy / "cds_service")
        (copy / "imports_the_copy.py").write_text(PLUGIN, encoding="utf-8")
        if mutation is not None:
            file = copy / "cds_service" / mutation.file
            text = file.read_text(encoding="utf-8")
            if text.count(mutation.text) != 1:
                return None
            file.write_text(text.replace(mutation.text, mutation.replacement), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": folder, "COPY_OF_SERVICE": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "imports_the_copy", "-p", "no:cacheprovider"]
        paths = f"pythonpath={folder} {ROOT}"
        return subprocess.run(
            [*command, "-o", paths, SUITE], cwd=ROOT, env=environment, capture_output=True, check=False
        ).returncode


def _told(status: int | None) -> str:
    if status is None:
        return "TEXT NOT FOUND"
    return {FOUND: "caught", 0: "NOT CAUGHT"}.get(status, f"NOT RUN (status {status})")


def main() -> int:
    """Run every mutation, and tell of each as soon as it is known; 0 where all were caught."""
    caught, chosen = 0, MUTATIONS[:: int(os.environ.get("EVERY", "1"))]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        source = Path(folder) / "cds_service"
        _copied(ROOT / "cds_service", source)
        if _run(source, None) != 0:
            sys.stdout.write("The suite does not pass against an unchanged copy: nothing can be said.\n")
            return 1
        for mutation, status in zip(chosen, pool.map(partial(_run, source), chosen), strict=True):
            sys.stdout.write(f"{_told(status):14} {mutation.file:18} {mutation.name}\n")
            sys.stdout.flush()
            caught += status == FOUND
    sys.stdout.write(f"{caught} of {len(chosen)} caught\n")
    return int(caught != len(chosen))


if __name__ == "__main__":
    sys.exit(main())
