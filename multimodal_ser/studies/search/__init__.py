"""A search for better options: its trials, workers and storage, and the claim it ends in."""
