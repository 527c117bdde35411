"""One experiment from its config to its numbers, and the folder that it leaves.

In comes an experiment; out comes a folder with its config, split, audit, models, predictions and
metrics (`run.run`, the only place that knows the order of the stages). `prepare.prepare` is all
that comes before learning, `folder.RunFolder` writes what a run leaves, `records.read_run` reads it
for everybody else, `sealing.sealed` puts test rows out of reach, and `dry_run.dry_run` and
`doctor.missing` say what would happen and what is lacking, without running anything.
"""

from multimodal_ser.parallel import preload, warm_up

__all__ = ["warm_up"]

preload("multimodal_ser.training.fit")  # every worker needs it, and it imports torch
