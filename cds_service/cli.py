"""cds-service serve | evaluate | check | clients | feedback."""

from __future__ import annotations

import argparse
import json
import math
import os
import socket
import ssl
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from cds_service import cores, feedback_cli, server
from cds_service import settings as settings_module
from cds_service.app import build_engine, build_recorder, build_trust, build_verifier, load_clients, warnings
from cds_service.errors import RequestError, SettingsError, StartupError
from cds_service.fhir.outcome import operation_outcome
from cds_service.fhir.servers import origin_of
from cds_service.trust.refusal import CHECKS, Untrusted
from cds_service.web import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cds_service.hooks.service import Answer
    from cds_service.settings import Settings

FAILED = 2
STANDARD_INPUT = "-"
LAST_PORT = 65_535
MOST_WORKERS = 4
"""Server processes where nobody says how many: a large machine has other things to do with its memory."""
LAST_SECONDS = 5
"""Beyond the deadline of a request, for a server process to end; one asked to while it starts would never do so."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in *arguments* (default: the command line) and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has enough of it
        return 0
    except StartupError as error:
        print(f"cds-service: {error}", file=sys.stderr)
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cds-service", description="Vitamin D and magnesium CDS Hooks service")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve over HTTP")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=8000)
    serve.add_argument(
        "--without-authentication",
        action="store_true",
        help="with CDS_AUTH=off set as well: serve other machines, whoever calls",
    )
    serve.set_defaults(run=_serve)
    evaluate = commands.add_parser("evaluate", help="answer one request from a file or standard input")
    evaluate.add_argument("request", metavar="REQUEST.json|-")
    evaluate.add_argument("--as-of", type=_day, metavar="YYYY-MM-DD")
    evaluate.add_argument("--profile", metavar="NAME")
    evaluate.add_argument("--ckd-overlay", metavar="NAME")
    evaluate.add_argument("--explain", action="store_true", help="print the trace on standard error")
    evaluate.set_defaults(run=_evaluate)
    check = commands.add_parser("check", help="read settings, guidance and clients and say what is wrong")
    check.set_defaults(run=_check)
    _add_clients(commands.add_parser("clients", help="for whoever connects a client"))
    feedback_cli.add(commands.add_parser("feedback", help="what clinicians did with cards"))
    return parser


def _add_clients(parser: argparse.ArgumentParser) -> None:
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


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat():
        message = f"{text!r} is not a date YYYY-MM-DD"
        raise argparse.ArgumentTypeError(message)
    return day


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        message = f"{text!r} is not a port up to {LAST_PORT}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _free_port(host: str, port: int) -> int:
    """*port*, or a free one for 0; refused where it is taken, since the server shares ports and would not notice."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise SettingsError(message) from error


def _serve(options: argparse.Namespace) -> int:
    settings = settings_module.load()
    _check_host(options.host, settings, told=options.without_authentication)
    _check_tls(settings)
    port = _free_port(options.host, options.port)
    _prepare(settings)  # what is wrong stops here, before any server process starts
    for warning in [*warnings(settings), *_database_warnings(settings)]:
        print(f"WARNING: {warning}", file=sys.stderr, flush=True)
    secure = settings.tls_certificate is not None
    print(f"Serving on http{'s' if secure else ''}://{options.host}:{port}/cds-services", flush=True)
    with tempfile.TemporaryDirectory(prefix="cds-service-") as numbers:
        os.environ[metrics.FOLDER] = numbers  # the server processes inherit it
        _run_server(options.host, port, settings)
    return 0


def _prepare(settings: Settings) -> None:
    """Read and check everything; what server processes started from now on inherit stays as it was if that fails."""
    engine = build_engine(settings)
    build_trust(settings, engine)
    server.engine = engine


def _run_server(host: str, port: int, settings: Settings) -> None:
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415 - only this command needs the server
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.server.mp import MPServer  # noqa: PLC0415

    class Server(MPServer):
        """On SIGHUP its processes are replaced, unless new ones would not start: then the service would end."""

        def signal_handler_reload(self, *received: object) -> None:
            try:
                _prepare(settings_module.load())
            except StartupError as error:
                print(f"cds-service: not reloaded: {error}", file=sys.stderr, flush=True)
            else:
                super().signal_handler_reload(*received)  # type: ignore[no-untyped-call]

    Server(
        "cds_service.server:application",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=settings.workers or min(cores.usable(), MOST_WORKERS),
        respawn_failed_workers=True,
        workers_kill_timeout=math.ceil(settings.request_deadline) + LAST_SECONDS,
        log_access=False,
        websockets=False,
        http=HTTPModes.http1,  # otherwise a connection that says nothing is never cut
        http1_settings=HTTP1Settings(header_read_timeout=round(settings.idle_timeout * 1000)),
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
    ).serve()


def _database_warnings(settings: Settings) -> list[str]:
    """Bring the database up to date, before the processes need it; the service starts without it too."""
    recorder = build_recorder(settings)
    if recorder is None:
        return []
    try:
        recorder.store.ping()
    except SQLAlchemyError as error:
        return [f"The database cannot be reached ({type(error).__name__}): cards are served, feedback is refused."]
    finally:
        recorder.close()
    return []


def _check_tls(settings: Settings) -> None:
    """The server itself would only say that a process failed."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
        pkcs8 = "BEGIN PRIVATE KEY" in settings.tls_key.read_text(encoding="utf-8")
    except (ssl.SSLError, OSError, UnicodeDecodeError) as error:
        message = "CDS_TLS_CERTIFICATE and CDS_TLS_KEY are not a certificate chain and its key, in PEM"
        raise SettingsError(message) from error
    if not pkcs8:
        raise SettingsError("CDS_TLS_KEY must be in PKCS #8, without a password: -----BEGIN PRIVATE KEY-----")


def _check_host(host: str, settings: Settings, *, told: bool) -> None:
    """Without authentication, other machines are served only by who says so twice."""
    if settings.auth == "jwt" or (told and "auth" in settings.model_fields_set):
        return
    if not origin_of(f"http://[{host}]/" if ":" in host else f"http://{host}/").loopback:
        message = (
            f"authentication is off, so {host} is not served: set CDS_AUTH=jwt; or, if whoever reaches this address "
            f"may really call, set CDS_AUTH=off and give --without-authentication"
        )
        raise SettingsError(message)


def _evaluate(options: argparse.Namespace) -> int:
    given = {
        name: value for name in ("as_of", "profile", "ckd_overlay") if (value := getattr(options, name)) is not None
    }
    engine = build_engine(settings_module.load(**given))
    try:
        body = sys.stdin.buffer.read() if options.request == "-" else Path(options.request).read_bytes()
        answer = engine.answer("vitamin-d-magnesium", body)
    except OSError as error:
        return _failed("not-found", f"{options.request}: {error.strerror}")
    except RequestError as error:
        return _failed(error.code, *error.details)
    if options.explain:
        print("\n".join(explain(answer)), file=sys.stderr)
    print(msgspec.json.format(msgspec.json.encode(answer.response), indent=2).decode())
    return 0


def _failed(code: str, *messages: str) -> int:
    print(json.dumps(operation_outcome(code, *messages), indent=2), file=sys.stderr)
    return FAILED


def explain(answer: Answer) -> list[str]:
    """The trace for people: each prefetch key, then each step of the evaluation."""
    keys = [f"prefetch {key.source.value}: {key.told}{f' ({key.why})' if key.why else ''}" for key in answer.keys]
    return [*keys, *(f"{s.id}: {'yes' if s.fired else 'no'}: {s.because}" for s in answer.evaluation.trace)]


def _check(_: argparse.Namespace) -> int:
    settings = settings_module.load()
    engine = build_engine(settings)
    build_trust(settings, engine)
    build_recorder(settings)
    guidance = engine.guidance
    print(
        f"Settings and guidance are sound: profile {guidance.profile_name}, overlay {settings.ckd_overlay}, "
        f"{len(guidance.cards)} cards, {len(guidance.wording)} texts, {len(guidance.evidence)} sources."
    )
    clients = [client.id for client in load_clients(settings)]
    if clients:
        print(f"Clients: {', '.join(clients)}.")
    for warning in warnings(settings):
        print(f"WARNING: {warning}")
    return 0


class _NothingSeen:
    """A trial of a token does not use it up."""

    def first_time(self, iss: str, jti: str, expires: float) -> bool:
        """Always."""
        del iss, jti, expires
        return True

    def ping(self) -> None:
        """There is nothing to reach."""

    def close(self) -> None:
        """There is nothing to let go of."""


def _test_token(options: argparse.Namespace) -> int:
    """Tell each check of a token until one fails; here, and nowhere else, what is wrong is said."""
    from cds_service.trust.keys import FetchedKeys  # noqa: PLC0415 - slow to import, and for this command alone

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
    problems = [source.problem for source in verifier.keys.values() if isinstance(source, FetchedKeys)]
    for problem in filter(None, problems):
        print(f"        its keys could not be fetched: {problem}")
    return FAILED


def _trial_token(options: argparse.Namespace) -> int:
    from cds_service.trust import trial  # noqa: PLC0415 - as above

    settings = settings_module.load()
    if settings.clients is None or trial.ISSUER not in {client.iss for client in load_clients(settings)}:
        raise SettingsError("CDS_CLIENTS: name a registry of clients that has the preset local-trial")
    print(trial.token(settings.clients.parent, options.url, options.seconds))
    return 0
