"""Trying the service on made-up patients: situations, changes to them, and what came of it, made ready for a page."""
