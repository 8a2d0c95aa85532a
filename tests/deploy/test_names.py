"""What `deploy/` names is there: settings of the service, metrics and their labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cds_service.web.metrics import REGISTRY
from tests.deploy.files import DEPLOY, ROOT, SETTINGS, document, every_file, text, variables

SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}

LABELS_OF_PROMETHEUS = {"job", "instance", "le"}


def metrics() -> set[str]:
    """The names under which Prometheus keeps the numbers of the service."""
    families = REGISTRY.collect()
    return {f"{family.name}{suffix}" for family in families for suffix in SUFFIXES[family.type]}


def labels() -> set[str]:
    """Every label that a number of the service has, as the page on them says."""
    page = (ROOT / "docs" / "reference" / "services" / "numbers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `cds_\w+` \|([^|]*)\|", page, re.MULTILINE)
    return {label for row in rows for label in re.findall(r"`(\w+)`", row)}


def expressions() -> list[str]:
    """Every expression of the dashboard, the alerts and their tests."""
    dashboard = json.loads(text("grafana", "dashboard.json"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = [rule["expr"] for group in document("prometheus", "alerts.yaml")["groups"] for rule in group["rules"]]
    tests = document("prometheus", "alerts_test.yaml")["tests"]
    return [*asked, *alerts, *(series["series"] for test in tests for series in test["input_series"])]


@pytest.mark.parametrize("file", every_file(), ids=lambda file: file.relative_to(DEPLOY).as_posix())
def test_named_variables_are_settings(file: Path):
    """A variable CDS_... is a setting, or a word of a comment that ends in dots."""
    written = file.read_text(encoding="utf-8").replace("CDS_..._PORT", "")

    assert variables(written) <= SETTINGS


def test_named_metrics_and_labels_are_there():
    """An expression asks for numbers that the service has, by labels that numbers of the service have."""
    there, known = metrics(), labels() | LABELS_OF_PROMETHEUS
    for expression in expressions():
        named = set(re.findall(r"\bcds_\w+", expression))
        grouped = re.findall(r"\bby \(([^)]*)\)", expression)
        matched = re.findall(r"\b(\w+)(?:=|!=|=~|!~)\"", expression)

        assert named <= there, expression
        assert named or re.search(r"\bup\{", expression), expression
        assert {label.strip() for group in grouped for label in group.split(",")} | set(matched) <= known, expression


def test_every_metric_is_on_the_dashboard():
    """Whatever the service counts can be seen, but for pages: calls of FHIR servers tell more."""
    shown = {name for name in metrics() if name in text("grafana", "dashboard.json")}
    left_out = {"cds_fhir_pages_total", "cds_request_seconds_sum", "cds_request_seconds_count"}

    assert metrics() - shown <= left_out


def test_every_alert_is_tested_and_says_what_to_do():
    """Each alert has a test in which it fires, and tells what it means and what to do."""
    rules = [rule for group in document("prometheus", "alerts.yaml")["groups"] for rule in group["rules"]]
    cases = [case for test in document("prometheus", "alerts_test.yaml")["tests"] for case in test["alert_rule_test"]]

    assert {rule["alert"] for rule in rules} == {case["alertname"] for case in cases if case["exp_alerts"]}
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "action"}
