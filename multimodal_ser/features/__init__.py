"""Sound and text as rows of numbers: once, on disk, or anew in every step.

In come utterances; out come frames or vectors of each (`encode.encode`, `batches.Dataset`) and the
text of utterances that came without one (`transcripts.transcribed`). The components stand on three
shelves: `encoders/`, `asr/` (recognisers) and `augment/`. `pooling.Pool` makes one vector of the
frames of an utterance, and a new pooling is one more function in that file. `store.Store` keeps
rows on disk under the hash of all that decides them. `live.Changes` says what changes from epoch to
epoch.
"""
