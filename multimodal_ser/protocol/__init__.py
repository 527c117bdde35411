"""How a corpus is cut into train, dev and test, and the proof that nothing leaks between them.

In comes the table of a corpus; out come folds (`splits.make`) and the findings of the leak gate
(`audit.audit`). Each kind of leak is one pure search in `leaks`, such as `leaks.straddling`. A new
kind is one more search there and one more function in `audit`, which says whether this kind stops a
run. `near_duplicates.begin` finds texts that are nearly the same, and `probes.probes` scores
lookups that need no model.
"""
