"""A search as one page: what its winner is worth, what was tried, and how to repeat it."""
