"""The chart: values by its schema, and what Helm makes of them by the schemas of Kubernetes and by settings."""

from __future__ import annotations

import copy
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from cds_service import cli
from cds_service import settings as settings_module
from tests.deploy.files import CHART, SECRETS, SETTINGS, Json, document, documents, text
from tests.deploy.tools import ran

SCHEMA = json.loads(text("chart", "values.schema.json"))
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
KUBERNETES = ["1.27", "1.37"]
"""The oldest version that the chart takes, and the newest there are schemas for."""
TEMPLATE = ["template", "trial", CHART, "--namespace", "cds", "--kube-version", KUBERNETES[0]]
"""A Helm that was built from source would not know for which version of Kubernetes it renders."""
DIGEST = f"sha256:{'0' * 64}"

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)


def merged(under: Any, over: Any) -> Any:
    """*over* laid over *under*, object by object, as Helm does it."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return copy.deepcopy(over)
    return under | {name: merged(under.get(name), value) for name, value in over.items()}


def values(case: Path) -> Json:
    """The values of *case*, over those of the chart."""
    found: Json = merged(document("chart", "values.yaml"), document("chart", "ci", case.name))
    return found


def is_right(given: Json) -> bool:
    """Whether the schema of the chart lets *given* values through."""
    return jsonschema_rs.validator_for(SCHEMA).is_valid(given)


@every_case
def test_values_are_by_the_schema(case: Path):
    """The examples are let through, and so their settings and secrets are those of the service."""
    given = values(case)

    assert is_right(given)
    assert {*given["settings"], *given["secret"]["values"]} <= SETTINGS


def test_chart_asks_for_what_must_be_given():
    """The values as they come are not enough: nobody serves by accident."""
    assert not is_right(document("chart", "values.yaml"))


def test_schema_knows_every_value():
    """Each value that the chart has, at the first level and the second, is one that the schema checks."""
    given = document("chart", "values.yaml")

    assert given.keys() == SCHEMA["properties"].keys() - {"global"}
    for name, value in given.items():
        known = SCHEMA["properties"][name]
        if known.get("additionalProperties") is False:
            assert value.keys() == known["properties"].keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"clients": ""},
        {"image": {"tag": "latest"}},
        {"image": {"digest": "sha256:short"}},
        {"replicas": 0},
        {"replica": 3},
        {"settings": {"CDS_PUBLIC_URL": "http://cds.example.org"}},
        {"settings": {"CDS_AUTH": "off"}},
        {"settings": {"CDS_METRICS_TOKEN": "a secret that all can read"}},
        {"settings": {"PATH": "elsewhere"}},
        {"files": {"clients.toml": "another registry"}},
        {"secret": {"existing": "", "values": {}}},
        {"secret": {"existing": "", "values": {"CDS_DATABASE_URL": "sqlite:///one-copy-only.sqlite3"}}},
        {"secret": {"existing": "one", "values": {"CDS_DATABASE_URL": "postgresql://and/another"}}},
        {"ingress": {"enabled": True, "host": "cds.example.org"}},
        {"networkPolicy": {"ingress": []}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(wrong: Json):
    """What would be unsafe, or would not start, is refused before anything is installed."""
    assert not is_right(merged(values(CHART / "ci" / "least-values.yaml"), wrong))


# What Helm makes of it.


@cache
def rendered(case: Path) -> tuple[Json, ...]:
    """The manifests that Helm makes of *case*."""
    return tuple(documents(ran("helm", *TEMPLATE, "--values", case)))


def of_kind(case: Path, kind: str) -> list[Json]:
    """Those of one kind."""
    return [manifest for manifest in rendered(case) if manifest["kind"] == kind]


def pod(case: Path) -> Json:
    """The pod of the deployment."""
    (deployment,) = of_kind(case, "Deployment")
    found: Json = deployment["spec"]["template"]["spec"]
    return found


@pytest.mark.deploy
@every_case
def test_helm_finds_no_fault(case: Path):
    """`helm lint` has nothing to say against the chart, warnings included."""
    assert "0 chart(s) failed" in ran("helm", "lint", "--strict", CHART, "--values", case)


@pytest.mark.deploy
def test_helm_asks_for_what_must_be_given():
    """Helm refuses to render the chart without values, and names what is missing."""
    told = ran("helm", *TEMPLATE, expected=1)

    assert "CDS_PUBLIC_URL" in told
    assert "clients" in told


@pytest.mark.deploy
@pytest.mark.parametrize("version", KUBERNETES)
@every_case
def test_manifests_are_by_the_schemas_of_kubernetes(case: Path, version: str):
    """Each manifest has only what Kubernetes knows; the operator's own kind is not Kubernetes'."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="run `make test-deploy`")

    for manifest in rendered(case):
        if manifest["kind"] != "ServiceMonitor":
            kubernetes.validate(manifest, version, strict=True)


@pytest.mark.deploy
def test_everything_can_be_switched_on():
    """All kinds are there with all switched on; with the least, those that nobody has to choose."""
    least, everything = (
        sorted(manifest["kind"] for manifest in rendered(CHART / "ci" / f"{name}-values.yaml"))
        for name in ("least", "all")
    )

    assert least == ["ConfigMap", "ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"]
    assert everything == sorted([*least, "HorizontalPodAutoscaler", "Ingress", "Secret", "ServiceMonitor"])


@pytest.mark.deploy
@every_case
def test_pod_can_do_little(case: Path):
    """It is not root, writes to /tmp alone, has no capability and no token of the cluster."""
    found = pod(case)
    (container,) = found["containers"]

    assert found["automountServiceAccountToken"] is False
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"]["runAsUser"] == 10001
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["/tmp"]  # noqa: S108


@pytest.mark.deploy
@every_case
def test_no_call_is_cut_off(case: Path):
    """No copy is taken before another is ready, and one that ends has the time that its longest call may take."""
    (deployment,) = of_kind(case, "Deployment")
    found = pod(case)
    (container,) = found["containers"]
    deadline = float(settings_of(case).get("CDS_REQUEST_DEADLINE", 10))
    (_, pause) = container["lifecycle"]["preStop"]["exec"]["command"]

    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert found["terminationGracePeriodSeconds"] > int(pause) + math.ceil(deadline) + cli.LAST_SECONDS


def settings_of(case: Path) -> dict[str, str]:
    """The environment that the settings make."""
    found: dict[str, str] = of_kind(case, "ConfigMap")[0]["data"]
    return found


@pytest.mark.deploy
@every_case
def test_service_starts_by_the_settings(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The service reads the environment and the files that a container gets, as they are."""
    _, files = of_kind(case, "ConfigMap")
    for name, written in files["data"].items():
        tmp_path.joinpath(name).write_text(written, encoding="utf-8")
    secrets = [secret["stringData"] for secret in of_kind(case, "Secret")]
    for name, value in {**settings_of(case), **(secrets[0] if secrets else {})}.items():
        monkeypatch.setenv(name, value.replace("/etc/cds-service", str(tmp_path)))

    assert settings_module.load().auth == "jwt"
    assert not settings_of(case).keys() & SECRETS


@pytest.mark.deploy
def test_no_variable_of_the_cluster_is_taken_for_a_setting():
    """Kubernetes adds no variables for its services: CDS_SERVICE_PORT would stop the service as an unknown setting."""
    assert pod(CASES[0])["enableServiceLinks"] is False


@pytest.mark.deploy
def test_changed_settings_start_new_copies():
    """A change to the settings or the registry changes the pod, so that it is rolled out."""
    case = CHART / "ci" / "least-values.yaml"
    changed = documents(ran("helm", *TEMPLATE, "--values", case, "--set", "settings.CDS_PROFILE=nam-2011"))
    (before,), (after,) = of_kind(case, "Deployment"), [each for each in changed if each["kind"] == "Deployment"]

    assert before["spec"]["template"]["metadata"] != after["spec"]["template"]["metadata"]


@pytest.mark.deploy
def test_image_by_digest():
    """With a digest the tag does not count."""
    (container,) = pod(CHART / "ci" / "all-values.yaml")["containers"]

    assert container["image"] == f"vitamin-d-magnesium-cds@{DIGEST}"


@pytest.mark.deploy
def test_network_policy_lets_out_what_is_named():
    """Names are asked for, the database and FHIR servers are reached, and nothing else; only the port is reached."""
    (policy,) = of_kind(CHART / "ci" / "all-values.yaml", "NetworkPolicy")
    ports = [[(port["protocol"], port["port"]) for port in rule["ports"]] for rule in policy["spec"]["egress"]]

    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert sorted(ports) == [[("TCP", 53), ("UDP", 53)], [("TCP", 443)], [("TCP", 5432)]]
    assert [rule["ports"] for rule in policy["spec"]["ingress"]] == [[{"protocol": "TCP", "port": "http"}]]
    assert [rule["to"] for rule in policy["spec"]["egress"] if rule["ports"][0]["port"] == 5432] == [
        [{"ipBlock": {"cidr": "10.20.0.5/32"}}]
    ]


@pytest.mark.deploy
def test_prometheus_finds_its_token():
    """The monitor names the key of the Secret that the service has its token from, and a port of the Service."""
    case = CHART / "ci" / "all-values.yaml"
    (monitor,), (secret,), (service,) = (of_kind(case, kind) for kind in ("ServiceMonitor", "Secret", "Service"))
    (endpoint,) = monitor["spec"]["endpoints"]
    credentials = endpoint["authorization"]["credentials"]

    assert credentials["name"] == secret["metadata"]["name"]
    assert credentials["key"] in secret["stringData"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


@pytest.mark.deploy
@every_case
def test_selectors_select_the_pod(case: Path):
    """Service, disruption budget, network policy and deployment all mean the same pods."""
    (deployment,) = of_kind(case, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    (service,), (budget,), (policy,) = (
        of_kind(case, kind) for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy")
    )

    assert service["spec"]["selector"].items() <= labels
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
