"""Asks once for each call which mode is in force, and tells it: to `/readyz`, the numbers and the owner's page.

`off` is answered before the body is read, so the server asks as soon as it knows who calls (`serving/front.py`), and
leaves what it was told in the environment. Another server lets the application ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cds_service.hooks.memory import ANYONE, FeedbackKeeper
from cds_service.hooks.registry import Registry
from cds_service.kept_modes import Modes
from cds_service.modes import InForce
from cds_service.web.incoming import Incoming
from cds_service.web.slashes import meant

IN_FORCE = "cds_service.mode"
"""Where the environment holds what is in force for the caller, where the server has asked already."""
CALL = re.compile(r"/cds-services/([^/]+)")


def in_force(request: Incoming, modes: Modes, keeper: FeedbackKeeper) -> InForce:
    """What is in force for *request*, by *modes*; its call is told it, and the patients' places by *keeper*."""
    call = request.call
    found: InForce = request.environ.get(IN_FORCE) or modes.of(call.client)
    call.mode, call.place = found, keeper.place
    return found


class Unread:
    """Knows the calls whose body nobody reads, by their heads."""

    def __init__(self, modes: Modes, registry: Registry) -> None:
        """By *modes*, for the services of *registry*."""
        self._modes = modes
        self._services = frozenset(service.id for service in registry.services)

    def asked(self, environ: Mapping[str, Any], client: str = ANYONE) -> InForce | None:
        """What is in force for a call of a service by *client*; `None` where it is no such call."""
        found = CALL.fullmatch(meant(environ["PATH_INFO"]))
        if environ["REQUEST_METHOD"] != "POST" or found is None or found[1] not in self._services:
            return None
        return self._modes.of(client)
