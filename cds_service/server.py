"""What a server process runs: the application, with the garbage collector told that it lives long."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from cds_service import logs
from cds_service.app import create_app

if TYPE_CHECKING:
    from flask import Flask

ALLOCATIONS_BEFORE_COLLECTION = 100_000
"""A request makes thousands of short-lived objects and no cycles: looking for cycles after every 700 finds nothing."""


def application() -> Flask:
    """The WSGI application of one server process, by the settings of the environment.

    Raises:
        StartupError: a setting or a guidance file is wrong.
    """
    logs.set_up()
    app = create_app()
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BEFORE_COLLECTION, 20, 20)
    return app
