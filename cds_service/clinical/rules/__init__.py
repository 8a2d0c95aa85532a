"""What may be suggested and why not; what a course means; who asks for magnesium."""
