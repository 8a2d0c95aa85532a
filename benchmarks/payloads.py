"""The three requests that servers are asked to answer: the comparison kit's, or our own where it is not there.

`payloads.json` says what ours hold: how many results, drugs and problems, their codes and values, and a resource of
each kind with the elements that a real server sends beside those that are read.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]
SERVICE = "vitamin-d-magnesium"
AS_OF, KIT_AS_OF = date(2026, 3, 2), date(2025, 11, 2)
"""The days on which the newest results are fresh: ours, and the kit's."""
NEWEST, EARLIER = date(2026, 2, 20), date(2026, 1, 20)
"""The day of the newest result of a kind, and the day from which the others go back."""
DATA: Json = json.loads(Path(__file__).with_suffix(".json").read_bytes())
SIZES: Mapping[str, Json] = DATA["sizes"]
TEMPLATES = {kind: json.dumps(resource) for kind, resource in DATA["resources"].items()}


class Payloads(NamedTuple):
    """A file for each size, the day to evaluate them for, and where they come from."""

    files: Mapping[str, Path]
    as_of: date
    origin: str


def written(kit: Path, folder: Path) -> Payloads:
    """The requests as files in *folder*."""
    script, files = kit / "gen_payloads.py", {size: folder / f"{size}.json" for size in SIZES}
    if script.is_file():
        subprocess.run([sys.executable, script, folder], stdout=subprocess.DEVNULL, check=True)
        return Payloads(files, KIT_AS_OF, "the comparison kit's")
    for size, file in files.items():
        file.write_bytes(own(size))
    return Payloads(files, AS_OF, "our own, without the comparison kit")


def own(size: str) -> bytes:
    """Our own request of a size, which holds about as much as the kit's."""
    return made(**SIZES[size])


def with_observations(number: int) -> bytes:
    """A typical request, but with *number* Observations, spread evenly over the keys that have them."""
    share, rest = divmod(number, len(DATA["results"]))
    counts = {key: share + (place < rest) for place, key in enumerate(DATA["results"])}
    return made(**SIZES["typical"] | {"results": counts})


def made(results: Mapping[str, int], drugs: int, problems: int) -> bytes:
    """A request with so many results of each key, drugs and problems; their values, names and codes recur."""
    prefetch = {"patient": filled("Patient")}
    for key, about in DATA["results"].items():
        taken = _taken(about["values"], results.get(key, 0))
        code, unit = about["code"], about["unit"]
        prefetch[key] = bundle(
            filled("Observation", number=n, code=code, unit=unit, value=value, day=_day(n)) for n, value in taken
        )
    prefetch["medications"] = bundle(
        filled("MedicationRequest", number=n, text=drug, status="active" if n % 3 else "completed")
        for n, drug in _taken(DATA["drugs"], drugs)
    )
    prefetch["conditions"] = bundle(
        filled("Condition", number=n, code=code, status="active" if n % 4 else "resolved")
        for n, code in _taken(DATA["problems"], problems)
    )
    return request(prefetch | {"labOrders": bundle([])})


def _taken(values: list[Any], number: int) -> Iterable[tuple[int, Any]]:
    return enumerate(itertools.islice(itertools.cycle(values), number))


def _day(number: int) -> str:
    """The day of a result; 0 is the newest."""
    return str(EARLIER - timedelta(days=number) if number else NEWEST)


def filled(kind: str, **values: Any) -> Json:
    """A resource of *kind*, with *values* in the places that bear their names."""
    text = TEMPLATES[kind]
    for name, value in values.items():
        text = text.replace(f'"${name}"', json.dumps(value)).replace(f"${name}", str(value))
    found: Json = json.loads(text)
    return found


def bundle(resources: Iterable[Json]) -> Json:
    """A searchset."""
    entries = [{"fullUrl": f"urn:{r['id']}", "resource": r, "search": {"mode": "match"}} for r in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def request(prefetch: Json) -> bytes:
    """The request that opens a chart with *prefetch*."""
    asked = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/one", "patientId": prefetch["patient"]["id"]},
        "prefetch": prefetch,
    }
    return msgspec.json.encode(asked)
