"""Just the elements that are read, as msgspec Structs; everything else in a resource is skipped, never parsed.

Shapes of DSTU2, STU3 and R5 that real clients send are declared where the element is plainly the same. A resource in
which one of these elements has an impossible type is decoded again element by element (`bundle.py`).
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

NOTHING = msgspec.Raw(b"null")
"""Stands for an absent element that is kept raw until some rule needs it."""


T = TypeVar("T")

SPELLED = re.compile(r'"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"')
"""A plain FHIR decimal as a string; Python would also take `1e3`, `1_0` and digits of other scripts."""
NOT_A_NUMBER = Decimal("NaN")


def there(found: list[T | None] | None) -> list[T]:
    """The elements of an array that are there; real data holds nulls."""
    if not found:
        return []
    if None not in found:
        return found  # type: ignore[return-value] # none of them is None
    return [element for element in found if element is not None]


class View(msgspec.Struct, gc=False):
    """A view of one FHIR element."""


class Coding(View):
    """Coding."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class Concept(View):
    """CodeableConcept."""

    coding: list[Coding | None] | None = None
    text: str | None = None

    def codings(self) -> list[Coding]:
        """The codings that are there."""
        return there(self.coding)

    def texts(self) -> list[str]:
        """Its text and the displays of its codings."""
        return [text for text in (self.text, *(coding.display for coding in self.codings())) if text]

    def words(self) -> list[str]:
        """All that it says, its codes too: each trimmed, in small letters, and not empty."""
        said = (*self.texts(), *(coding.code for coding in self.codings()))
        return [word.strip().lower() for word in said if word and word.strip()]


class LabCoding(View):
    """Coding of a laboratory code: its display is never matched (section 3), so it is not read."""

    system: str | None = None
    code: str | None = None


class LabConcept(View):
    """CodeableConcept of a laboratory code; its text is not read either."""

    coding: list[LabCoding | None] | None = None


def place_of(reference: str) -> str:
    """`Patient/7` of a relative or absolute reference, of one version or of none; a `urn:uuid:` stays."""
    return "/".join(reference.split("/_history/", maxsplit=1)[0].split("/")[-2:])


class Subject(View):
    """Reference to whom a resource is about."""

    reference: str | None = None


class Reference(View):
    """Reference."""

    reference: str | None = None
    display: str | None = None


class CodeableReference(View):
    """CodeableReference (R5)."""

    concept: Concept | None = None
    reference: Reference | None = None


class Quantity(View):
    """Quantity. Its `value` stays raw, so that `number` keeps its decimals and tells a number from what is none."""

    value: msgspec.Raw = NOTHING
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None

    @property
    def is_spelled(self) -> bool:
        """Whether the value is written as a string."""
        return bytes(self.value)[:1] == b'"'

    @property
    def spelled(self) -> str:
        """The value that is written as a string."""
        try:
            return msgspec.json.decode(self.value, type=str)
        except msgspec.DecodeError:  # half of a surrogate pair
            return bytes(self.value).decode()

    @property
    def number(self) -> Decimal | None:
        """The value with its decimals; NaN where it is not a number, nor a string that spells a FHIR decimal."""
        if self.value == NOTHING:
            return None
        text = str(self.value, "utf-8")
        if text[0] == '"':
            text = text[1:-1] if SPELLED.fullmatch(text) else ""
        try:
            return Decimal(text)
        except InvalidOperation:
            return NOT_A_NUMBER


class Range(View):
    """Range."""

    low: Quantity | None = None
    high: Quantity | None = None


class Period(View):
    """Period."""

    start: str | None = None
    end: str | None = None


class Annotation(View):
    """Annotation, for notes on haemolysis."""

    text: str | None = None


class ReferenceRange(View, kw_only=True):
    """Observation.referenceRange; `type` was `meaning` in DSTU2."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: Concept | None = None
    meaning: Concept | None = None
    appliesTo: list[Concept | None] | None = None  # noqa: N815 - FHIR's name
    age: Range | None = None
    text: str | None = None


class Component(View, kw_only=True):
    """Observation.component."""

    code: LabConcept | None = None
    valueQuantity: Quantity | None = None  # noqa: N815 - FHIR's name
    valueString: str | None = None  # noqa: N815 - FHIR's name
    valueRange: Range | None = None  # noqa: N815 - FHIR's name
    valueCodeableConcept: Concept | None = None  # noqa: N815 - FHIR's name
    dataAbsentReason: Concept | None = None  # noqa: N815 - FHIR's name
    referenceRange: msgspec.Raw = NOTHING  # noqa: N815 - FHIR's name


class Resource(View):
    """What every resource has."""

    resourceType: str | None = None  # noqa: N815 - FHIR's name


class Observation(Resource, kw_only=True):
    """Observation, with `comments` (DSTU2), `comment` (STU3) and `note` (R4)."""

    status: str | None = None
    code: LabConcept | None = None
    subject: Subject | None = None
    effectiveDateTime: str | None = None  # noqa: N815 - FHIR's name
    effectivePeriod: Period | None = None  # noqa: N815 - FHIR's name
    effectiveInstant: str | None = None  # noqa: N815 - FHIR's name
    issued: str | None = None
    valueQuantity: Quantity | None = None  # noqa: N815 - FHIR's name
    valueString: str | None = None  # noqa: N815 - FHIR's name
    valueRange: Range | None = None  # noqa: N815 - FHIR's name
    valueCodeableConcept: Concept | None = None  # noqa: N815 - FHIR's name
    dataAbsentReason: Concept | None = None  # noqa: N815 - FHIR's name
    note: list[Annotation | None] | None = None
    comment: str | None = None
    comments: str | None = None
    specimen: Subject | None = None
    referenceRange: msgspec.Raw = NOTHING  # noqa: N815 - FHIR's name
    component: list[Component | None] | None = None
    contained: list[msgspec.Raw] | None = None


class Condition(Resource, kw_only=True):
    """Condition; statuses are a code in DSTU2 and STU3, a CodeableConcept in R4."""

    clinicalStatus: Concept | str | None = None  # noqa: N815 - FHIR's name
    verificationStatus: Concept | str | None = None  # noqa: N815 - FHIR's name
    code: Concept | None = None
    subject: Subject | None = None
    patient: Subject | None = None
    onsetDateTime: str | None = None  # noqa: N815 - FHIR's name
    onsetPeriod: Period | None = None  # noqa: N815 - FHIR's name
    recordedDate: str | None = None  # noqa: N815 - FHIR's name
    assertedDate: str | None = None  # noqa: N815 - FHIR's name
    dateRecorded: str | None = None  # noqa: N815 - FHIR's name
    abatementDateTime: str | None = None  # noqa: N815 - FHIR's name
    abatementPeriod: Period | None = None  # noqa: N815 - FHIR's name
    abatementBoolean: bool | None = None  # noqa: N815 - FHIR's name
    abatementString: str | None = None  # noqa: N815 - FHIR's name
    abatementAge: Quantity | None = None  # noqa: N815 - FHIR's name
    abatementRange: Range | None = None  # noqa: N815 - FHIR's name


class Repeat(View, kw_only=True):
    """Timing.repeat; `periodUnits` is DSTU2's."""

    boundsPeriod: Period | None = None  # noqa: N815 - FHIR's name
    boundsDuration: Quantity | None = None  # noqa: N815 - FHIR's name
    boundsQuantity: Quantity | None = None  # noqa: N815 - FHIR's name
    boundsRange: Range | None = None  # noqa: N815 - FHIR's name
    count: Decimal | None = None
    countMax: Decimal | None = None  # noqa: N815 - FHIR's name
    frequency: Decimal | None = None
    frequencyMax: Decimal | None = None  # noqa: N815 - FHIR's name
    period: Decimal | None = None
    periodMax: Decimal | None = None  # noqa: N815 - FHIR's name
    periodUnit: str | None = None  # noqa: N815 - FHIR's name
    periodUnits: str | None = None  # noqa: N815 - FHIR's name
    dayOfWeek: list[str] | None = None  # noqa: N815 - FHIR's name
    timeOfDay: list[str] | None = None  # noqa: N815 - FHIR's name
    when: list[str] | str | None = None


class Timing(View):
    """Timing."""

    event: list[str] | None = None
    repeat: Repeat | None = None
    code: Concept | None = None


class DoseAndRate(View):
    """Dosage.doseAndRate. A rate is not read: without a dose beside it, the entry has none."""

    type: Concept | None = None
    doseQuantity: Quantity | None = None  # noqa: N815 - FHIR's name
    doseRange: Range | None = None  # noqa: N815 - FHIR's name


class Dosage(View, kw_only=True):
    """Dosage; `doseQuantity` stands directly in it in STU3 and DSTU2. `asNeeded` is R5's."""

    text: str | None = None
    timing: Timing | None = None
    asNeeded: bool | None = None  # noqa: N815 - FHIR's name
    asNeededBoolean: bool | None = None  # noqa: N815 - FHIR's name
    asNeededCodeableConcept: Concept | None = None  # noqa: N815 - FHIR's name
    asNeededFor: list[Concept] | None = None  # noqa: N815 - FHIR's name
    route: Concept | None = None
    doseAndRate: list[DoseAndRate | None] | None = None  # noqa: N815 - FHIR's name
    doseQuantity: Quantity | None = None  # noqa: N815 - FHIR's name
    doseRange: Range | None = None  # noqa: N815 - FHIR's name


class Dispense(View):
    """MedicationRequest.dispenseRequest."""

    expectedSupplyDuration: Quantity | None = None  # noqa: N815 - FHIR's name


class Item(View):
    """Medication.ingredient.item: a CodeableReference in R5, a Reference in DSTU2."""

    concept: Concept | None = None
    reference: Reference | str | None = None
    display: str | None = None


class Ingredient(View):
    """Medication.ingredient."""

    itemCodeableConcept: Concept | None = None  # noqa: N815 - FHIR's name
    itemReference: Reference | None = None  # noqa: N815 - FHIR's name
    item: Item | None = None


class Product(View):
    """Medication.product (DSTU2), which holds the ingredients there."""

    ingredient: list[Ingredient | None] | None = None


class Medication(Resource, kw_only=True):
    """Medication, or the Substance of an ingredient, contained or included."""

    id: str | None = None
    code: Concept | None = None
    ingredient: list[Ingredient | None] | None = None
    product: Product | None = None
    contained: list[msgspec.Raw] | None = None


class MedicationRequest(Resource, kw_only=True):
    """MedicationRequest, or DSTU2's MedicationOrder. How it is taken stays raw: of most drugs no rule asks."""

    id: str | None = None
    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None  # noqa: N815 - FHIR's name
    medicationCodeableConcept: Concept | None = None  # noqa: N815 - FHIR's name
    medicationReference: Reference | None = None  # noqa: N815 - FHIR's name
    medication: CodeableReference | None = None
    subject: Subject | None = None
    patient: Subject | None = None
    authoredOn: str | None = None  # noqa: N815 - FHIR's name
    dateWritten: str | None = None  # noqa: N815 - FHIR's name
    dosageInstruction: msgspec.Raw = NOTHING  # noqa: N815 - FHIR's name
    dispenseRequest: Dispense | None = None  # noqa: N815 - FHIR's name
    contained: list[msgspec.Raw] | None = None


class ServiceRequest(Resource, kw_only=True):
    """ServiceRequest; `code` is a CodeableReference in R5."""

    id: str | None = None
    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None  # noqa: N815 - FHIR's name
    code: LabConcept | None = None
    subject: Subject | None = None
    occurrenceDateTime: str | None = None  # noqa: N815 - FHIR's name
    occurrencePeriod: Period | None = None  # noqa: N815 - FHIR's name
    authoredOn: str | None = None  # noqa: N815 - FHIR's name


class Patient(Resource, kw_only=True):
    """Patient: nothing that names a person."""

    id: str | None = None
    gender: str | None = None
    birthDate: str | None = None  # noqa: N815 - FHIR's name
    deceasedBoolean: bool | str | None = None  # noqa: N815 - FHIR's name
    deceasedDateTime: str | int | float | None = None  # noqa: N815 - FHIR's name


class Issue(View):
    """OperationOutcome.issue."""

    severity: str | None = None
    code: str | None = None


class OperationOutcome(Resource, kw_only=True):
    """OperationOutcome."""

    issue: list[Issue | None] | None = None
