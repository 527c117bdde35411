"""Several runs compared, merged, searched or scored.

In come experiments or finished runs; out come tested claims about them. `compare.compare` runs the
arms of a study. `comparison.Comparison` makes its table: a new column is added in its function
`table`, and shown by `report/run/tables`. `ensembles/` merges finished runs, `search/` tries values
with Optuna where the test cannot be seen, and `score.score` judges the predictions of anybody.
"""
