"""The logic: facts about one patient in, cards to show out. Standard library only; no FHIR, no HTTP, no JSON."""
