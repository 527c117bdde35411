"""One recording in, one label out.

In come a finished run or ensemble and a question (a file, samples, a text); out come answers with
their scores (`load.load`, `load.stream`). `questions.questions` reads the questions.
`predictor.Predictor` gives them to the models of a run exactly as these were trained, and
`ensemble.EnsemblePredictor` gives them to the models of an ensemble. `robustness.retold` asks again
with a changed text, whose changes should not change the answer.
"""
