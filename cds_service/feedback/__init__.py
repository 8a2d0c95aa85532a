"""What clinicians did with cards: kept, honoured, and summed up for whoever owns the service."""
