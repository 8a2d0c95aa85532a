"""What to say, not yet how: cards, texts, phrases."""
