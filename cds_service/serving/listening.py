"""The socket that a server process listens on: a client that takes nothing of its answer is closed after a while.

The kernel does it (`TCP_USER_TIMEOUT`): the server has handed the answer over by then. granian makes the socket of each
process itself and has no such setting, so here it is made first, and handed to granian.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from granian.server.mp import MPServer


def run(seconds: float, number: int, name: str | None, loader: Any, sockets: Any, *options: Any) -> None:
    """Be a server process whose clients are closed when they have taken nothing for so long."""
    (specification, shared), other = sockets
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if specification is not None and option is not None:
        shared = specification.build()
        with socket.socket(fileno=os.dup(shared.get_fd())) as listening:  # what it accepts inherits the option
            listening.setsockopt(socket.IPPROTO_TCP, option, round(seconds * 1000))
        specification = None
    MPServer._spawn_rsgi_worker(  # noqa: SLF001 - there is no other way
        number, name, loader, ((specification, shared), other), *options
    )
