"""From predictions to numbers, intervals and tests.

In comes a table of predictions (`predictions.read`); out come metrics with intervals
(`evaluate.measure`) and the tested gap between two tables (`contrast.contrast`). Everything here is
a pure function: no model, no config, no file but the table. A new metric, of classes, of labels or
of numbers, is a function in `metrics`, where `metrics.find` knows it by its name;
`statistics.interval` and `statistics.swap_test` hold the arithmetic of clusters.
"""
