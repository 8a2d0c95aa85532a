"""A report to look at: on made-up patients, each of whom is sent as a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

import msgspec

from cds_service.clinical.facts import Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.fhir.orders import Json
from cds_service.hooks.prefetch import SizeLimits
from cds_service.population import report
from cds_service.population.chart import CARDS, Charts, Mark, Plan, View
from cds_service.population.export import NUMBER, READ
from cds_service.population.office import office_day
from cds_service.population.tally import figures

MOST = 10_000


def example(guidance: Guidance, day: date, requests: Iterable[bytes], version: str) -> str:
    """The report on the patients of *requests* as of *day*, as HTML."""
    view = View(guidance, day, guidance.profile_name)
    charts = Charts.by(Plan((view,), READ, 4, d3_is_total=False, sizes=SizeLimits(MOST, MOST)))
    marks: Counter[Mark] = Counter()
    for request in requests:
        marks.update(_marks(charts, msgspec.json.decode(request)))
    counted = Counter({mark[2:]: times for mark, times in marks.items() if mark[:2] == (0, CARDS)})
    types = tuple(sorted(READ - {"MedicationOrder"}))
    about = report.About(
        version,
        "made-up patients, of whom nothing is hidden",
        types,
        (),
        0,
        0,
        damaged=False,
        office=office_day(counted, 0),
    )
    written = report.as_json(about, (view,), figures(marks, (view,), {}, 0))
    return report.as_html(about, written, guidance)


def _marks(charts: Charts, request: Json) -> list[Mark]:
    """The marks of the patient of one `patient-view` request."""
    lines: dict[int, list[bytes]] = {}
    for source in Source:
        found = request.get("prefetch", {}).get(source.value)
        if not isinstance(found, dict):
            continue
        entries = found.get("entry", []) if found.get("resourceType") == "Bundle" else [{"resource": found}]
        resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
        lines[NUMBER[source]] = [msgspec.json.encode(resource) for resource in resources if resource]
    return charts.marks(str(request["context"]["patientId"]), lines)
