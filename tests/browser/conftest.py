"""Fixtures: a browser, the sandbox in it, a real HAPI server with charts, and the service as a process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support import fhir_peers
from tests.support import sandbox as sandboxes
from tests.support.fixtures import ROOT, renamed
from tests.support.sandbox import Console, Sandbox
from tests.support.serving import Served, serving
from tests.web.calls import GOLDEN, PATIENCE, TODAY

CHROMIUM = "CHROMIUM"
"""Environment variable: the program of a Chromium that is not on the path."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
"""The browser's own sandbox needs rights that a container has not; every page here is our own or on this machine."""


@dataclass(frozen=True)
class Chart:
    """A patient with the data of a situation."""

    id: str
    given: str
    family: str
    situation: str

    @property
    def name(self) -> str:
        """As the sandbox shows it."""
        return f"{self.given} {self.family}"


PATIENTS = ROOT / "docs" / "tutorial" / "sandbox-patients.json"
"""The patients of the tutorial, as one transaction."""
ADAM, BRUNO, CARLO = (
    Chart("adam", "Adam", "Example", GOLDEN),
    Chart("bruno", "Bruno", "Example", "normal-patient-no-card"),
    Chart("carlo", "Carlo", "Example", "kidney-transplant-deficient"),
)


def put_patients_of_tutorial(url: str) -> None:
    """Put Adam, Bruno and Carlo on the FHIR server, as the tutorial does."""
    headers = {"Content-Type": "application/fhir+json"}
    answer = requests.post(url, data=PATIENTS.read_bytes(), headers=headers, timeout=120)
    answer.raise_for_status()


def put(url: str, chart: Chart) -> Chart:
    """Put the patient on the FHIR server."""
    resources = renamed(chart.situation, chart.id)
    (person,) = (resource for resource in resources if resource["resourceType"] == "Patient")
    person["name"] = [{"given": [chart.given], "family": chart.family}]
    fhir_peers.load_at_once(url, resources)
    return chart


def program() -> str | None:
    """The Chromium of this machine; `None` where there is none."""
    return os.environ.get(CHROMIUM) or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium that reaches nothing but this machine."""
    found = program()
    if found is None:
        pytest.skip(f"not installed: {', '.join(NAMES)}; {CHROMIUM} may name another")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, sandboxes.OFFLINE])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that remembers nothing."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    yield context
    context.close()


@pytest.fixture
def console(context: BrowserContext) -> Console:
    """What the pages complain about; a test that says they complain about nothing asks this."""
    found = Console()
    found.listen(context)
    return found


@pytest.fixture
def page(context: BrowserContext, console: Console) -> Page:
    """A page that is still empty; what it complains about is written down from the beginning."""
    del console
    return context.new_page()


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The built sandbox, served on this machine."""
    folder = sandboxes.built()
    if folder is None:
        pytest.skip(f"no built sandbox: `make sandbox`, or {sandboxes.BUILD}=folder")
    with sandboxes.serving(folder) as url:
        yield url


@pytest.fixture(scope="session")
def fhir() -> Iterator[str]:
    """A HAPI server with the patients of the tutorial; they come first, as the sandbox lists one page of patients."""
    reason = fhir_peers.missing("java", "javac", "mvn")
    if reason is not None:
        pytest.skip(reason)
    with fhir_peers.hapi() as url:
        put_patients_of_tutorial(url)
        yield url


@pytest.fixture(scope="session")
def chart(fhir: str) -> Callable[[str], Chart]:
    """Put a new patient with the data of a situation on the FHIR server; nothing has been said of the patient yet."""
    numbers = count(1)

    def made(situation: str) -> Chart:
        number = next(numbers)
        return put(fhir, Chart(f"chart-{number}", "Adam", f"Example-{number}", situation))

    return made


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the database."""
    return tmp_path_factory.mktemp("browser") / "feedback.sqlite3"


@pytest.fixture(scope="session")
def served(database: Path) -> Iterator[Served]:
    """The service with feedback, on the day of the situations."""
    with serving(as_of=TODAY, feedback=True, database_url=f"sqlite:///{database}", **PATIENCE) as found:
        yield found


@pytest.fixture
def sandbox(page: Page, sandbox_url: str, fhir: str) -> Sandbox:
    """The sandbox with the HAPI server, not opened yet."""
    return Sandbox(page, sandbox_url, fhir)
