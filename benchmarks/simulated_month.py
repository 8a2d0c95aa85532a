"""Fills a database with a simulated month that ends today: 5,000 chart-opens of three clients, and their feedback.

    .venv/bin/python benchmarks/simulated_month.py month.sqlite3
    CDS_DATABASE_URL=sqlite:///month.sqlite3 .venv/bin/cds-service serve     # then look at /insights

The charts are the golden requests of `fhir_fixtures`, moved to the day, of about 1,700 patients; more than half of
them have nothing to tell. Of the cards that offer something 8 % are accepted; 40 % of all cards are dismissed, 45 % of
those with a reason; nothing comes back about the rest. A few prefetch keys lack, and a few calls are broken. Times of
a call are those of this process, without a server or a network.
"""

from __future__ import annotations

import heapq
import json
import math
import random
import re
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from cds_service import create_app
from cds_service.settings import Settings

FIXTURES = Path(__file__).resolve().parents[1] / "fhir_fixtures"
URL = "/cds-services/vitamin-d-magnesium"
PUBLIC = "http://localhost:8000"
DAYS, OPENS, PATIENTS = 30, 5000, 1700
CLIENTS = {"university-hospital": 0.62, "county-clinics": 0.31, "private-practice": 0.07}
NOTHING_TO_TELL = 0.55
ACCEPTED, DISMISSED, WITH_REASON, WITH_COMMENT = 0.08, 0.40, 0.45, 0.1
LACKING, BROKEN = 0.06, 0.008
WEEKEND = 0.25
"""How many charts are opened on a day of the weekend, as a share of other days."""
TYPICAL_SECONDS, LONGEST_SECONDS = 40, 4 * 3600
DAY = re.compile(r"(?<![\w-])\d{4}-\d\d-\d\d(?![\w-]*-)")


class Patient(NamedTuple):
    """Somebody whose chart is opened now and then."""

    id: str
    client: str
    case: str
    as_of: date


class Feedback(NamedTuple):
    """A body to be sent."""

    client: str
    body: dict[str, Any]


class Hospitals:
    """The three clients: their keys, and the service that knows them."""

    def __init__(self, database: Path, folder: Path) -> None:
        """The registry of clients is written to *folder*."""
        self._keys = {name: ec.generate_private_key(ec.SECP384R1()) for name in CLIENTS}
        entries = []
        for name, key in self._keys.items():
            public = json.loads(ECAlgorithm.to_jwk(key.public_key())) | {"kid": name, "use": "sig", "alg": "ES384"}
            (folder / f"{name}.json").write_text(json.dumps({"keys": [public]}), encoding="utf-8")
            entries.append(f'[[client]]\nid = "{name}"\niss = "https://{name}.example"\njwks_file = "{name}.json"\n')
        registry = folder / "clients.toml"
        registry.write_text("\n".join(entries), encoding="utf-8")
        settings = Settings(
            database_url=f"sqlite:///{database}", feedback=True, auth="jwt", clients=registry, public_url=PUBLIC
        )
        self.app = create_app(settings)
        self._client = self.app.test_client()

    def post(self, name: str, path: str, body: bytes) -> Any:
        """Call the service as the client *name*."""
        now = int(time.time())
        claims = {"iss": f"https://{name}.example", "aud": f"{PUBLIC}{path}", "iat": now, "exp": now + 300}
        token = jwt.encode({**claims, "jti": str(uuid.uuid4())}, self._keys[name], "ES384", {"kid": name})
        headers = {"Authorization": f"Bearer {token}"}
        return self._client.post(path, data=body, content_type="application/json", headers=headers)


def cases() -> tuple[list[tuple[str, date]], list[tuple[str, date]]]:
    """The golden requests of the usual guidance with the day they are made for: those without cards, and those with."""
    without: list[tuple[str, date]] = []
    with_cards: list[tuple[str, date]] = []
    for folder in sorted(path for path in FIXTURES.iterdir() if path.is_dir()):
        expected = json.loads((folder / "expected.json").read_bytes())
        if (expected["profile"], expected["ckdOverlay"]) == ("magnesium-aware", "kdoqi-2003"):
            case = (folder.name, date.fromisoformat(expected["asOf"]))
            (with_cards if expected["cards"] else without).append(case)
    return without, with_cards


def patients(chooser: random.Random) -> list[Patient]:
    """Everybody."""
    without, with_cards = cases()
    names = chooser.choices(list(CLIENTS), list(CLIENTS.values()), k=PATIENTS)
    return [
        Patient(f"sim-{n}", name, *chooser.choice(without if chooser.random() < NOTHING_TO_TELL else with_cards))
        for n, name in enumerate(names)
    ]


def moments(chooser: random.Random, now: datetime) -> list[datetime]:
    """When charts are opened, up to *now*: mostly on weekdays from 7 to 18."""
    days = [now.date() - timedelta(days=n) for n in reversed(range(DAYS))]
    busy = [WEEKEND if day.weekday() >= 5 else 1.0 for day in days]  # noqa: PLR2004 - Saturday
    found: list[datetime] = []
    while len(found) < OPENS:
        (day,) = chooser.choices(days, busy)
        seconds = min(86_000.0, max(0.0, chooser.gauss(12 * 3600, 2.5 * 3600)))
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
        if moment < now:
            found.append(moment)
    return sorted(found)


def request_of(patient: Patient, day: date, chooser: random.Random) -> bytes:
    """The patient's golden request as of *day*."""
    text = (FIXTURES / patient.case / "request.json").read_text(encoding="utf-8")
    moved = day - patient.as_of
    body = json.loads(DAY.sub(lambda found: str(date.fromisoformat(found[0]) + moved), text))
    text = json.dumps(body).replace(json.dumps(body["context"]["patientId"])[1:-1], patient.id)
    body = json.loads(text)
    body["hookInstance"] = str(uuid.UUID(int=chooser.getrandbits(128), version=4))
    if chooser.random() < LACKING:
        optional = [key for key in body["prefetch"] if key not in ("patient", "vitaminD", "magnesium")]
        for key in chooser.sample(optional, min(len(optional), chooser.randint(1, 3))):
            del body["prefetch"][key]
    if chooser.random() < BROKEN:
        del body["context"]
    return json.dumps(body).encode()


def reactions(cards: list[Any], at: datetime, chooser: random.Random) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What is done with *cards*, and when."""
    for card in cards:
        seconds = min(LONGEST_SECONDS, TYPICAL_SECONDS * math.exp(chooser.gauss(0, 1.1)))
        when = at + timedelta(seconds=seconds)
        item = {"card": card["uuid"], "outcomeTimestamp": f"{when:%Y-%m-%dT%H:%M:%S.%f}Z"}
        drawn = chooser.random()
        if drawn < ACCEPTED and card.get("suggestions"):
            chosen = chooser.choice(card["suggestions"])
            yield when, item | {"outcome": "accepted", "acceptedSuggestions": [{"id": chosen["uuid"]}]}
        elif ACCEPTED <= drawn < ACCEPTED + DISMISSED:
            override: dict[str, Any] = {}
            if chooser.random() < WITH_REASON and card.get("overrideReasons"):
                reason = chooser.choice(card["overrideReasons"])
                override["reason"] = {name: reason[name] for name in ("code", "system")}
                if chooser.random() < WITH_COMMENT:
                    override["userComment"] = "as discussed"
            yield when, item | {"outcome": "overridden"} | ({"overrideReason": override} if override else {})


def simulate(hospitals: Hospitals, chooser: random.Random) -> Counter[str]:
    """Live through the month; what was counted."""
    everybody, counted = patients(chooser), Counter[str]()
    recorder = hospitals.app.extensions["cds_recorder"]
    waiting: list[tuple[datetime, int, Feedback]] = []
    opened = moments(chooser, datetime.now(UTC))
    with time_machine.travel(opened[0], tick=False) as travelling:
        for place, moment in enumerate(opened):
            while waiting and waiting[0][0] <= moment:
                travelling.move_to(waiting[0][0])
                _tell(hospitals, heapq.heappop(waiting)[2], counted)
            travelling.move_to(moment)
            patient = chooser.choice(everybody)
            answer = hospitals.post(patient.client, URL, request_of(patient, moment.date(), chooser))
            counted[f"calls with status {answer.status_code}"] += 1
            cards = answer.get_json()["cards"] if answer.status_code == 200 else []  # noqa: PLR2004
            counted["cards"] += len(cards)
            for when, item in reactions(cards, moment, chooser):
                heapq.heappush(waiting, (when, counted.total(), Feedback(patient.client, item)))
                counted["reactions"] += 1
            if place % 100 == 0:
                recorder.flush()
                print(f"\r{moment:%Y-%m-%d}  {place} of {len(opened)} charts", end="", file=sys.stderr, flush=True)
        while waiting:
            travelling.move_to(waiting[0][0])
            _tell(hospitals, heapq.heappop(waiting)[2], counted)
    recorder.close()
    print(file=sys.stderr)
    return counted


def _tell(hospitals: Hospitals, feedback: Feedback, counted: Counter[str]) -> None:
    body = json.dumps({"feedback": [feedback.body]}).encode()
    answer = hospitals.post(feedback.client, f"{URL}/feedback", body)
    counted[f"feedback with status {answer.status_code}"] += 1
    counted[feedback.body["outcome"]] += 1


def main() -> None:
    """Fill the file that is named, which must not be there yet."""
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():  # noqa: PLR2004 - the command and the file
        sys.exit("usage: simulated_month.py FILE (a file of SQLite that is not there yet)")
    database = Path(sys.argv[1]).resolve()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counted = simulate(Hospitals(database, Path(folder)), random.Random(2501916))  # noqa: S311 - no secret
    for name, count in sorted(counted.items()):
        print(f"{count:6} {name}")
    print(f"{database} in {time.monotonic() - started:.0f} s. Look at it:")
    print(f"  CDS_DATABASE_URL=sqlite:///{database} {Path(sys.executable).parent}/cds-service serve")
    print("  and open http://127.0.0.1:8000/insights")


if __name__ == "__main__":
    main()
