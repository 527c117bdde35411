"""A search as one page: what its winner is worth, what was tried, how to have it again."""
