"""One recording in, one label out.

In comes a finished run or ensemble and a question (a file, samples, a text); out come answers with
their scores (`load.load`, `load.stream`). `questions.questions` understands what is asked,
`predictor.Predictor` asks the models of a run exactly as they were trained,
`ensemble.EnsemblePredictor` those of an ensemble, and `robustness.retold` asks again with something
changed that should not matter.
"""
