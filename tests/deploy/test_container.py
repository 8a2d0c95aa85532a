"""The image and the compose file: little in it, no secret, no root, nothing that drifts."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from typing import Any

import pytest

from tests.deploy.files import DEPLOY, ROOT, SECRETS, document, text
from tests.deploy.tools import found

DOCKERFILE = re.sub(r"\\\n", " ", text("Dockerfile"))
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
SERVICES: dict[str, Any] = document("compose.yaml")["services"]
TAG = re.compile(r"[a-z-]+:\d+\.\d+(\.\d+)?(-[a-z]+)*|postgres:\d+-[a-z]+")

every_service = pytest.mark.parametrize("service", SERVICES)


def instructions(name: str, *, final: bool = False) -> list[str]:
    """What the Dockerfile says by the instruction *name*; `final`: in the stage that is shipped."""
    begins = max(place for place, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM")
    return [rest for word, rest in INSTRUCTIONS[begins if final else 0 :] if word == name]


def test_base_is_pinned():
    """Both stages stand on one base, a named minor version of Python; never on what is newest."""
    (base,) = instructions("ARG")

    assert TAG.fullmatch(base.removeprefix("PYTHON="))
    assert instructions("FROM") == ["${PYTHON} AS build", "${PYTHON}"]


def test_packages_are_pinned():
    """Whatever is installed comes from a lock with digests, ready built, or is the wheel of this checkout."""
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&\n]*", DOCKERFILE)

    assert len(installs) == 4
    for install in installs:
        locked = "--require-hashes" in install and "--only-binary :all:" in install
        assert locked or ("--no-index" in install and "--no-deps" in install), install


def test_locks_that_are_named_are_there():
    """What is copied into the builder is in the checkout, and let through by `.dockerignore`."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [name for rest in instructions("COPY") if not rest.startswith("--from") for name in rest.split()[:-1]]

    assert ignored[1] == "*"
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)


def test_image_runs_as_nobody_in_particular():
    """The user is a number, so that an orchestrator sees that it is not root; only the volume is its own."""
    assert instructions("USER", final=True) == ["10001:10001"]
    assert instructions("WORKDIR", final=True) == ["/var/lib/cds-service"]
    assert "--owner 10001" in instructions("RUN", final=True)[0]


def test_image_holds_no_secret_and_no_tools():
    """No secret is given when building, and what builds the wheel stays behind."""
    named = set(re.findall(r"CDS_[A-Z_]+", " ".join(instructions("ENV") + instructions("ARG"))))

    assert not named & SECRETS
    assert instructions("COPY", final=True) == ["--from=build /opt/cds-service /opt/cds-service"]
    assert not instructions("ADD")


def test_image_asks_itself_whether_it_is_well():
    """The health check needs Python alone, asks /healthz on the port that is served, and fails when that fails."""
    (check,) = instructions("HEALTHCHECK", final=True)
    (command,) = instructions("CMD", final=True)

    assert '"python", "-c"' in check
    assert "http://127.0.0.1:8000/healthz" in check
    assert command == '["serve", "--host", "0.0.0.0", "--port", "8000"]'
    assert instructions("ENTRYPOINT", final=True) == ['["cds-service"]']


@pytest.mark.parametrize(
    ("extra", "packages"), [("postgresql", {"psycopg", "psycopg-binary"}), ("population", {"daft"})]
)
def test_locked_group_is_the_extra(extra: str, packages: set[str]):
    """The group that is locked asks for the same as the extra that users install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / f"requirements-{extra}.lock").read_text(encoding="utf-8")

    assert project["dependency-groups"][extra] == project["project"]["optional-dependencies"][extra]
    assert packages <= set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))


def test_list_of_packages_is_of_what_the_image_installs():
    """`make sbom` installs what the image does, from the same locks, and lists that."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nsbom:")[2].partition("\n\n")[0]
    (installed,) = re.findall(r"--python /opt/cds-service install --require-hashes .*", DOCKERFILE)

    assert set(re.findall(r"-r (\S+)", recipe)) == set(re.findall(r"-r (\S+)", installed))


@pytest.mark.parametrize("lock", [f"requirements-{name}.lock" for name in ("build", "postgresql", "population", "dev")])
def test_locks_agree(lock: str):
    """What is in several locks has one version, so that they can be installed together."""

    def versions(name: str) -> dict[str, str]:
        written = (ROOT / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w.-]+)==(\S+)", written, re.MULTILINE))

    runtime, other = versions("requirements.lock"), versions(lock)

    assert {name: other[name] for name in other.keys() & runtime} == {
        name: runtime[name] for name in other.keys() & runtime
    }


@every_service
def test_composed_services_can_do_little(service: str):
    """Each runs on a read-only root, without capabilities, and cannot get any."""
    told = SERVICES[service]

    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in told["tmpfs"]  # noqa: S108 - of the container
    assert "privileged" not in told
    assert TAG.fullmatch(told["image"])


def test_composed_services_keep_their_secrets_outside():
    """Each secret comes from `.env`, and nothing starts without it."""
    given = {**SERVICES["database"]["environment"], **SERVICES["service"]["environment"]}
    secrets = {name: value for name, value in given.items() if name in SECRETS | {"POSTGRES_PASSWORD"}}

    assert secrets.keys() == SECRETS | {"POSTGRES_PASSWORD"}
    for value in secrets.values():
        assert re.search(r"\$\{[A-Z_]+:\?", value)


def test_example_of_secrets_is_empty_and_whole():
    """`.env.example` names all that compose asks for, and holds no secret that somebody could leave in place."""
    example = dict(line.split("=", 1) for line in text(".env.example").splitlines() if line and line[0] != "#")
    asked = set(re.findall(r"\$\{([A-Z_]+):", text("compose.yaml")))

    assert example.keys() == asked
    assert {name for name, value in example.items() if value} == {"CDS_PUBLIC_URL", "CDS_FHIR_SERVERS"}


def test_only_this_machine_reaches_the_composed_service():
    """The port is open to a proxy of this machine; the database is reached by the service alone."""
    assert SERVICES["service"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in SERVICES["database"]
    assert SERVICES["database"]["networks"] == ["inside"]
    assert document("compose.yaml")["networks"]["inside"] == {"internal": True}


@pytest.mark.deploy
def test_compose_file_is_one():
    """Compose itself reads the file, with the secrets of an environment."""
    docker = found("docker")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose")
    names = set(re.findall(r"\$\{([A-Z_]+):", text("compose.yaml")))
    environment = {**os.environ, **dict.fromkeys(names, "x")}
    command = [docker, "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
