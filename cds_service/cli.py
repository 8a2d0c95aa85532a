"""cds-service serve | evaluate | check | guidance | clients | feedback | mode | database | population."""

from __future__ import annotations

import argparse
import gc
import math
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cds_service import (
    __version__,
    clients_cli,
    database_cli,
    feedback_cli,
    guidance_cli,
    logs,
    mode_cli,
    population_cli,
)
from cds_service import settings as settings_module
from cds_service.app import (
    build_engine,
    build_keeper,
    build_modes,
    build_trust,
    load_clients,
    prepare_database,
    warnings,
)
from cds_service.clinical.trace import Step
from cds_service.errors import RequestError, SettingsError, StartupError
from cds_service.fhir.orders import Orders
from cds_service.fhir.outcome import operation_outcome
from cds_service.fhir.servers import origin_of
from cds_service.guidance import loading
from cds_service.hooks.service import Answer
from cds_service.serving import cores, server
from cds_service.settings import Settings
from cds_service.store.database import DatabaseError

if TYPE_CHECKING:  # slow to import, and needed with tokens alone
    from cds_service.trust.clients import Client


FAILED = 2
LAST_PORT = 65_535
STARTS_WITHIN = 60
"""Seconds in which a start is to be heard of."""
MOST_WORKERS = 4
"""Server processes where nobody says how many: a large machine has other things to do with its memory."""
PUBLIC_URL = "CDS_PUBLIC_URL"
LAST_SECONDS = 5
"""Beyond the deadline of a request, for a server process to end; one asked to while it starts would never do so."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in *arguments* (default: the command line) and return the exit status."""
    options = options_of(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the output has enough of it
        return 0
    except StartupError as error:
        print(f"cds-service: {error}", file=sys.stderr)
        return FAILED
    return status


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options that *arguments* are, and the command to run."""
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cds-service", description="Vitamin D and magnesium CDS Hooks service")
    parser.add_argument("--version", action="version", version=__version__)
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
    guidance_cli.add(commands.add_parser("guidance", help="what a site's own guidance changes"))
    clients_cli.add(commands.add_parser("clients", help="try the tokens of a client"))
    feedback_cli.add(commands.add_parser("feedback", help="what clinicians did with cards"))
    mode_cli.add(commands.add_parser("mode", help="whether cards are shown: what is in force, and a change of it"))
    database_cli.add(commands.add_parser("database", help="its rows, and the way back to an earlier version"))
    population_cli.add(commands.add_parser("population", help="what it would say of a whole bulk export"), _day)
    return parser


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
    address = _address(options.host, port, settings)
    own = settings.public_url is None and origin_of(address).loopback
    if own:
        settings = settings.model_copy(update={"public_url": address})
    _prepare(settings)  # what is wrong stops here, before any server process starts
    for warning in [*warnings(settings), *_database_warnings(settings)]:
        print(f"WARNING: {warning}", file=sys.stderr, flush=True)
    if settings.as_of is not None:
        print(f"Every day is {settings.as_of} here (CDS_AS_OF)", flush=True)
    print(f"Serving on {address}/cds-services", flush=True)
    page = f"{address}{'/' if settings.has_playground else '/about'}"
    with tempfile.TemporaryDirectory(prefix="cds-service-") as numbers:
        os.environ[settings_module.NUMBERS_FOLDER] = numbers  # the server processes inherit it
        if own:
            os.environ[PUBLIC_URL] = address  # and this; a reload reads it again
        _run_server(options.host, port, settings, page)
    return 0


def _address(host: str, port: int, settings: Settings) -> str:
    """Where this machine is served."""
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _prepare(settings: Settings) -> None:
    """Read and check everything; what server processes started from now on inherit stays as it was if that fails."""
    engine = build_engine(settings)
    build_trust(settings, engine)
    build_modes(settings, engine)
    server.engine = engine


def _tell_when_open(host: str, port: int, page: str) -> None:
    """Say where to look as soon as somebody listens there; a start that takes longer than a minute says nothing."""
    for _ in range(STARTS_WITHIN):
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(1)
        else:
            print(f"Open {page} in a browser", flush=True)
            return


def _run_server(host: str, port: int, settings: Settings, page: str) -> None:
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415 - only this command needs the server
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LOGGING_CONFIG  # noqa: PLC0415
    from granian.server.mp import MPServer  # noqa: PLC0415

    from cds_service.serving import listening  # noqa: PLC0415

    gc.freeze()  # to look through all this for cycles would take long in each server process, and copy what they share

    class Server(MPServer):
        """On SIGHUP its processes are replaced, unless new ones would not start: then the service would end."""

        def startup(self, *given: object) -> None:
            super().startup(*given)  # type: ignore[no-untyped-call]
            threading.Thread(target=_tell_when_open, args=(host, port, page), daemon=True).start()  # after the forks

        def signal_handler_reload(self, *received: object) -> None:
            try:
                _prepare(settings_module.load())
            except StartupError as error:
                print(f"cds-service: not reloaded: {error}", file=sys.stderr, flush=True)
            else:
                super().signal_handler_reload(*received)  # type: ignore[no-untyped-call]

    Server(
        "cds_service.serving.server:application",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=settings.workers or min(cores.usable(), MOST_WORKERS),
        respawn_failed_workers=True,
        workers_kill_timeout=math.ceil(settings.request_deadline) + LAST_SECONDS,
        log_access=False,
        log_dictconfig=logs.of_server(LOGGING_CONFIG),
        websockets=False,
        http=HTTPModes.http1,  # otherwise a connection that says nothing is never cut
        http1_settings=HTTP1Settings(header_read_timeout=round(settings.idle_timeout * 1000)),
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
    ).serve(spawn_target=partial(listening.run, settings.idle_timeout))


def _database_warnings(settings: Settings) -> list[str]:
    """Make the tables and the key, before the processes need them; the service starts without them too."""
    try:
        prepare_database(settings)
    except DatabaseError as error:
        return [f"The database cannot be reached ({type(error).__name__}): {_without_database(settings)}."]
    return []


def _without_database(settings: Settings) -> str:
    return "nobody is let in" if settings.auth == "jwt" else "cards are served, feedback is refused"


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
        answer = engine.answer_by_hook(body)
    except OSError as error:
        return _failed("not-found", f"{options.request}: {error.strerror}")
    except RequestError as error:
        return _failed(error.code, *error.details)
    if options.explain:
        print("\n".join(explain(answer)), file=sys.stderr)
    print(_pretty(answer.written))
    return 0


def _failed(code: str, *messages: str) -> int:
    print(_pretty(operation_outcome(code, *messages)), file=sys.stderr)
    return FAILED


def _pretty(written: object) -> str:
    return msgspec.json.format(msgspec.json.encode(written), indent=2).decode()


def explain(answer: Answer) -> list[str]:
    """The trace for people: each prefetch key, then each step of the evaluation."""
    keys = [f"prefetch {key.source.value}: {key.told}{f' ({key.why})' if key.why else ''}" for key in answer.keys]
    return [*keys, *(_step(step) for step in answer.evaluation.trace)]


def _step(step: Step) -> str:
    """A closed gate by its sentence, any other step by whether it applies and what decided it."""
    if step.id.startswith("G-"):
        return f"{step.id}: {step.because}"
    return f"{step.id}: {'yes' if step.fired else 'no'}: {step.because}"


def _check(_: argparse.Namespace) -> int:
    settings = settings_module.load()
    Orders(loading.load())  # the shipped guidance is judged by itself too
    engine = build_engine(settings)
    build_trust(settings, engine)
    build_keeper(settings, engine)
    guidance = engine.guidance
    print(
        f"Settings and guidance are sound: profile {guidance.profile_name}, overlay {settings.ckd_overlay}, "
        f"{len(guidance.cards)} cards, {len(guidance.wording)} texts, {len(guidance.evidence)} sources."
    )
    if guidance.local_digest:
        print(
            f"Local guidance is sound, and so is the shipped one without it: "
            f"{guidance_cli.counted(engine.local)} of {engine.local.folder} laid over, digest {guidance.local_digest}."
        )
    mapped = [key for key, orderable in guidance.orderables.items() if orderable.codings]
    if mapped:
        print(f"Orders with codes of the site: {', '.join(mapped)}.")
    clients = tuple(load_clients(settings))
    if clients:
        print(f"Clients: {', '.join(client.id for client in clients)}.")
    print(f"FHIR servers: {_servers(settings, clients)}.")
    for warning in warnings(settings):
        print(f"WARNING: {warning}")
    return 0


def _servers(settings: Settings, clients: Sequence[Client]) -> str:
    """Which FHIR servers are called."""
    named = [*settings.fhir_servers, *(server for client in clients for server in client.fhir_servers or ())]
    if named:
        return ", ".join(dict.fromkeys(named))
    if settings.auth == "off":
        return "those of this machine, over http (CDS_FHIR_SERVERS names others)"
    return "none is called, and what is not prefetched is missing (set CDS_FHIR_SERVERS, or a client's fhir_servers)"
