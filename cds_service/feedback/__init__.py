"""What clinicians did with cards: kept, honoured, and summed up for the owner of the service."""
