"""The image, the services of the compose file and the pods of the chart, built and started for real."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from tests.deploy.containers import DATABASE, SERVICE, USER, Containers, flags, own_folder, until_ready
from tests.deploy.files import CHART, Json, document
from tests.deploy.tools import FOLDER
from tests.support.postgres import free_port
from tests.support.serving import until
from tests.support.tokens import Issuer, write_registry
from tests.web.calls import TODAY, URL, golden

pytestmark = pytest.mark.image

CLIENT = Issuer("hospital", "https://hospital.example.com/issuer")
SECRET = "a-secret-of-a-test-alone"  # noqa: S105 - made up
OWNER = {"Authorization": f"Bearer {SECRET}"}
PUBLIC = "https://cds.example.org"
PATIENCE = 60.0
GRACE = 20


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Containers:
    """Containers, and the image of the service."""
    found = Containers(tmp_path_factory.mktemp("containers"))
    found.build()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder into which containers can look."""
    for place in (tmp_path, *tmp_path.parents):
        if place.owner() == "root" and place != Path(place.anchor):
            place.chmod(place.stat().st_mode | 0o111)
    return tmp_path


def call(url: str, public: str | None = None) -> list[str]:
    """The topics of a chart, opened with a token for the *public* address, where that is another."""
    token = CLIENT.token(aud=f"{public or url}{URL}")
    headers = {"Authorization": f"Bearer {token}"}
    response = requests.post(f"{url}{URL}", json=golden(), headers=headers, timeout=PATIENCE)
    assert response.status_code == 200, response.text
    return [card["source"]["topic"]["code"] for card in response.json()["cards"]]


def calls_counted(url: str) -> int:
    """How many calls the owner's page counts."""
    told = requests.get(f"{url}/insights.json", headers=OWNER, timeout=PATIENCE).json()
    return sum(row["calls"] if isinstance(row["calls"], int) else 0 for row in told["clients"])


def settings(url: str, **more: object) -> list[str]:
    """Settings of the service as options of podman."""
    given = {
        "CDS_AUTH": "jwt",
        "CDS_CLIENTS": "/etc/cds-service/clients.toml",
        "CDS_PUBLIC_URL": url,
        "CDS_AS_OF": TODAY,
        "CDS_INSIGHTS_TOKEN": SECRET,
        "CDS_METRICS_TOKEN": SECRET,
        "CDS_HASH_KEY": SECRET,
        **more,
    }
    return [f"--env={name}={value}" for name, value in given.items()]


def test_image(containers: Containers, folder: Path) -> None:
    """Read-only and as its user it answers a chart, stops within its grace with status 0, and keeps what it counted."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    registry = write_registry(folder / "clients.toml", CLIENT.entry)
    data = own_folder(folder / "data")
    options = [
        *("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *(f"--volume={data}:/var/lib/cds-service", f"--volume={registry}:/etc/cds-service/clients.toml:ro"),
        *settings(url),
    ]
    serve = ["serve", "--host", "127.0.0.1", "--port", port]
    for opened in (0, 5):
        with containers.running(SERVICE, options, serve, stop=GRACE) as name:
            assert until_ready(url).json()["parts"]["tokens"] == "ok"
            assert calls_counted(url) == opened
            assert [call(url) for _ in range(5)] == [["magnesium-low", "vitamin-d-deficiency"]] * 5
            assert containers.do("podman", "exec", name, "id", "-u").strip() == str(USER)
            containers.do("podman", "exec", name, "touch", "/opt/cds-service/written", expected=1)
            told = containers.do("podman", "exec", name, "cds-service", "mode")
            assert "in force for hospital: on" in told
        assert containers.status == "0", containers.log
    assert {file.stat().st_uid for file in data.iterdir()} == {USER}


def test_image_serves_nobody_without_tokens(containers: Containers) -> None:
    """As it comes it would listen outside, and refuses to without tokens: it says so and ends."""
    told = containers.do(
        "podman", "run", "--rm", "--network", "host", "--read-only", "--tmpfs=/tmp", SERVICE, expected=2
    )

    assert "authentication is off, so 0.0.0.0 is not served" in told


@pytest.fixture(scope="session")
def database(containers: Containers) -> str:
    """The image of PostgreSQL."""
    containers.build_database()
    return DATABASE


def environment(service: Json, known: Json, more: Json) -> list[str]:
    """What the compose file gives a service, filled with what is *known*, and *more*, as options of podman."""
    filled = {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: known[found[1]], str(value))
        for name, value in service["environment"].items()
    }
    return [f"--env={name}={value}" for name, value in {**filled, **more}.items()]


@contextmanager
def postgresql(containers: Containers, image: str, folder: Path, port: int) -> Iterator[None]:
    """The database of the compose file, with its rights and settings, until the block ends."""
    composed = document("compose.yaml")["services"]["database"]
    user = containers.do("podman", "run", "--rm", "--entrypoint", "id", image, "-u", "postgres").strip()
    data = own_folder(folder / "pgdata", int(user))
    options = [
        *(*flags(composed), f"--user={composed['user']}", f"--volume={data}:/var/lib/postgresql/data"),
        *environment(composed, {"DATABASE_PASSWORD": SECRET}, {"PORT": port}),
    ]
    with containers.running(image, options) as name:
        asked = ("podman", "exec", name, "pg_isready", "-h", "127.0.0.1", "-p", port)
        until(lambda: "accepting" in containers.do(*asked, expected=None), "PostgreSQL never answers")
        yield


def test_composed_services(containers: Containers, database: str, folder: Path) -> None:
    """The services of the compose file, with their rights and settings, answer a chart; a restart loses nothing."""
    composed = document("compose.yaml")["services"]
    port, inner = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    secrets = ("DATABASE_PASSWORD", "CDS_HASH_KEY", "CDS_INSIGHTS_TOKEN", "CDS_METRICS_TOKEN")
    known = {**dict.fromkeys(secrets, SECRET), "CDS_PUBLIC_URL": url, "CDS_FHIR_SERVERS": ""}
    registry = write_registry(folder / "clients.toml", CLIENT.entry)
    reached = f"postgresql://cds:{SECRET}@database:{inner}/postgres"
    service = [
        *(*flags(composed["service"]), "--add-host=database:127.0.0.1"),
        f"--volume={registry}:/etc/cds-service/clients.toml:ro",
        *environment(composed["service"], known, {"CDS_AS_OF": TODAY, "CDS_DATABASE_URL": reached}),
    ]
    serve = ["serve", "--host", "127.0.0.1", "--port", port]
    with postgresql(containers, database, folder, inner):
        for opened in (0, 5):
            with containers.running(SERVICE, service, serve, stop=GRACE):
                assert set(until_ready(url).json()["parts"].values()) == {"ok: magnesium-aware", "on", "ok"}
                assert calls_counted(url) == opened
                for _ in range(5):
                    assert call(url)
            assert containers.status == "0", containers.log


def pods(containers: Containers, folder: Path, port: int, database_url: str) -> Path:
    """A file with the pods of the chart, without probes and ports, on this port of loopback."""
    helm = shutil.which("helm", path=str(FOLDER)) or shutil.which("helm")
    if helm is None:
        pytest.skip("helm is neither in .cache/tools nor on the PATH: see `make deploy-tools`")
    registry = write_registry(folder / "clients.toml", CLIENT.entry)
    repository, _, tag = SERVICE.rpartition(":")
    secrets = dict.fromkeys(("CDS_HASH_KEY", "CDS_METRICS_TOKEN", "CDS_INSIGHTS_TOKEN"), SECRET)
    values = {
        "replicas": 1,
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "settings": {"CDS_PUBLIC_URL": PUBLIC, "CDS_AS_OF": str(TODAY)},
        "secret": {"values": {**secrets, "CDS_DATABASE_URL": database_url}},
    }
    (folder / "values.yaml").write_text(json.dumps(values), encoding="utf-8")
    command = [helm, "template", "trial", CHART, "--values", folder / "values.yaml", "--kube-version", "1.30"]
    found = []
    for part in yaml.safe_load_all(containers.do(*command, "--set-file", f"clients={registry}")):
        if part is None or part["kind"] not in ("Deployment", "ConfigMap", "Secret"):
            continue
        if part["kind"] == "Deployment":
            (container,) = part["spec"]["template"]["spec"]["containers"]
            container["args"] = ["serve", "--host", "127.0.0.1", "--port", str(port)]
            for left_out in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports"):
                container.pop(left_out, None)
        found.append(part)
    file = folder / "pods.yaml"
    file.write_text(yaml.safe_dump_all(sorted(found, key=lambda part: part["kind"] == "Deployment")), encoding="utf-8")
    return file


def test_pods_of_the_chart(containers: Containers, database: str, folder: Path) -> None:
    """The rendered chart, played by podman without probes and ports, answers as its user on a read-only root."""
    port, inner = free_port(), free_port()
    file = pods(containers, folder, port, f"postgresql://cds:{SECRET}@127.0.0.1:{inner}/postgres")
    with postgresql(containers, database, folder, inner):
        try:
            containers.do("podman", "kube", "play", "--network", "host", file)
            assert until_ready(f"http://127.0.0.1:{port}").json()["parts"]["tokens"] == "ok"
            assert call(f"http://127.0.0.1:{port}", PUBLIC) == ["magnesium-low", "vitamin-d-deficiency"]
        finally:
            containers.do("podman", "kube", "down", file, expected=None)
