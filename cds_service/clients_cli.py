"""cds-service clients test | trial-token."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import Future

from cds_service import settings as settings_module
from cds_service.app import build_verifier, load_clients
from cds_service.errors import SettingsError
from cds_service.fhir.servers import origin_of
from cds_service.trust.refusal import CHECKS, Untrusted

FAILED = 2
STANDARD_INPUT = "-"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands to *parser*."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    test = commands.add_parser("test", help="check a token and say which check fails")
    test.add_argument("token", metavar="TOKEN|-", help="the token; - reads it from standard input")
    test.add_argument("--url", type=_url, required=True, help="the URL that is called with it")
    test.set_defaults(run=_test_token)
    made = commands.add_parser("trial-token", help="print a token of the preset local-trial")
    made.add_argument("--url", type=_url, required=True, help="the URL that is to be called with it")
    made.add_argument("--seconds", type=int, default=300, help="how long it is valid (300)")
    made.set_defaults(run=_trial_token)


def _url(text: str) -> str:
    try:
        origin_of(text)
    except ValueError as error:
        message = f"{text!r} is not a URL: {error}"
        raise argparse.ArgumentTypeError(message) from error
    return text


class _NothingSeen:
    """A trial of a token does not use it up."""

    def note(self, iss: str, jti: str, expires: float) -> Future[bool]:
        """It is the first time, always."""
        del iss, jti, expires
        first_time: Future[bool] = Future()
        first_time.set_result(True)
        return first_time

    def can_write(self) -> bool:
        """There is nothing to write into."""
        return False

    def close(self) -> None:
        """There is nothing to let go of."""


def _test_token(options: argparse.Namespace) -> int:
    """Tell each check of a token until one fails; here, and nowhere else, what is wrong is said."""
    settings = settings_module.load()
    if settings.clients is None:
        raise SettingsError("CDS_CLIENTS: name the registry of clients")
    token = sys.stdin.readline().strip() if options.token == STANDARD_INPUT else options.token
    verifier = build_verifier(settings, load_clients(settings), _NothingSeen())
    refusal = None
    try:
        caller = verifier.verify(f"Bearer {token.removeprefix('Bearer ')}", (options.url,))
    except Untrusted as untrusted:
        refusal = untrusted
    for check, meaning in CHECKS.items():
        if refusal is not None and check == refusal.check:
            break
        print(f"ok      {check}: {meaning}")
    if refusal is None:
        print(f"This is {caller.client.id}. Whether the jti was used before was not looked up.")
        return 0
    print(f"FAILED  {refusal.check}: {refusal}")
    return FAILED


def _trial_token(options: argparse.Namespace) -> int:
    from cds_service.trust import trial_client  # noqa: PLC0415 - cryptography is slow to import

    settings = settings_module.load()
    if settings.clients is None or trial_client.ISSUER not in {client.iss for client in load_clients(settings)}:
        raise SettingsError("CDS_CLIENTS: name a registry of clients that has the preset local-trial")
    print(trial_client.token(settings.clients.parent, options.url, options.seconds))
    return 0
