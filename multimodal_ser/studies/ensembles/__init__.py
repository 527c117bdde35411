"""Finished runs merged into one: who takes part, how they are joined, what is learned on dev."""
