"""From rows to a model that scores.

In come the rows of a fold; out comes a model in a folder and its scores (`fit.job`,
`apply.predict`). The components stand on two shelves: `fusion/` (how encoders are joined) and
`learners/` (what is fitted). `build.make_learner` puts encoders, fusion and heads together as one
`model.Model`, `losses.losses_of` says what counts as an error, `balance.balanced` makes up for rare
classes, and `model_folder.Checkpoint` lets a training go on after a kill.
"""
