"""Prometheus itself reads the alerts and the dashboard, and runs the tests of the alerts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, text
from tests.deploy.tools import ran

pytestmark = pytest.mark.deploy

ALERTS = DEPLOY / "prometheus"


def test_alerts_can_be_read():
    """The rules are rules."""
    assert "SUCCESS" in ran("promtool", "check", "rules", ALERTS / "alerts.yaml")


def test_alerts_fire_when_they_should():
    """Each alert fires when it should and not before; the file of the tests says with which numbers."""
    assert "SUCCESS" in ran("promtool", "test", "rules", ALERTS / "alerts_test.yaml")


def test_dashboard_can_be_read(tmp_path: Path):
    """Each expression of the dashboard is one, once Grafana has put in its interval."""
    panels = json.loads(text("grafana", "dashboard.json"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [
        {"record": f"panel:{place}", "expr": expression.replace("$__rate_interval", "5m")}
        for place, expression in enumerate(asked)
    ]
    file = tmp_path / "dashboard.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")

    assert f"{len(asked)} rules found" in ran("promtool", "check", "rules", file)
