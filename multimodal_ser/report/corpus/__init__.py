"""A corpus as one page: what there is, how it sounds, what a lookup gives away."""
