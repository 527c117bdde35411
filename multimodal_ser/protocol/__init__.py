"""How a corpus is cut into train, dev and test, and the proof that nothing leaks between them.

In comes the table of a corpus; out come folds (`splits.make`) and what the leak gate has found in
them (`audit.audit`). Each kind of leak is one pure search of `leaks.straddling` and its neighbours,
and `audit` decides which of them stops a run; a new kind is one more of both.
`near_duplicates.begin` finds texts that are nearly the same, and `probes.probes` scores lookups
that need no model.
"""
