"""Who may call: the registry of clients, their keys, the check of their tokens. Knows no web framework."""
