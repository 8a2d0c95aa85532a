"""What each card says: the rows of both maps, and what stands beside them."""
