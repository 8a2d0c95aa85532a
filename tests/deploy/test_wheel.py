"""The wheel: built from this checkout, installed elsewhere, and serving from there."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import requests

from tests.deploy.files import ROOT
from tests.support.fixtures import FOLDER, SERVICE
from tests.support.serving import serving

pytestmark = pytest.mark.deploy

SITUATION = FOLDER / "vector-v02-deficient-nmol-low-magnesium"


def run(*command: object, cwd: Path) -> str:
    """Run *command*, which must not fail; what it prints."""
    return subprocess.run([*map(str, command)], cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the wheel, and sees the packages that it needs but not the checkout.

    The packages are those of the environment of the tests, named in a .pth file: what is named in theirs, the checkout
    among it, is not followed.
    """
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    run(*pip, "--python", environment, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    (packages,) = environment.glob("lib/python*/site-packages")
    packages.joinpath("needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return environment


def test_wheel_is_what_runs(installed: Path):
    """The package that is imported is the installed one, not that of the checkout."""
    where = run(installed / "bin" / "python", "-c", "import cds_service; print(cds_service.__file__)", cwd=installed)

    assert Path(where).is_relative_to(installed)


def test_wheel_serves_outside_the_checkout(installed: Path):
    """It is well, answers a call of the service as expected, and shows the documentation that it brings along."""
    expected = json.loads((SITUATION / "expected.json").read_text(encoding="utf-8"))
    body = (SITUATION / "request.json").read_bytes()
    with serving(command=installed / "bin" / "cds-service", as_of=expected["asOf"]) as served:
        well = requests.get(f"{served.url}/healthz", timeout=10)
        answer = requests.post(
            f"{served.url}/cds-services/{SERVICE}",
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=10,
        )
        pages = requests.get(f"{served.url}/docs", timeout=10)

    assert well.json() == {"status": "ok"}
    assert [card["summary"] for card in answer.json()["cards"]] == [card["summary"] for card in expected["cards"]]
    assert pages.status_code == 200
