"""A search is right as a whole before its first trial, or refused with every mistake."""

import subprocess
import sys

import optuna
import pytest
import yaml

from multimodal_ser.config import registry
from multimodal_ser.config.read import applied, check, load, space_of, with_fusion
from multimodal_ser.config.search_space import Range
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config

EXAMPLE = """
learner.optimizer.lr: {low: 1.0e-5, high: 1.0e-2, log: true}
learner.batch_size: {low: 16, high: 128, step: 16}
encoders.audio.n_mels: [16, 32]
fusion:
  - {name: concat, hidden: [128, 256], dropout: {low: 0.0, high: 0.7}}
  - {name: cross_attention, heads: [2, 4], depth: 1}
"""


def config(folder, text, **changes):
    return tones_config(folder, **changes) | {"search": yaml.safe_load(text)}


def problems(folder, text, **changes):
    """What a config is refused for, line by line."""
    with pytest.raises(ConfigError, match=r"^config: \d+ problem") as caught:
        check(config(folder, text, **changes))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def domains(experiment):
    return {one.name: one.domain for one in space_of(experiment).parameters}


def test_the_example_proposes_right_experiments(tmp_path):
    experiment = check(config(tmp_path, EXAMPLE))
    space = space_of(experiment)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(20):
        values = space.suggest(study.ask())
        trial = applied(experiment, values)
        assert trial.learner.options["optimizer"]["lr"] == values["learner.optimizer.lr"]
        assert trial.learner.options["batch_size"] == values["learner.batch_size"]
        assert trial.encoders["audio"].options["n_mels"] in (16, 32)
        assert trial.fusion.name == values["fusion.name"]
        assert trial.learner.options["epochs"] == 4 and trial.search == {}
        seen.add(trial.fusion.name)
    assert seen == {"concat", "cross_attention"}


def test_a_branch_of_another_component_leaves_the_options_behind(tmp_path):
    """The config has `{name: concat, hidden: 16}`; the usual hidden of cross_attention is 128."""
    experiment = check(
        config(tmp_path, EXAMPLE, fusion={"name": "concat", "hidden": 16, "pool": "max"})
    )
    cross = applied(experiment, {"fusion.name": "cross_attention", "fusion.heads": 2})
    assert cross.fusion.options["hidden"] == 128 and cross.fusion.options["pool"] == "mean"
    concat = applied(experiment, {"fusion.name": "concat", "fusion.dropout": 0.1})
    assert concat.fusion.options == {"hidden": 16, "dropout": 0.1, "pool": "max"}


def test_a_trial_is_the_config_with_its_values_in_the_command(tmp_path):
    raw = config(tmp_path, EXAMPLE)
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(raw | {"search": {}}))
    values = {"learner.optimizer.lr": 0.002, "fusion.name": "cross_attention", "fusion.heads": 2}
    command = [f"{key}={value}" for key, value in values.items()]
    assert load(path, command) == applied(check(raw), values)


def test_a_trial_that_is_wrong_says_all_of_it(tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)trial 7: 2 problems.*hidden.*dropout"):
        applied(
            check(tones_config(tmp_path)),
            {"fusion.hidden": 0, "fusion.dropout": 2},
            source="trial 7",
        )


def test_all_mistakes_are_named_at_once(tmp_path):
    said = problems(
        tmp_path,
        """
        seeds: [1, 2]
        lerner.optimizer.lr: [1]
        learner.lrr: [1]
        encoders.adio: [{name: mfcc}]
        outputs.lable.smoothing: [0.1]
        fusion: [{name: concat, hiden: [3], hidden: [0, 16, x]}, {name: lat}]
        learner.epochs: {low: 3, high: 2}
        learner.batch_size: {low: 2.5, high: 8}
        learner.patience: {low: 1, high: 2, step: 0.5}
        learner.modality_dropout: {low: 0, high: 1.5}
        balance: [none, wieghts, weights]
        encoders.text: [{name: mfcc}]
        encoders.audio.hop: {low: 0.01, high: 0.02}
        """,
    )
    starts = [
        "search.seeds: it decides what is measured",
        "search.learner.epochs: low must be below high (given 3 and 2)",
        "search.lerner.optimizer.lr: unknown key; did you mean learner.optimizer.lr?",
        "search.learner.lrr: unknown key; did you mean learner.optimizer.lr?",
        "search.encoders.adio.name: unknown key; did you mean encoders.audio?",
        "search.outputs.lable.smoothing: unknown key; did you mean outputs.label.smoothing?",
        "search.fusion[concat].hiden: unknown key (given 3); did you mean fusion.hidden?",
        "search.fusion[concat].hidden: Input should be greater than 0 (given 0)",
        "search.fusion[concat].hidden: Input should be a valid integer",
        "search.fusion.name: no fusion component is named 'lat'; did you mean late?",
        "search.learner.batch_size: Input should be a valid integer, got a number with a frac",
        "search.learner.patience: step must be whole, as what it leads to (given 0.5)",
        "search.learner.modality_dropout: Input should be less than or equal to 1 (given 1.5)",
        "search.balance: Input should be 'none', 'truncate', 'weights',",
        "search.encoders.text[mfcc]: it reads audio, and the encoder of the config reads text",
        "search.encoders.audio.hop: features would be computed anew in every trial",
    ]
    for start in starts:
        assert [line for line in said if line.startswith(start)], (start, said)
    assert len(said) == len(starts), said


def test_mistakes_of_form_are_said_beside_those_of_the_config(tmp_path):
    said = problems(tmp_path, "learner.epochs: []\nlerner.x: [1]", fusion={"name": "lat"})
    assert len(said) == 3 and "once every key and name is right" in said[-1]
    assert said[0].startswith("fusion.name: no fusion component is named 'lat'")
    assert said[1] == "search.learner.epochs: the list is empty"


def test_what_contradicts_another_place_is_said_with_the_values_that_do(tmp_path):
    text = "learner: [{name: neural}, {name: svm, C: [1, 2]}]\nencoders.audio.n_mels: [16, 32]"
    (said,) = problems(tmp_path, text)
    assert said.startswith("search (learner.name: svm): fusion: 'svm' joins the pooled features")


def test_what_contradicts_the_config_at_a_searched_key_is_said_there(tmp_path):
    text = "balance: [none, effective]\noutputs.label.adjustment: [0.0, 1.0]"
    (said,) = problems(tmp_path, text)
    assert said.startswith(
        "search.outputs.label.adjustment: balance: effective makes up for rare classes already"
    )


def test_a_config_with_which_a_value_cannot_stand_is_no_excuse(tmp_path):
    (said,) = problems(tmp_path, "balance: [none]", balance="effective", balance_beta=0.9)
    assert said == "search (balance: none): balance_beta: only balance: effective has one"


def test_a_section_below_a_single_value_is_judged_by_the_check(tmp_path):
    assert domains(check(config(tmp_path, "outputs.label.head.hidden: [8, 16]")))
    (said,) = problems(tmp_path, "fusion.hidden.deep: [1]")
    assert said.startswith("search (fusion.hidden.deep: 1): fusion.hidden: Input should be a valid")


def test_whole_numbers_are_what_the_option_takes_not_what_was_written(tmp_path):
    found = domains(
        check(
            config(
                tmp_path,
                """
                learner.optimizer.weight_decay: {low: 0, high: 1}
                learner.batch_size: {low: 8.0, high: 16.0}
                learner.patience: {low: 1, high: 9, log: true}
                fusion: [{name: late, hidden: {low: 8, high: 16, step: 4}}]
                """,
            )
        )
    )
    assert found["learner.optimizer.weight_decay"] == Range(0.0, 1.0)
    assert found["learner.batch_size"] == Range(8, 16, whole=True)
    assert found["learner.patience"] == Range(1, 9, log=True, whole=True)
    assert found["fusion[late].hidden"] == Range(8, 16, step=4, whole=True)
    assert isinstance(found["learner.batch_size"].low, int)


def test_only_features_that_are_kept_must_have_an_end(tmp_path):
    """tfidf is fitted in every fold anyway, and `finetune` changes no feature."""
    text = "encoders.hand.n_mfcc: {low: 8, high: 12}\nencoders.audio.finetune.lr: {low: 1, high: 2}"
    found = problems(tmp_path, f"{text}\nencoders.audio.hop: {{low: 0.01, high: 0.02}}")
    assert "search.encoders.audio.hop: features would be computed anew" in " ".join(found)
    assert "n_mfcc" not in " ".join(found)


def test_changed_copies_are_not_made_anew_in_every_trial(tmp_path):
    augment = {"steps": [{"name": "gain"}], "copies": 1}
    text = "augment.steps.0.p: [0.5, 1.0]"
    (said,) = problems(tmp_path, text, augment=augment)
    assert said.startswith("search.augment.steps.0.p: copies would be changed anew")


def test_an_option_of_a_step_in_a_list_is_searched(tmp_path):
    experiment = check(
        config(tmp_path, "augment.steps.0.p: [0.25, 0.5]", augment=[{"name": "gain"}])
    )
    (value,) = space_of(experiment).variants()[:1]
    assert applied(experiment, value).augment.steps[0].options["p"] == 0.25
    (said,) = problems(tmp_path, "augment.steps.1.p: [0.5]", augment=[{"name": "gain"}])
    assert said == "search.augment.steps.1.p: unknown key; did you mean augment.steps.0.p?"


def test_an_empty_search_is_what_the_components_say_of_themselves(tmp_path):
    experiment = check(config(tmp_path, ""))
    concat = registry.find("fusion", "concat").search_space()
    assert experiment.search == {}
    assert set(domains(experiment)) == {
        *(f"fusion.{key}" for key in concat),
        "learner.optimizer.lr",
        "learner.optimizer.weight_decay",
        "learner.batch_size",
    }


@pytest.mark.parametrize("name", registry.names("fusion"))
def test_what_a_fusion_and_the_neural_learner_say_is_right_in_a_config(name, tmp_path):
    experiment = check(tones_config(tmp_path, fusion={"name": name}))
    space = space_of(experiment)
    assert {one.key.partition(".")[0] for one in space.parameters} == {"fusion", "learner"}
    for corner in space.corners():
        assert applied(experiment, corner).fusion.name == name


def test_a_config_of_which_nothing_is_known_to_search_says_so(tmp_path):
    encoders = {"text": {"name": "tfidf"}}
    raw = tones_config(tmp_path, encoders=encoders, learner={"name": "ridge"}) | {
        "outputs": {"label": {"kind": "numbers"}}
    }
    raw.pop("fusion")
    with pytest.raises(ConfigError, match="no component says what to search"):
        space_of(check(raw))


def test_a_search_is_no_part_of_what_a_result_is_named_by(tmp_path):
    plain = check(tones_config(tmp_path))
    tuned = check(config(tmp_path, EXAMPLE, tune={"objective": "lower", "inner": 3}))
    assert plain.fingerprint("t") == tuned.fingerprint("t")
    assert check(yaml.safe_load(yaml.safe_dump(tuned.resolved()))) == tuned


def test_a_search_is_no_matter_of_a_run_that_is_done_nor_of_another_arm(tmp_path):
    raw = config(tmp_path, "fusion.hidden: [8, 16]\nencoders.audio.n_mels: [16]")
    arm = check(raw).with_encoders(["text"]).resolved()
    assert check(arm, ran=True).search == raw["search"]
    assert with_fusion(check(raw), "dual_gru").fusion.name == "dual_gru"
    assert with_fusion(check(raw), "join").search == {}


def test_code_from_outside_is_refused_in_a_branch_too(tmp_path):
    raw = config(tmp_path, "fusion: [{name: concat}, {name: os.path}]")
    with pytest.raises(ConfigError, match=r"search\.fusion\.name: 'os\.path' is code from outside"):
        check(raw, allow_code=False)


@pytest.mark.parametrize(("search", "where"), [([1], "search"), ({1: [2]}, r"search\.1")])
def test_a_search_that_is_no_section_is_a_mistake_of_the_config(tmp_path, search, where):
    with pytest.raises(ConfigError, match=rf"1 problem\n  {where}.*Input should be a valid"):
        check(tones_config(tmp_path, search=search))


def test_a_search_is_checked_without_optuna(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path, EXAMPLE)))
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from multimodal_ser.config.read import load, space_of\n"
        f"space_of(load(Path({str(path)!r})))\nassert 'optuna' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune": {"nested": True, "tune_on": 0}}, "tune: nested tunes every fold, tune_on one"),
        ({"tune": {"inner": 1}}, "tune.inner: Input should be greater than or equal to 2"),
        ({"tune": {"objectiv": "mean"}}, "did you mean tune.objective"),
        ({"tune": {"tune_on": 2}, "folds": [0, 1]}, "tune.tune_on: fold 2 is not run; folds: [0"),
        ({"tune": {"tune_on": 0, "objective": "lower"}}, "tune.objective: lower needs several"),
        ({"tune": {"nested": True, "objective": "lower"}}, "tune.objective: lower needs several"),
        ({"tune": {"objective": "lower"}, "folds": [1]}, "tune.objective: lower needs several"),
        (
            {"tune": {"cost": "parameters"}, "learner": {"name": "svm"}, "fusion": None},
            "tune.cost: the parameters of 'svm' are not counted; take seconds",
        ),
    ],
)
def test_a_way_to_tune_that_contradicts_itself_is_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=r"1 problem") as caught:
        check(tones_config(tmp_path, **changes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"tune": {"tune_on": 0, "objective": "lower", "inner": 2}},
        {"tune": {"nested": True, "objective": "lower"}, "seeds": [0, 1]},
        {"tune": {"objective": "lower"}},
        {"tune": {"tune_on": 1, "inner": 3, "cost": "parameters", "final": "refit"}},
    ],
)
def test_a_way_to_tune_that_makes_sense_is_taken(tmp_path, changes):
    check(tones_config(tmp_path, **changes))
