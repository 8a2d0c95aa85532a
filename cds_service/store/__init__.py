"""The database: where it is, its tables, their migrations. Knows nothing of what they are for."""
