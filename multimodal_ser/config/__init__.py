"""What may be asked, and every mistake in it at once.

In comes a YAML file; out comes a complete `experiment.Experiment` (`read.load`, or `read.check` for
plain data), or one error that names every mistake. Each key has its place in `experiment` or
`outputs`, what the whole does not allow is found by `check.contradictions`, and components are
found by their file names (`registry.find`, `registry.build`). The three files `search_section`,
`search_check` and `search_space.Space` read the section `search:`.
"""
