"""What a server process runs: the application, with the garbage collector told that it lives long."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import TYPE_CHECKING

from cds_service import logs
from cds_service import settings as settings_module
from cds_service.app import create_app, feedback_places, places
from cds_service.hooks.service import Engine
from cds_service.web.callers import Trust
from cds_service.web.modes import Unread

if TYPE_CHECKING:  # imported where they are made: the door is slow to import, the front counts
    from cds_service.serving.door import Door
    from cds_service.serving.front import Front


M_ARENA_MAX = -8
"""The parameter of glibc's `mallopt` for the number of heaps."""
ALLOCATIONS_BEFORE_COLLECTION = 10_000
"""A request makes thousands of short-lived objects and no cycles: looking for cycles after every 700 finds nothing."""

SWITCH = 0.001
"""Seconds after which a thread that computes lets another go on: a call that costs much delays those beside it less."""

engine: Engine | None = None
"""What the process that starts the server processes has read and checked: they inherit it, and read nothing again."""


def application() -> Front:
    """The RSGI application of one server process, by the settings of the environment.

    Raises:
        StartupError: a setting, a guidance file or the registry of clients is wrong.
    """
    from cds_service.serving.bodies import BodyLimits  # noqa: PLC0415
    from cds_service.serving.front import Front, FrontLimits  # noqa: PLC0415 - it counts: see `web/metrics.py`

    _use_one_heap()
    logs.set_up()
    settings = settings_module.load()
    app = create_app(settings, engine)
    limits = FrontLimits(
        working=settings.threads,
        waiting=settings.waiting,
        aside=places(settings).most + feedback_places(settings).most,
        deadline=settings.request_deadline,
    )
    bodies = BodyLimits(settings.max_body, settings.max_bodies, settings.body_timeout)
    unread = Unread(app.extensions["cds_modes"], app.extensions["cds_engine"].registry)
    front = Front(app, limits, bodies, _door(app.extensions["cds_trust"]), unread, app.extensions["cds_close"])
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH)
    gc.set_threshold(ALLOCATIONS_BEFORE_COLLECTION, 20, 20)
    return front


def _door(trust: Trust | None) -> Door | None:
    if trust is None:
        return None
    from cds_service.serving.door import Door  # noqa: PLC0415 - only where tokens are asked for

    return Door(trust)


def _use_one_heap() -> None:
    """Glibc would give each thread a heap of its own, and each would keep what a large body left in it."""
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):
        return  # another C library, with heaps of its own ways
