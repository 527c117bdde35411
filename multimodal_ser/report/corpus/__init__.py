"""A corpus as one page: its utterances, its sound, and what the probes score without a model."""
