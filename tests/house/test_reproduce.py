"""The systems that are run again: each a right config, each number held against the page."""

from pathlib import Path

import document
import pytest
import reproduce
import systems
from systems import Measured, System

VALUE = {"mean": 0.5, "sd": 0.01, "low": 0.4, "high": 0.6}
SYSTEM = System("the bundled study", "demo.yaml", ("seeds=[0]", "learner.epochs=1", "folds=[0]"))


def measured(system=SYSTEM, **changes):
    told = {"split": "abc", "metric": "uar", "value": VALUE, "seeds": 2, "seconds": 3.2}
    return Measured(system=system, **(told | changes))


@pytest.mark.parametrize("system", systems.SYSTEMS, ids=lambda system: system.title)
def test_a_system_is_a_right_config_and_its_command_says_the_same(system, tmp_path):
    experiment = system.experiment(tmp_path)
    assert experiment.runs_dir == tmp_path
    words = system.command.split(" ")
    assert words[:2] == ["mser", "run"]
    assert words[2] == f"configs/{system.config}"
    if system.changes:
        assert system.otherwise or system.config == "emospeech-task1-tfidf.yaml"


def test_every_config_of_the_seeds_is_run_or_is_listed_with_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("MSER_DATA", str(tmp_path))
    rest = {one.config: one for one in systems.elsewhere(systems.SYSTEMS)}
    ran = {Path(system.config).stem for system in systems.SYSTEMS}
    assert {path.stem for path in systems.SEEDS.glob("*.yaml")} == {
        *rest,
        *(path.stem for path in systems.SEEDS.glob("*.yaml") if path.stem in ran),
    }
    assert rest["a1-beto"].reported == "macro_f1 0.657527"
    assert "dccuchile/bert-base-spanish-wwm-cased" in rest["a1-beto"].needs
    assert "corpus msp_podcast" in rest["e1-wav2vec2-tuned"].needs
    assert rest["e1-wav2vec2-tuned"].hours > rest["e1-wav2vec2-as-is"].hours > 0


def test_a_system_is_run_and_its_seconds_and_numbers_are_those_of_the_run(tmp_path):
    found = systems.measure(SYSTEM, tmp_path)
    again = systems.measure(SYSTEM, tmp_path)
    assert found.ours == again.ours
    assert found.metric == "macro_f1"
    assert 0 < again.seconds < 60
    assert f"{found.value['mean']:.3f} (" in found.ours


def test_a_number_is_held_against_the_page():
    page = "\n".join(reproduce.table(reproduce.HEAD, [reproduce.row(measured())]))
    assert "| uar 0.500 ± 0.010 (0.400 to 0.600) |" in page
    assert reproduce.differences({SYSTEM: measured()}, page) == 0
    other = measured(value=VALUE | {"mean": 0.501})
    assert reproduce.differences({SYSTEM: other}, page) == 1


def test_the_page_says_what_failed_and_what_is_not_run(monkeypatch):
    monkeypatch.setattr(systems, "elsewhere", lambda ran: [systems.Unrun("x", "", "time", 2.0)])
    text = "\n".join(reproduce.page({SYSTEM: measured()}, {systems.SYSTEMS[0]: "no folder"}))
    assert "`mser run configs/demo.yaml 'seeds=[0]' learner.epochs=1 'folds=[0]'`" in text
    assert "**not run**, no folder" in text
    assert "| x |  | time | 2.0 |" in text


def test_quick_systems_are_chosen_by_their_minutes_and_words():
    assert all(one.minutes < 1 for one in reproduce.chosen(True, None))
    assert {one.title[:2] for one in reproduce.chosen(False, ["A3", "A4"])} == {"A3", "A4"}


def test_systems_of_one_split_are_held_against_the_first(tmp_path):
    other = System(
        "another seed", "demo.yaml", ("seeds=[1]", "learner.epochs=1", "folds=[0]", "name=other")
    )
    (line,) = document.answers([SYSTEM, other], tmp_path)
    assert "another seed" in line or "no difference" in line
    assert "the bundled study" in line


def test_every_number_of_the_readme_stands_in_the_results():
    root = Path(__file__).parents[2]
    told = (root / "README.md").read_text("utf-8").partition("## The systems of five documents")[2]
    numbers = [
        line.split(" | ")[1] for line in told.partition("\n## ")[0].splitlines() if "0." in line
    ]
    assert len(numbers) == 8
    results = (root / "experiments" / "RESULTS.md").read_text("utf-8")
    assert all(f"| {number} |" in results for number in numbers)
