"""How a corpus is cut into train, dev and test, and the proof that nothing leaks between them.

In comes the table of a corpus; out come folds (`splits.make`) and the findings of the leak gate
(`audit.audit`). Each kind of leak is one pure search, such as `leaks.straddling`, and `audit`
decides which kinds stop a run; a new kind of leak is one function in each of the two files.
`near_duplicates.begin` finds texts that are nearly the same, and `probes.probes` scores lookups
that need no model.
"""
