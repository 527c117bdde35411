"""Sound and text as rows of numbers: once, on disk, or anew in every step.

In come utterances; out come frames or vectors of each (`encode.encode`, `batches.Dataset`) and the
text of what nobody wrote down (`transcripts.transcribed`). The components stand on three shelves:
`encoders/`, `asr/` (recognisers) and `augment/`. How the frames of an utterance become one vector
is a function of `pooling.Pool` and its neighbours, `store.Store` keeps rows on disk under the hash
of all that decides them, and `live.Changes` is what changes from epoch to epoch.
"""
