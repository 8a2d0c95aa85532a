"""The elements that name the drug of an order, all of them joined (sections 7 and 9.7).

They are the order's own concept, the display of its reference, and of the Medication it leads to, contained or
included, the code and the ingredients. What is included is read once, however many orders lead there.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cds_service.fhir.bundle import resource_type, salvage
from cds_service.fhir.drugs import BETWEEN_NAMES, DrugTerms, Hints
from cds_service.fhir.views import Concept, Ingredient, Medication, MedicationRequest, Reference, place_of, there

NAMED_BY = frozenset({"Medication", "Substance"})
Shelf = dict[str, Medication]
"""Medications and Substances by the end of the references that lead to them."""


class DrugReader:
    """Reads which drugs the orders of one page are for."""

    def __init__(self, included: Iterable[bytes], drugs: DrugTerms) -> None:
        """Take the *included* resources, of which some are Medications."""
        self._drugs = drugs
        self._included: Shelf = {}
        for found in _named(included):
            self._included |= {f"{found.resourceType}/{found.id}": found, f"urn:uuid:{found.id}": found}
        self._read_before: dict[str, Hints] = {}

    def hints(self, request: MedicationRequest) -> Hints:
        """All that *request* says of its drug."""
        own = _Names()
        own.take_concept(request.medicationCodeableConcept)
        own.take_reference(request.medicationReference)
        if request.medication is not None:
            own.take_concept(request.medication.concept)
            own.take_reference(request.medication.reference)
        found = own.hints(self._drugs)
        if own.references:
            contained = _contained(request.contained)
            for reference in own.references:
                found = found.joined_with(self._medication(reference, contained))
        return found

    def _medication(self, reference: str, contained: Shelf) -> Hints:
        """What the Medication that *reference* leads to says, with its ingredients."""
        if reference.startswith("#"):
            target = contained.get(reference)
            return Hints() if target is None else self._whole(target, contained)
        place = place_of(reference)
        target = self._included.get(place)
        if target is None:
            return Hints()
        if place not in self._read_before:
            self._read_before[place] = self._whole(target, _contained(target.contained))
        return self._read_before[place]

    def _whole(self, medication: Medication, contained: Shelf) -> Hints:
        names = _Names()
        names.take_concept(medication.code)
        for ingredient in _ingredients(medication):
            names.take_ingredient(ingredient)
        found = names.hints(self._drugs)
        for reference in names.references:
            found = found.joined_with(self._ingredient(reference, contained))
        return found

    def _ingredient(self, reference: str, contained: Shelf) -> Hints:
        """What the code of an ingredient's resource says; its own ingredients are not looked for."""
        is_contained = reference.startswith("#")
        target = contained.get(reference) if is_contained else self._included.get(place_of(reference))
        if target is None:
            return Hints()
        key = f"code of {place_of(reference)}"
        if is_contained or key not in self._read_before:
            names = _Names()
            names.take_concept(target.code)
            found = names.hints(self._drugs)
            if is_contained:
                return found
            self._read_before[key] = found
        return self._read_before[key]


class _Names(msgspec.Struct):
    """Collects the codes and texts of one place, and the references that lead to more; each once, in their order."""

    codes: dict[tuple[str | None, str], None] = {}
    texts: dict[str, None] = {}
    references: dict[str, None] = {}

    def take_concept(self, concept: Concept | None) -> None:
        """Its codings and text."""
        if concept is None:
            return
        self._take_text(concept.text)
        for coding in concept.codings():
            if coding.code:
                self.codes[coding.system, coding.code] = None
            self._take_text(coding.display)

    def take_reference(self, reference: Reference | None) -> None:
        """Its display, and where it leads."""
        if reference is not None:
            self._take_text(reference.display)
            if reference.reference:
                self.references[reference.reference] = None

    def take_ingredient(self, ingredient: Ingredient) -> None:
        """Its item: a concept or a reference, as R4, R5 and DSTU2 have it."""
        self.take_concept(ingredient.itemCodeableConcept)
        self.take_reference(ingredient.itemReference)
        item = ingredient.item
        if item is not None:
            self.take_concept(item.concept)
            if isinstance(item.reference, Reference):
                self.take_reference(item.reference)
            else:
                self.take_reference(Reference(item.reference, item.display))

    def _take_text(self, text: str | None) -> None:
        if text:
            self.texts[text] = None

    def hints(self, drugs: DrugTerms) -> Hints:
        """What all of it says."""
        return drugs.hints(tuple(self.codes), BETWEEN_NAMES.join(self.texts))


def _named(raws: Iterable[bytes | msgspec.Raw]) -> Iterable[Medication]:
    """The Medications and Substances among *raws*, as far as they can be read."""
    for raw in raws:
        if resource_type(raw) in NAMED_BY:
            yield salvage(raw, Medication)[0]


def _contained(raws: Iterable[msgspec.Raw] | None) -> Shelf:
    return {f"#{found.id}": found for found in _named(raws or ())}


def _ingredients(medication: Medication) -> list[Ingredient]:
    product = medication.product.ingredient if medication.product is not None else None
    return there(medication.ingredient) + there(product)
