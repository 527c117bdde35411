"""What was said, by whom, and under which labels.

In comes a folder of somebody's files; out comes one table with a row an utterance (`corpus.Corpus`)
and, for each output that is to be predicted, the truth of every row (`targets.targets_of`). A
corpus that ships under its own layout gets a loader of its own, one file in `datasets/`: it writes
labels, ratings, and the raters' votes (a column `votes:<label>` for each label) into that table.
`tables.read` and its neighbours are the tools of the loaders, `validation.complete` refuses a table
that is wrong, `clusters.clusters` says which utterances must stay together, and `audio.read` is the
only place that opens sound.
"""
