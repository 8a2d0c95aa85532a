"""Facts, guidance and today become states: what is so of this patient."""
