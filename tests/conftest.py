"""What every test has: a house to be left as it was; and a FHIR server which writes down what it is asked."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.examples import QUICK
from tests.support.fixtures import read_once
from tests.support.house import house, keep_notes, left_as_it_was  # noqa: F401 - for every test
from tests.support.recording_server import RecordingServer

os.environ["CDS_FEEDBACK"] = "false"
"""Tests of feedback switch it on, with a database of their own: no other test needs one."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep what hypothesis notes in the house; try few examples, unless the command line names another profile."""
    keep_notes()
    read_once(config)
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile(QUICK)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: Python need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def running() -> Iterator[RecordingServer]:
    """A FHIR server."""
    with RecordingServer() as found:
        yield found


@pytest.fixture
def server(running: RecordingServer) -> RecordingServer:
    """The FHIR server, which has not been called yet."""
    running.reset()
    return running
