"""Random changes of the training rows, of sound, text, frames or batches; one file each."""
