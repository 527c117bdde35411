"""A config is right as a whole or refused as a whole, with every mistake named."""

import pytest
import yaml

from multimodal_ser.config.read import check, load
from multimodal_ser.types import ConfigError

MINIMAL = {
    "name": "x",
    "corpus": {"name": "demo"},
    "encoders": {"audio": {"name": "mfcc"}},
}


def changed(**changes):
    return MINIMAL | changes


def problems(raw):
    with pytest.raises(ConfigError, match=r"problem") as caught:
        check(raw)
    return str(caught.value)


def test_defaults_are_written_out():
    experiment = check(MINIMAL)
    assert experiment.fusion.options == {"hidden": 256, "dropout": 0.5, "pool": "mean"}
    assert experiment.encoders["audio"].options["sample_rate"] == 22050
    assert experiment.learner.options["optimizer"]["name"] == "adamw"


def test_a_resolved_config_is_the_same_experiment():
    experiment = check(MINIMAL)
    written = yaml.safe_load(yaml.safe_dump(experiment.resolved()))
    assert check(written) == experiment


def test_all_mistakes_are_named_at_once_with_the_nearest_right_key():
    text = problems(
        changed(
            learner={"name": "neural", "lrr": 0.1},
            fusion={"name": "concat", "hiden": 3},
            encoders={"audio": {"name": "mfc"}, "hand": {"name": "mfcc", "normalise": "standard"}},
            metrics=["macrof1"],
            sedes=[1],
        )
    )
    assert "6 problems" in text
    assert "learner.lrr: unknown key (given 0.1); did you mean learner.optimizer.lr?" in text
    assert "did you mean fusion.hidden?" in text
    assert "encoders.audio.name: no encoders component is named 'mfc'; did you mean mfcc?" in text
    assert "did you mean encoders.hand.normalize?" in text
    assert "'macrof1' is no metric; did you mean macro_f1?" in text
    assert "sedes: unknown key (given [1]); did you mean seeds?" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "a seed is named twice"),
        ({"protocol": {"name": "kfold", "folds": 1}}, "protocol.folds: Input should be greater"),
        ({"protocol": {"name": "kfolds"}}, "did you mean kfold?"),
        ({"learner": {"name": "neural", "optimizer": {"lr": -1}}}, "learner.optimizer.lr"),
        (
            {"learner": {"name": "neural", "optimizer": {"lrr": 1}}},
            "did you mean learner.optimizer",
        ),
        ({"encoders": {}}, "encoders"),
        ({"encoders": {"audio": "mfcc"}}, "encoders.audio"),
        ({"corpus": "demo"}, "corpus"),
        ({"allow_leak": ["speakers"]}, "allow_leak.0"),
        ({"metrics": ["uar", "ccc"]}, "metrics: 'ccc' scores numbers"),
        ({"name": "../up"}, "name: String should match"),
        ({"outputs": {"label": {"kind": "numbers", "classes": ["a", "b"]}}}, "have no classes"),
        ({"outputs": {"label": {"loss": "ccc"}}}, "kind classes has the losses cross_entropy"),
        ({"outputs": {"a": {"edges": [3, 2], "classes": ["x", "y", "z"]}}}, "edges must rise"),
        ({"outputs": {"a": {"edges": [3], "classes": ["x", "y", "z"]}}}, "one class more"),
        (
            {"outputs": {"a": {"kind": "numbers"}, "label": {}}, "metrics": ["ccc"]},
            "no metric fits",
        ),
        ({"outputs": {"a": {"kind": "numbers"}}, "balance": "weights"}, "only classes can be"),
        ({"outputs": {"a": {}, "b": {}}, "learner": {"name": "svm"}}, "predicts one target"),
        ({"outputs": {"a": {"kind": "numbers"}}, "learner": {"name": "svm"}}, "predicts classes"),
        ({"balance": "sampler", "learner": {"name": "svm"}}, "does not draw batches"),
        ({"learner": {"name": "neural", "select": "ccc"}}, "no output is of the kind"),
        ({"encoders": {}}, "encoders: name at least one"),
        ({"shuffle": "text"}, "no encoder reads text"),
        ({"learner": {"name": "svm"}, "fusion": {"name": "late"}}, "'svm' joins the pooled"),
        ({"encoders": {"text": {"name": "tfidf"}}}, "set max_features or svd"),
    ],
)
def test_a_mistake_is_named_with_its_place(change, message):
    assert message in problems(changed(**change))


def test_a_learner_without_batches_takes_no_fusion_by_itself():
    assert check(changed(learner={"name": "svm"})).fusion is None


def test_a_number_that_yaml_reads_as_text_is_still_a_number(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    experiment = load(path, ["learner.optimizer.lr=1e-3"])
    assert experiment.learner.options["optimizer"]["lr"] == 0.001


def test_another_component_by_override_leaves_the_old_options_behind(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(changed(protocol={"name": "kfold", "folds": 6})))
    assert load(path, ["protocol.test=0.3", "protocol.name=holdout"]).protocol.options == {
        "test": 0.3,
        "dev": 0.1,
        "seed": 0,
    }
    assert load(path, ["protocol.name=kfold"]).protocol.options["folds"] == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "not valid YAML"), ("- a", "key: value"), ("", "key: value")],
)
def test_a_file_that_is_no_config_says_so(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_a_config_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ConfigError, match=r"No such file"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize("override", ["learner", "=3", "learner.epochs=[1"])
def test_an_override_that_is_none_says_so(tmp_path, override):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(ConfigError, match=r"key=value|not valid YAML"):
        load(path, [override])


def test_the_fingerprint_holds_what_decides_the_result_and_nothing_else():
    base = check(MINIMAL).fingerprint("t")
    same = [{"name": "y"}, {"seeds": [4]}, {"workers": 1}, {"runs_dir": "z"}, {"breakdown": ["a"]}]
    other = [{"protocol": {"name": "loso"}}, {"shuffle": "audio"}, {"metrics": ["uar"]}]
    for change in same:
        assert check(changed(**change)).fingerprint("t") == base, change
    for change in other:
        assert check(changed(**change)).fingerprint("t") != base, change
    assert check(MINIMAL).fingerprint("u") != base


def test_where_a_corpus_lies_is_not_in_the_fingerprint():
    def at(root):
        part = {"name": "manifest", "root": root, "path": "t.csv"}
        return check(changed(corpus=part)).fingerprint("t")

    assert at("here") == at("there")
