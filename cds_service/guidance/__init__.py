"""The guidance: TOML files that a clinician edits, and what reads and checks them."""
