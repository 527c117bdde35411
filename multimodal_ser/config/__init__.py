"""What a config may say, and every mistake in it at once.

In comes a YAML file; out comes a complete `experiment.Experiment` (`read.load`, or `read.check` for
plain data), or one error that names every mistake. Each key is a field of a section in `experiment`
or `outputs`. `check.contradictions` names what each section allows and the sections together do
not. `registry.find` and `registry.build` look a component up by the name of its file. The three
files `search_section`, `search_check` and `search_space.Space` read the section `search:`.
"""
