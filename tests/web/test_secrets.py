"""Nothing that a client sends is kept or told: not in the log, not in the database, not in any file.

Every place of a request holds a mark of its own; afterwards all that the process wrote is searched for the marks.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from cds_service.hooks.messages import EXPLAIN
from tests.support.for_each import for_each
from tests.support.loopback import Call
from tests.support.recording_server import FHIR_JSON, RecordingServer, Reply, redirect, reply
from tests.support.serving import Served, serving
from tests.support.wire import Wire, request
from tests.web.calls import DISCOVERY, KEYS, LOCAL, TODAY, URL, Json, golden, without

pytestmark = pytest.mark.served

WORD = "Geheimrat"
"""In every mark, whatever else is in it."""
SENTENCE = f"Erika {WORD} born 17.07.1971"
"""A mark unlike an identifier: where an identifier may be told, this may not."""
NUMBER = "13.3742113"
"""A result that no other number in a line could be taken for."""
BIRTHDAY = "1971-07-17"
MARKS = (WORD, NUMBER, BIRTHDAY, "17.07.1971")
ISSUER = "https://ehr.example"
KID = "the-key"
FEEDBACK = f"{URL}/feedback"
TARGETS = (
    DISCOVERY,
    URL,
    FEEDBACK,
    "/healthz",
    "/openapi.json",
    f"{DISCOVERY}/{WORD}",
    f"/{WORD}",
    f"/{quote(SENTENCE)}",
)
STRICT: Json = {"strict_fhir": True}
BRIEF: Json = {"fhir_deadline": 0.5, "fhir_read_timeout": 0.3, "body_timeout": 0.5, "rate": "100000/minute"}


def marked(**members: Any) -> Json:
    """The golden request of a patient with a marked id, name, birth date, results and texts."""
    text = json.dumps(golden()).replace("patient-v02", f"{WORD}-1")
    found: Json = json.loads(text)
    found["prefetch"]["patient"] |= {
        "name": [{"text": SENTENCE, "family": WORD, "given": [f"{WORD}-2"]}],
        "birthDate": BIRTHDAY,
        "identifier": [{"system": f"urn:{WORD}", "value": f"{WORD}-3"}],
        "telecom": [{"value": f"{WORD}@example.org"}],
        "text": {"status": "generated", "div": f"<div>{SENTENCE}</div>"},
    }
    for entry in found["prefetch"]["vitaminD"]["entry"]:
        entry["fullUrl"] = f"https://ehr.example/{WORD}"
        entry["resource"] |= {
            "id": f"{WORD}-4",
            "valueQuantity": {"value": float(NUMBER), "unit": "nmol/L"},
            "note": [{"text": SENTENCE}],
            "performer": [{"display": SENTENCE}],
        }
    found |= {"hook": "patient-view", "hookInstance": SENTENCE, "extension": {f"org.{WORD}": SENTENCE}}
    found["context"] = {"patientId": f"{WORD}-1", "userId": f"Practitioner/{WORD}-5", "encounterId": f"{WORD}-6"}
    return {**found, **members}


def authorization(**members: Any) -> Json:
    """A `fhirAuthorization` with marks."""
    return {
        "access_token": f"{WORD}-7.token",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": f"patient/*.read launch/{WORD}",
        "subject": f"{WORD}-8",
        "patient": f"{WORD}-1",
        **members,
    }


def bodies(fhir: str) -> Iterator[bytes]:
    """Bodies that are answered, refused, and fail in each way, with marks in them."""
    lost = {key: value for key, value in marked()["prefetch"].items() if key == "patient"}
    wrong = marked()
    wrong["prefetch"]["vitaminD"]["entry"][0]["resource"]["subject"] = {"reference": f"Patient/{WORD}-9"}
    invalid = marked()
    invalid["prefetch"]["vitaminD"]["entry"][0]["resource"] |= {"status": SENTENCE, WORD: SENTENCE, "issued": NUMBER}
    values: list[Any] = [
        marked(),
        marked(extension={EXPLAIN: True}),
        marked(hook=SENTENCE),
        marked(hook=f"{WORD} {NUMBER}"),
        marked(hookInstance=f"{SENTENCE}\nforged line"),
        marked(context={"patientId": f"{WORD}/1", "userId": SENTENCE}),
        marked(context=SENTENCE),
        marked(prefetch=SENTENCE),
        marked(prefetch={**marked()["prefetch"], "vitaminD": SENTENCE}),
        marked(prefetch={**marked()["prefetch"], "vitaminD": {"resourceType": SENTENCE}}),
        marked(prefetch={**marked()["prefetch"], "vitaminD": failure()}),
        marked(prefetch={**marked()["prefetch"], SENTENCE: SENTENCE, WORD: {}}),
        marked(prefetch={**marked()["prefetch"], "patient": {"resourceType": "Patient", "id": f"{WORD}-10"}}),
        wrong,
        invalid,
        SENTENCE,
        [SENTENCE],
        {WORD: SENTENCE},
    ]
    servers = [f"{fhir}/{place}" for place in FAILURES]
    servers += [f"https://{WORD}.invalid/fhir", f"{fhir}?{WORD}", SENTENCE, f"http://{WORD}:{WORD}@127.0.0.1:9/fhir"]
    servers += ["http://127.0.0.1:9/fhir", f"file:///{WORD}", f"http://127.0.0.1:9/{WORD}"]
    values += [marked(prefetch=lost, fhirServer=server, fhirAuthorization=authorization()) for server in servers]
    odd = [
        authorization(access_token=f"{WORD}\r\nX: {WORD}"),
        authorization(token_type=SENTENCE),
        authorization(scope=SENTENCE),
        authorization(expires_in=SENTENCE),
        authorization(patient=SENTENCE),
        authorization(access_token={WORD: WORD}),
        SENTENCE,
        [SENTENCE],
    ]
    values += [marked(prefetch=lost, fhirServer=f"{fhir}/none", fhirAuthorization=wrong_one) for wrong_one in odd]
    for value in values:
        yield json.dumps(value).encode()
    whole = json.dumps(marked()).encode()
    yield whole[: len(whole) // 2]
    yield whole.replace(NUMBER.encode(), NUMBER.encode() + b"x")
    yield whole.replace(b'"family"', b"family")
    yield whole.replace(WORD.encode(), WORD.encode() + b"\xff")
    yield SENTENCE.encode()
    yield b"\x00" + SENTENCE.encode()


def failure() -> Json:
    """An OperationOutcome that says too much."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "processing", "diagnostics": SENTENCE, "details": {"text": SENTENCE}}],
    }


FAILURES: dict[str, Reply] = {
    "none": reply(failure(), 404),
    "refused": reply(failure(), 403),
    "fault": reply(failure(), 500),
    "html": Reply(500, f"<html>{SENTENCE}</html>".encode(), {"Content-Type": f"text/html; x={WORD}"}),
    "redirect": redirect(f"https://{WORD}.invalid/{WORD}"),
    "here": redirect(f"/{WORD}"),
    "garbage": Reply(200, f'{{"resourceType": "{SENTENCE}'.encode()),
    "other": reply({"resourceType": SENTENCE, "id": WORD}),
    "stranger": reply({"resourceType": "Patient", "id": SENTENCE}),
    "typed": Reply(200, b"{}", {"Content-Type": f"application/{WORD}"}),
    "encoded": Reply(200, SENTENCE.encode(), {"Content-Type": FHIR_JSON, "Content-Encoding": "gzip"}),
    "paged": reply({"resourceType": "Bundle", "link": [{"relation": "next", "url": f"https://{WORD}.invalid/{WORD}"}]}),
    "busy": Reply(429, SENTENCE.encode(), {"Retry-After": SENTENCE, "Content-Type": FHIR_JSON}),
}


def fail(call: Call) -> Reply:
    """Fail as the path says."""
    return FAILURES.get(call.path.split("/")[2], FAILURES["none"])


HEADERS: Mapping[str, str] = {
    "Authorization": f"Bearer {WORD}-11",
    "Cookie": f"session={WORD}-12",
    "User-Agent": f"{WORD}/13",
    "Referer": f"https://ehr.example/{WORD}-14",
    "X-Request-ID": f"{WORD}-15",
    "X-Forwarded-For": f"{WORD}-16",
    "Forwarded": f"for={WORD}-17",
    f"X-{WORD}": WORD,
    "Accept-Language": WORD,
}


def send_everything(served: Served, fhir: str, refused: list[str], sound: list[str]) -> set[int]:
    """Call everything with marks everywhere, and each body with a token of its own; the statuses that came back."""
    query = f"?patient={WORD}&name={quote(SENTENCE)}"
    found: set[int] = set()
    with requests.Session() as session:

        def call(method: str, target: str, body: bytes | None, **headers: str) -> None:
            named = {**HEADERS, "Content-Type": "application/json", **headers}
            answer = session.request(method, f"{served.url}{target}", data=body, headers=named, timeout=60)
            found.add(answer.status_code)

        for target in TARGETS:
            for method in ("GET", "POST", "PUT", "HEAD", "OPTIONS"):
                call(method, target + query, json.dumps(marked()).encode())
                call(method, target + query, SENTENCE.encode(), Origin=f"https://{WORD}.example")
            call("POST", target, SENTENCE.encode(), **{"Content-Type": f"text/{WORD}"})
        for authorized in refused:
            call("GET", DISCOVERY + query, None, Authorization=authorized)
            call("POST", URL + query, json.dumps(marked()).encode(), Authorization=authorized)
        for body in bodies(fhir):
            call("POST", URL, body, Authorization=next_token(sound), Origin=LOCAL)
            call("POST", FEEDBACK, body, Authorization=next_token(sound))
    head = request("POST", f"{URL}?{WORD}", "Content-Type: application/json", f"X-Name: {WORD}")[:-2]
    for sent in (
        head + b"Content-Length: 500\r\n\r\n" + SENTENCE.encode(),
        head + b"Transfer-Encoding: chunked\r\n\r\n" + WORD.encode() + b"\r\n",
        head + b"Content-Length: 999999999\r\n\r\n" + SENTENCE.encode(),
        f"GET /{SENTENCE} HTTP/1.1\r\n\r\n".encode(),
        f"{WORD}\r\n\r\n".encode(),
        f"{WORD} / HTTP/1.1\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{SENTENCE}\r\n\r\n".encode(),
        head + f"X-Long: {WORD * 100_000}\r\n\r\n".encode(),
    ):
        with Wire(served.port) as wire:
            answer = wire.send(sent).answer()
            found |= {answer.status} if answer else set()
    return found


KEY = ec.generate_private_key(ec.SECP384R1())


def token(url: str, key: ec.EllipticCurvePrivateKey = KEY, **claims: Any) -> str:
    """A token of the client, with marks, as the header Authorization has it."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": [url, f"{url}/"],
        "iat": now,
        "exp": now + 300,
        "jti": f"{WORD}-{uuid.uuid4()}",
        "tenant": SENTENCE,
        "sub": f"{WORD}-18",
        WORD: SENTENCE,
    } | claims
    return f"Bearer {jwt.encode(said, key, 'ES384', headers={'kid': KID})}"


def next_token(tokens: list[str]) -> str:
    """One that has not been used, where there are tokens at all."""
    return tokens.pop() if tokens else f"Bearer {WORD}-19"


def leaked(served: Served, marks: tuple[str, ...]) -> dict[str, list[str]]:
    """Where which marks are found: in any file, in any spelling that is likely."""
    found: dict[str, list[str]] = {}
    for name, content in {**served.written, "names of files": " ".join(served.written).encode()}.items():
        lower = content.lower()
        for mark in marks:
            forms = {mark, quote(mark), base64.b64encode(mark.encode()).decode().rstrip("=")}
            if any(form.lower().encode() in lower for form in forms):
                found.setdefault(name, []).append(mark)
    return found


@for_each("settings", [{}, STRICT], ids=["lenient", "strict"])
def test_without_authentication(settings: Json) -> None:
    """Of all that was sent without authentication, whatever became of it, nothing was written anywhere."""
    with RecordingServer(fail) as fhir, serving(as_of=TODAY, **BRIEF, **settings) as served:
        statuses = send_everything(served, fhir.url(), [], [])
        served.stop()

        assert {200, 400, 404, 405, 408, 412, 413, 415, 422} <= statuses
        assert max(statuses) < 500
        assert fhir.calls
        assert '"event":"call"' in served.log
        assert leaked(served, MARKS) == {}


def test_with_tokens(tmp_path: Path) -> None:
    """The same with authentication: no token, no part of one and no claim was written, also not to the database."""
    keys = {"keys": [{**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "kid": KID, "use": "sig"}]}
    (tmp_path / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    registry = tmp_path / "clients.toml"
    registry.write_text(f'[[client]]\nid = "ehr"\niss = "{ISSUER}"\njwks_file = "keys.json"\n', encoding="utf-8")
    public = "https://cds.example"
    stranger = ec.generate_private_key(ec.SECP384R1())
    refused = [
        token(public, aud=f"https://{WORD}.example"),
        token(public, iss=f"https://{WORD}.example"),
        token(public, exp=1),
        token(public, jti=SENTENCE * 50),
        token(public, tenant=[SENTENCE]),
        token(public, stranger),
        token(public)[:-20],
        f"Bearer {WORD}.{WORD}.{WORD}",
        f"Basic {base64.b64encode(SENTENCE.encode()).decode()}",
    ]
    everything = [public + target for target in (DISCOVERY, URL, FEEDBACK)]
    sound = [token(public, aud=everything, jti=f"{SENTENCE} {place}") for place in range(200)]
    settings: Json = {**BRIEF, "auth": "jwt", "clients": registry, "public_url": public}
    with RecordingServer(fail) as fhir, serving(as_of=TODAY, **settings) as served:
        statuses = set()
        for fresh in sound[:3]:
            for _ in range(2):  # the second time it has been used
                answer = requests.post(
                    f"{served.url}{URL}", json=marked(), headers={"Authorization": fresh}, timeout=60
                )
                statuses.add(answer.status_code)
        statuses |= send_everything(served, fhir.url(), refused, sound[3:])
        served.stop()

        assert {200, 400, 401, 404, 412, 422} <= statuses
        assert max(statuses) < 500
        assert "cds-service.sqlite3" in " ".join(served.written)
        assert '"refused":"signature"' in served.log
        parts = tuple(part for sent in (*refused, *sound) for part in sent.split(" ")[1].split(".") if len(part) > 20)
        assert leaked(served, (*MARKS, *parts)) == {}


def test_nothing_but_the_database() -> None:
    """The service writes no file in its working directory but its database, which SQLite keeps in up to three."""
    with serving(as_of=TODAY) as served:
        requests.post(f"{served.url}{URL}", json=without(*KEYS[1:]), timeout=60)
        served.stop()

        names = {file.name for file in served.folder.iterdir()}
        assert "cds-service.sqlite3" in names
        assert names <= {f"cds-service.sqlite3{end}" for end in ("", "-shm", "-wal")}
