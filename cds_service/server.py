"""What a server process runs: the application, with the garbage collector told that it lives long."""

from __future__ import annotations

import ctypes
import gc
from typing import TYPE_CHECKING

from cds_service import logs
from cds_service import settings as settings_module
from cds_service.app import create_app

if TYPE_CHECKING:
    from cds_service.hooks.service import Engine
    from cds_service.web.front import Front

M_ARENA_MAX = -8
"""The parameter of glibc's `mallopt` for the number of heaps."""
ALLOCATIONS_BEFORE_COLLECTION = 10_000
"""A request makes thousands of short-lived objects and no cycles: looking for cycles after every 700 finds nothing."""


engine: Engine | None = None
"""What the process that starts the server processes has read and checked: they inherit it, and read nothing again."""


def application() -> Front:
    """The RSGI application of one server process, by the settings of the environment.

    Raises:
        StartupError: a setting, a guidance file or the registry of clients is wrong.
    """
    from cds_service.web.front import Front, FrontLimits  # noqa: PLC0415 - it counts: see `web/numbers.py`

    _use_one_heap()
    logs.set_up()
    settings = settings_module.load()
    app = create_app(settings, engine)
    limits = FrontLimits(
        max_body=settings.max_body,
        working=settings.threads,
        waiting=settings.waiting,
        body_timeout=settings.body_timeout,
        deadline=settings.request_deadline,
    )
    front = Front(app, limits, app.extensions["cds_close"])
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BEFORE_COLLECTION, 20, 20)
    return front


def _use_one_heap() -> None:
    """Glibc would give each thread a heap of its own, and each would keep what a large body left in it."""
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):
        return  # another C library, with heaps of its own ways
