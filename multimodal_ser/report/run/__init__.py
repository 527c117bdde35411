"""The page of a run or a study."""
