"""Fixtures for the tests that need a FHIR server which writes down what it is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.recording_server import RecordingServer

os.environ.setdefault("CDS_FEEDBACK", "false")
"""Tests of feedback switch it on, with a database of their own; no other test should write one."""


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
