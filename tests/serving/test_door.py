"""The door of a server process: who calls is known before the body is read."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from pathlib import Path

import pytest
from werkzeug.test import create_environ

from cds_service import create_app
from cds_service.errors import StoreUnavailable
from cds_service.serving.door import Door
from cds_service.settings import Settings
from tests.support.tokens import BASE, Issuer, write_registry
from tests.web.calls import DISCOVERY

ISSUER = Issuer("hospital", "https://ehr.example.com/issuer")


def test_tokens_that_cannot_be_noted_are_not_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no token can be noted each call is refused, and the log does not tell of each as of a fault."""
    settings = Settings(
        auth="jwt",
        clients=write_registry(tmp_path / "clients.toml", ISSUER.entry),
        public_url=BASE,
        database_url=f"sqlite:///{tmp_path}/not-there/db",
    )
    app = create_app(settings)
    authorization = {"Authorization": f"Bearer {ISSUER.token(exp=int(time.time()) + 60)}"}

    async def call() -> None:
        """One call, and what the event loop says of it."""
        with pytest.raises(StoreUnavailable):
            await Door(app.extensions["cds_trust"]).let_in(create_environ(DISCOVERY, headers=authorization))
        gc.collect()

    caplog.clear()  # that the modes cannot be read was told at the start
    with caplog.at_level(logging.ERROR):
        asyncio.run(call())
    app.extensions["cds_close"]()

    assert caplog.messages == []
