"""The playground as the service builds it, without a memory."""

from __future__ import annotations

import pytest

from cds_service.app import build_engine, build_playground
from cds_service.fhir.terminology import Terminology
from cds_service.hooks.memory import FORGETFUL
from cds_service.playground.trial import Playground
from cds_service.settings import Settings
from tests.support.fixtures import engine
from tests.web.calls import TODAY


@pytest.fixture(scope="session")
def playground() -> Playground:
    """Everything a trial needs; nothing is remembered."""
    settings = Settings(as_of=TODAY)
    found = build_playground(settings, build_engine(settings), FORGETFUL)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def terms() -> Terminology:
    """The terminology in force."""
    return engine(TODAY).terms
