"""Orders that are being written (order hooks, part 2): read as leniently as prefetch, each with its raw resource.

Of a draft, only the elements named here are read, and a bad one is unknown. What is not read is ignored, also when it
is selected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from cds_service.clinical.facts import Dose, Drafted, Drafts, LabOrder, MedicationOrder
from cds_service.errors import WrongPatient
from cds_service.fhir.bundle import UNREADABLE, NotFhir, is_null, resource_type, salvage
from cds_service.fhir.dates import earliest_day
from cds_service.fhir.dosage import count, dosages_of, is_countable
from cds_service.fhir.drug_elements import NAMED_BY, DrugReader
from cds_service.fhir.drugs import COMBINATION, MINERALS, NUTRITIONAL
from cds_service.fhir.medications import read_order
from cds_service.fhir.reader import belongs
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.views import (
    NOTHING,
    Concept,
    Dosage,
    MedicationRequest,
    Reference,
    Repeat,
    ServiceRequest,
    Subject,
    Timing,
    place_of,
)

OVER = frozenset({"entered-in-error", "cancelled", "stopped", "completed", "revoked"})
"""Statuses of what is no draft any more; any other one is judged."""
DRUG_TYPES, LAB_TYPE = ("MedicationRequest", "MedicationOrder"), "ServiceRequest"
CALCIFEDIOL = "calcifediol"
FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
SAYS_APART = re.compile(r"\bapart\b|\bseparated?\b|\bh(?:ours?|rs?)?\.? (?:before|after)\b", re.IGNORECASE)
"""What an instruction says that tells already how far apart two drugs are taken (O13)."""
LISTS = ("dosageInstruction", "reasonCode", "reasonCodeableConcept", "contained", "basedOn", "replaces")
"""Elements of which some clients send one in place of a list."""


class DraftMedication(MedicationRequest, kw_only=True):
    """A MedicationRequest or MedicationOrder that is being written: its reasons, and what it follows."""

    reasonCode: list[Concept | None] | None = None  # noqa: N815 - FHIR's name
    reasonCodeableConcept: list[Concept | None] | None = None  # noqa: N815 - FHIR's name
    priorPrescription: Subject | None = None  # noqa: N815 - FHIR's name
    basedOn: list[Subject | None] | None = None  # noqa: N815 - FHIR's name
    replaces: list[Subject | None] | None = None


class DraftService(ServiceRequest, kw_only=True):
    """A ServiceRequest that is being written."""

    occurrenceTiming: msgspec.Raw = NOTHING  # noqa: N815 - FHIR's name
    reasonCode: list[Concept | None] | None = None  # noqa: N815 - FHIR's name
    basedOn: list[Subject | None] | None = None  # noqa: N815 - FHIR's name
    replaces: list[Subject | None] | None = None


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = NOTHING


class _Bundle(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815 - FHIR's name
    entry: msgspec.Raw = NOTHING


_BUNDLE = msgspec.json.Decoder(_Bundle)
_ENTRY = msgspec.json.Decoder(_Entry)
_ANY_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Reference(msgspec.Struct):
    medicationReference: Reference | None = None  # noqa: N815 - FHIR's name


_REFERENCE = msgspec.json.Decoder(_Reference)


class Draft(NamedTuple):
    """One entry that is read: its type, its id (empty where it has none that FHIR allows), its raw resource."""

    type: str
    id: str
    raw: bytes

    @property
    def place(self) -> str:
        """`Type/id`, by which it is named."""
        return f"{self.type}/{self.id}"


class DraftOrders(NamedTuple):
    """The drafts of one call, each with its resource.

    `unclear`: a draft that is judged names its drug by a reference that only the record may resolve.
    """

    drafts: Drafts
    resources: Mapping[int, Draft]
    unclear: bool = False


class _Entries(NamedTuple):
    """What `draftOrders` holds: every id, the resources that are read, and the Medications among them."""

    ids: frozenset[str]
    read: tuple[tuple[int, Draft], ...]
    medications: tuple[bytes, ...]


def read_drafts(
    bundle: bytes | msgspec.Raw,
    selections: bytes | msgspec.Raw,
    patient_id: str,
    terms: Terminology,
    *,
    signing: bool,
    included: Iterable[bytes] = (),
) -> DraftOrders:
    """The drafts in *bundle*; without *signing* those that *selections* name are judged, or all where it names none.

    *included* are resources of the record that a draft may name as its drug.

    Raises:
        NotFhir: it is no Bundle.
        WrongPatient: a draft is for another patient.
    """
    entries = _entries(bundle)
    chosen = None if signing else _chosen(selections, entries.ids)
    reader = DrugReader((*included, *entries.medications), terms.drugs)
    listed: list[Drafted] = []
    resources = {}
    written = {_as_request(draft.place) for _, draft in entries.read if draft.id}
    unclear = False
    for place, draft in entries.read:
        judged = chosen is None or draft.place in chosen
        found = _read(place, draft, patient_id, reader, terms, judged=judged)
        if found is None:
            continue
        written |= found.own
        unclear = unclear or (judged and found.drug is not None and found.drug.unresolved and _leads_on(draft.raw))
        listed.append(found)
        resources[place] = draft
    return DraftOrders(Drafts(tuple(listed), frozenset(written), signing), resources, unclear)


def _entries(raw: bytes | msgspec.Raw) -> _Entries:
    try:
        bundle = _BUNDLE.decode(raw)
    except UNREADABLE as error:
        raise NotFhir from error
    if bundle.resourceType != "Bundle":
        raise NotFhir
    ids, read, medications = set(), [], []
    for place, entry in enumerate(_listed(bundle.entry)):
        try:
            resource = bytes(_ENTRY.decode(entry).resource)
            parts = _PARTS.decode(resource)
        except UNREADABLE:
            continue
        kind = resource_type(resource)
        draft = Draft(kind or "", _id(parts.get("id")), resource)
        if kind is not None and draft.id:
            ids.add(draft.place)
        if kind in DRUG_TYPES or kind == LAB_TYPE:
            read.append((place, draft))
        elif kind in NAMED_BY:
            medications.append(resource)
    return _Entries(frozenset(ids), tuple(read), tuple(medications))


def _listed(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return [] if is_null(raw) else _ANY_LIST.decode(raw)
    except UNREADABLE:
        return []


def _id(raw: msgspec.Raw | None) -> str:
    try:
        found = "" if raw is None else msgspec.json.decode(raw, type=str)
    except UNREADABLE:
        return ""
    return found if FHIR_ID.fullmatch(found) else ""


def _chosen(selections: bytes | msgspec.Raw, ids: frozenset[str]) -> frozenset[str] | None:
    """The entries that *selections* name; `None` where they name none that is there, so that all are judged."""
    by_id: dict[str, set[str]] = {}
    for place in ids:
        by_id.setdefault(place.partition("/")[2], set()).add(place)
    found: set[str] = set()
    for raw in _listed(msgspec.Raw(selections)):
        try:
            name = place_of(msgspec.json.decode(raw, type=str))
        except UNREADABLE:
            continue
        found |= {name} & ids if "/" in name else by_id.get(name, set())
    return frozenset(found) or None


def _as_request(place: str) -> str:
    """DSTU2's MedicationOrder is in the chart of a later version under the later name."""
    return place.replace("MedicationOrder/", "MedicationRequest/", 1)


def _read(
    place: int, draft: Draft, patient_id: str, reader: DrugReader, terms: Terminology, *, judged: bool
) -> Drafted | None:
    if draft.type == LAB_TYPE:
        request, spoiled = salvage(_mended(draft.raw), DraftService)
        _check_subject(request.subject, spoiled, place, patient_id)
        return None if _is_over(request, spoiled) else _lab(place, draft, request, spoiled, terms, judged=judged)
    drug, spoiled = salvage(_mended(draft.raw), DraftMedication)
    _check_subject(drug.subject or drug.patient, spoiled, place, patient_id)
    return None if _is_over(drug, spoiled) else _drug(place, draft, drug, spoiled, reader, terms, judged=judged)


def _mended(raw: bytes) -> bytes:
    """The resource with a list where one is meant, and its pieces under a name that is known."""
    parts: dict[str, Any] = dict(_PARTS.decode(raw))
    for name in LISTS:
        if name in parts and bytes(parts[name])[:1] == b"{":
            parts[name] = msgspec.Raw(b"[" + bytes(parts[name]) + b"]")
    if "dosageInstruction" in parts:
        parts["dosageInstruction"] = msgspec.Raw(bytes(parts["dosageInstruction"]).replace(b'"{pill}"', b'"{tablet}"'))
    return msgspec.json.encode(parts)


def _check_subject(subject: Subject | None, spoiled: frozenset[str], place: int, patient_id: str) -> None:
    if spoiled & {"subject", "patient"} or not belongs(subject, patient_id):
        message = (
            f"context.draftOrders: entry {place} has a subject that is not the patient of context.patientId: send only "
            "drafts of the open chart"
        )
        raise WrongPatient(message)


def _is_over(request: MedicationRequest | ServiceRequest, spoiled: frozenset[str]) -> bool:
    """Whether it is no draft any more, an option, or an order not to do it; what cannot be read is none of these."""
    over = "status" not in spoiled and request.status in OVER
    return over or request.intent == "option" or request.doNotPerform is True


def _drug(  # noqa: PLR0913 - the draft, and how it is read
    place: int,
    draft: Draft,
    request: DraftMedication,
    spoiled: frozenset[str],
    reader: DrugReader,
    terms: Terminology,
    *,
    judged: bool,
) -> Drafted | None:
    """A drug order; `None` where no drug is chosen yet, or one that matters to no row."""
    if not _names_a_drug(request, spoiled):
        return None
    order = read_order(request, reader, terms, "draft")
    if order is None:
        return None
    dosages = dosages_of(request)
    dose, from_name = _dose(request, dosages, order, reader)
    older = draft.type != DRUG_TYPES[0] or any(dosage.doseQuantity is not None for dosage in dosages)
    named = [request.priorPrescription, *(request.basedOn or ()), *(request.replaces or ())]
    reasons = [*(request.reasonCode or ()), *(request.reasonCodeableConcept or ())]
    return Drafted(
        place,
        judged,
        _own(draft, named),
        removable=bool(draft.id),
        changeable=bool(draft.id) and not older,
        mixable=not older,
        reasons=_reasons(reasons, terms),
        drug=order.changed(dose=dose, id=draft.id),
        spaced=_says_apart(draft.raw),
        from_name=from_name,
        strengths=reader.hints(request).told if NUTRITIONAL in order.sets else frozenset(),
    )


def _names_a_drug(request: MedicationRequest, spoiled: frozenset[str]) -> bool:
    concept, reference, either = request.medicationCodeableConcept, request.medicationReference, request.medication
    if spoiled & {"medicationCodeableConcept", "medicationReference", "medication"} or either is not None:
        return True
    named = concept is not None and (concept.text or any(c.code or c.display for c in concept.codings()))
    return bool(named or (reference is not None and (reference.reference or reference.display)))


def _dose(
    request: DraftMedication, dosages: list[Dosage], order: MedicationOrder, reader: DrugReader
) -> tuple[Dose | None, bool]:
    """The dose, and whether the strength of a piece was read from the name; one dose and no more is one a day long."""
    if NUTRITIONAL not in order.sets or CALCIFEDIOL in order.groups:
        return None, False
    once = _is_once(dosages)
    if once:
        (dosage,) = dosages
        dosages = [_with_timing(dosage)]
    combination = COMBINATION in order.groups or bool(order.sets & MINERALS)
    each = reader.hints(request).each(combination=combination)
    dose = count(dosages, each, combination=combination)
    if dose is None:
        return None, False
    from_name = each is not None and count(dosages, None, combination=combination) is None
    return (Dose.once(dose.single) if once else dose), from_name


def _is_once(dosages: list[Dosage]) -> bool:
    """`timing.repeat.count` is 1, without a period."""
    if len(dosages) != 1:
        return False
    repeat = None if dosages[0].timing is None else dosages[0].timing.repeat
    if repeat is None or repeat.count is None or not is_countable(repeat.count):
        return False
    return repeat.count == 1 and repeat.countMax is None and repeat.period is None


def _with_timing(dosage: Dosage) -> Dosage:
    return Dosage(**{**{name: getattr(dosage, name) for name in dosage.__struct_fields__}, "timing": EACH_DAY})


EACH_DAY = Timing(repeat=msgspec.convert({"frequency": 1, "period": 1, "periodUnit": "d"}, Repeat))


def _says_apart(raw: bytes) -> bool:
    """Whether a text or an instruction for the patient says already how far apart it is taken."""
    try:
        dosages = msgspec.json.decode(raw).get("dosageInstruction")
    except UNREADABLE:
        return False
    for dosage in dosages if isinstance(dosages, list) else [dosages]:
        said = [dosage.get(name) for name in ("text", "patientInstruction")] if isinstance(dosage, dict) else []
        if any(isinstance(text, str) and SAYS_APART.search(text) for text in said):
            return True
    return False


def _leads_on(raw: bytes) -> bool:
    """Whether its drug is named by a reference out of the resource, which the record may resolve."""
    try:
        found = _REFERENCE.decode(raw).medicationReference
    except UNREADABLE:
        return False
    return found is not None and bool(found.reference) and not str(found.reference).startswith("#")


def _own(draft: Draft, named: Iterable[Subject | None]) -> frozenset[str]:
    """What it may be in the chart under, or replaces; a bare id is of its own type.

    A test that is based on a drug order does not replace that order, nor the other way round.
    """
    found = {draft.place} if draft.id else set()
    for reference in named:
        if reference is not None and reference.reference:
            place = place_of(reference.reference)
            found.add(place if "/" in place else f"{draft.type}/{place}")
    kind = _as_request(f"{draft.type}/")
    return frozenset(place for place in map(_as_request, found) if place.startswith(kind))


def _reasons(concepts: Iterable[Concept | None], terms: Terminology) -> frozenset[tuple[str, str | None]]:
    """The condition sets of its own reasons, by code alone, and their groups."""
    return frozenset(key for concept in concepts if concept is not None for key in _keys(concept, terms))


def _keys(concept: Concept, terms: Terminology) -> Iterator[tuple[str, str | None]]:
    for match in terms.problems.by_code(concept)[0]:
        yield match.concept, None
        yield match.concept, match.group


def _lab(
    place: int, draft: Draft, request: DraftService, spoiled: frozenset[str], terms: Terminology, *, judged: bool
) -> Drafted | None:
    """A laboratory order by its LOINC codes; `None` where it has none."""
    if request.code is None or (analyte := terms.analyte_of_order(request.code)) is None:
        return None
    period = request.occurrencePeriod
    day = earliest_day(request.occurrenceDateTime or (period.start if period is not None else None))
    return Drafted(
        place,
        judged,
        _own(draft, [*(request.basedOn or ()), *(request.replaces or ())]),
        removable=bool(draft.id),
        changeable=bool(draft.id),
        reasons=_reasons(request.reasonCode or (), terms),
        lab=LabOrder(analyte, day, earliest_day(request.authoredOn), draft.id),
        codes=tuple(terms.loinc(request.code)),
        repeats="occurrenceTiming" in spoiled or not is_null(request.occurrenceTiming),
    )
