"""Reads FHIR resources into facts, and writes drafts as FHIR resources. Knows no CDS Hooks and no HTTP."""
