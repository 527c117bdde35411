"""Finished runs merged into one: which runs, how they are joined, and what is learned on dev."""
