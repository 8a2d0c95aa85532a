"""CDS Hooks: which services there are, what prefetch holds, cards as JSON. Knows no Flask."""
