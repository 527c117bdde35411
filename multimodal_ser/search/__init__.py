"""A search for better options: its space, its studies, and the claim that it ends in."""
