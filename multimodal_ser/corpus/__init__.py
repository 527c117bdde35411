"""What was said, by whom, and under which labels.

In comes a folder of somebody's files; out come one table with a row an utterance (`corpus.Corpus`)
and, for each output that is to be predicted, the truth of every row (`targets.targets_of`). A
corpus that ships under its own layout gets a loader, one file in `datasets/` that is found by its
name. Its function `load` reads the files and gives a table to `corpus.build`: labels, ratings, and
how many raters chose each label (a column `votes:<label>`). `tables.read` and the functions beside
it are the tools of the loaders, `validation.complete` refuses a table that is wrong,
`clusters.clusters` says which utterances must stay together, and `audio.read` is the only place
that opens sound.
"""
