"""How often each property is tried; `--hypothesis-profile=properties-deep` tries ten times as often, at random."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

PROFILE = "properties"

settings.register_profile(
    PROFILE,
    max_examples=500,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    f"{PROFILE}-deep", settings.get_profile(PROFILE), max_examples=5000, derandomize=False, database=None
)


def pytest_configure(config: pytest.Config) -> None:
    """Use the profile, unless the command line names another."""
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile(PROFILE)
