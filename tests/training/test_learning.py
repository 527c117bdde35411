"""Encoders that learn: what of them does, stopping and going on, and what is refused."""

import json

import numpy as np
import pytest
import torch

from multimodal_ser import run
from multimodal_ser.config.experiment import Augment
from multimodal_ser.config.method import Encoding, encodings_of
from multimodal_ser.config.read import check
from multimodal_ser.config.registry import build, module
from multimodal_ser.inference.load import load
from multimodal_ser.runs.dry_run import dry_run
from multimodal_ser.runs.prepare import encode, prepare, training_rows_of
from multimodal_ser.training import fit
from multimodal_ser.training.model_folder import Checkpoint
from multimodal_ser.types import ConfigError, DataError, Finetune, Input, MissingError
from tests.helpers.tones import tones_config

MODES = {
    "full": {"trainable": True},
    "top": {"trainable": "top:1"},
    "lora": {"trainable": "lora", "finetune": {"rank": 2}},
    "frozen": {},
}
WORDS, GRU = {"t": {"name": "tfidf", "svd": 4}}, {"t": {"name": "gru_words"}}
each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A tiny wav2vec 2.0 and a tiny BERT."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("speech", "text"):
        (folder / name).mkdir()
    return {
        "audio": {
            "name": "hf_speech",
            **module("encoders", "hf_speech").EXAMPLE(folder / "speech"),
        },
        "text": {"name": "hf_text", **module("encoders", "hf_text").EXAMPLE(folder / "text")},
    }


def encoders_of(models, mode):
    return {name: part | MODES[mode] for name, part in models.items()}


def config_of(tones, models, mode, **changes):
    noise = [{"name": "gain"}, {"name": "case"}] if mode == "frozen" else []
    return tones_config(
        tones,
        encoders=encoders_of(models, mode),
        augment=noise,
        learner={"name": "neural", "epochs": 4, "batch_size": 8},
        folds=[0],
        device="cpu",
        **changes,
    )


def material_of(config):
    prepared = prepare(check(config), encoding=True)
    return prepared.method, training_rows_of(prepared, encode(prepared)), prepared.folds[0]


class Stopped(Exception):  # noqa: N818
    """As by a kill, after an epoch was written down."""


class Mortal(Checkpoint):
    """Dies when an epoch is done."""

    def __init__(self, folder, features, last):
        super().__init__(folder, features)
        self.last = last

    def save(self, tensors, plain):
        super().save(tensors, plain)
        if plain["epoch"] == self.last:
            raise Stopped


@each_mode
@pytest.mark.parametrize("last", [1, 3])
def test_a_training_that_is_stopped_after_any_epoch_ends_in_the_same_bytes(
    mode, last, tones, models, tmp_path
):
    method, material, fold = material_of(config_of(tones, models, mode))
    whole = fit.fit(method, material, fold, 5, Checkpoint(tmp_path / "whole", "x"))
    with pytest.raises(Stopped):
        fit.fit(method, material, fold, 5, Mortal(tmp_path / "cut", "x", last))
    kept = Checkpoint(tmp_path / "cut", "x")
    assert kept.epochs() == last
    again = fit.fit(method, material, fold, 5, kept)
    assert again.learner.state() == whole.learner.state()
    assert len(again.learner.loop.curve) == 4


def test_a_checkpoint_of_other_features_is_not_gone_on_with(tmp_path):
    Checkpoint(tmp_path / "0-1", "these").save({"a": torch.zeros(2)}, {"epoch": 3})
    assert Checkpoint(tmp_path / "0-1", "others").load() is None
    assert Checkpoint(tmp_path / "0-1", "these").epochs() == 3


def test_a_damaged_checkpoint_is_said(tmp_path):
    kept = Checkpoint(tmp_path / "0-1", "these")
    kept.save({"a": torch.zeros(2)}, {"epoch": 3})
    kept.path.write_bytes(kept.path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"0-1.checkpoint is damaged .*; remove it"):
        kept.load()


def test_what_a_network_costs_is_foretold(tones):
    outlook = dry_run(tones_config(tones, encoders={"net": {"name": "m5", "sample_rate": 8000}}))
    stage = outlook.stages[-1]
    assert stage.name == "train"
    assert stage.seconds > 0
    assert stage.bytes > 2e6  # 550,000 numbers of 4 bytes


@each_mode
def test_only_what_learns_gets_a_gradient_and_leaves_eval_mode(mode, models):
    part = check_part(models["audio"], mode)
    encoder = encodings_of({"audio": part}, Augment())["audio"].build().train()
    network = encoder.model
    learning = {name for name, one in network.named_parameters() if one.requires_grad}
    if mode == "frozen":
        encoder.eval()  # as it is run
        assert not learning
    encoder(**encoder.prepare([sound(0.5), sound(0.3)])).x.sum().backward() if learning else None
    got = {name for name, one in network.named_parameters() if one.grad is not None}
    assert got == learning
    assert not any(name.startswith("feature_extractor") for name in learning)
    states = [layer.training for layer in network.encoder.layers]
    assert states == {"frozen": [False] * 2, "top": [False, True]}.get(mode, [True, True])
    assert not network.feature_extractor.training
    if mode == "top":
        assert all(name.startswith("encoder.layers.1.") for name in learning)
    if mode == "lora":
        assert all("lora_" in name for name in learning)


def check_part(part, mode):
    from multimodal_ser.config.experiment import EncoderPart

    return EncoderPart.model_validate({**part, **MODES[mode]})


def sound(seconds, seed=0):
    samples = np.random.default_rng(seed).standard_normal(int(16000 * seconds)) * 0.1
    return Input(samples=samples.astype(np.float32), rate=16000)


@pytest.mark.parametrize("name", ["audio", "text"])
def test_a_checkpointed_layer_gives_the_same_gradient(name, models):
    grads = []
    for kept in (False, True):
        options = {key: one for key, one in models[name].items() if key != "name"}
        encoder = build("encoders", models[name]["name"], options, Finetune(checkpointing=kept))
        for one in encoder.modules():
            if isinstance(one, torch.nn.Dropout):
                one.p = 0.0
            if isinstance(getattr(one, "dropout", None), float):  # of attention
                one.dropout = 0.0
        encoder.train()
        inputs = (
            [sound(0.5), sound(0.3, 1)]
            if name == "audio"
            else [Input(text="hola"), Input(text="no")]
        )
        (encoder(**encoder.prepare(inputs)).x ** 3).sum().backward()
        grads.append(
            {key: one.grad for key, one in encoder.named_parameters() if one.grad is not None}
        )
    assert grads[0].keys() == grads[1].keys()
    for key in grads[0]:
        torch.testing.assert_close(grads[0][key], grads[1][key], rtol=1e-4, atol=1e-6)


def test_the_convolutions_learn_when_they_are_told_to(models):
    options = {key: one for key, one in models["audio"].items() if key != "name"}
    encoder = build("encoders", "hf_speech", options, Finetune(cnn=True)).train()
    encoder(**encoder.prepare([sound(0.5)])).x.sum().backward()
    first = encoder.model.feature_extractor.conv_layers[0].conv.weight
    assert first.grad is not None


def test_too_many_layers_and_a_model_without_attention_are_said(models):
    options = {key: one for key, one in models["audio"].items() if key != "name"}
    with pytest.raises(ConfigError, match="top:7, but the model has 2 layers"):
        build("encoders", "hf_speech", options, Finetune("top:7"))


@each_mode
def test_a_finished_run_predicts_what_it_scored(mode, tones, models):
    done = run(config_of(tones, models, mode))
    predictor = load(done.folder, fold=0, device="cpu")
    table = done.part("test")
    rows = done.prepared.corpus.table.set_index("id").loc[table["id"]]
    asked = rows.reset_index()[["audio", "text"]]
    asked["audio"] = [str(tones / path) for path in asked["audio"]]
    said = predictor(asked)
    for label in ("joy", "neutral", "sadness"):
        np.testing.assert_allclose(
            said[f"score:{label}"].astype(float), table[f"score:{label}"], atol=2e-5
        )
    written = json.loads((done.folder / "models/0-0/model.json").read_text())
    assert ("weights" in written) == (mode != "frozen")
    assert not list((done.folder / "models").glob("*.checkpoint"))


def test_other_weights_under_the_same_name_are_refused(tones, models, tmp_path):
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(models["text"]["model"], copy)
    text = models["text"] | {"model": str(copy), "trainable": "top:1"}
    done = run(tones_config(tones, encoders={"text": text}, folds=[0]))
    from transformers import BertModel

    torch.manual_seed(3)
    changed = BertModel.from_pretrained(copy)
    torch.nn.init.normal_(changed.embeddings.word_embeddings.weight)
    changed.save_pretrained(copy)
    with pytest.raises(MissingError, match="fine-tuned from other weights"):
        load(done.folder, fold=0)


def test_two_learning_rates(models, tones):
    parts = encoders_of(models, "full")
    parts["audio"] |= {"finetune": {"lr": 1e-6}}
    method, material, fold = material_of(
        tones_config(
            tones, encoders=parts, folds=[0], learner={"epochs": 1, "optimizer": {"lr": 0.1}}
        )
    )
    before = {
        name: {key: one.detach().clone() for key, one in encoding.build().named_parameters()}
        for name, encoding in method.encodings.items()
    }
    trained = fit.fit(method, material, fold, 0)
    moved = {
        name: max(
            float((one.detach() - before[name][key]).abs().max())
            for key, one in encoder.named_parameters()
            if one.requires_grad
        )
        for name, encoder in trained.encoders.items()
    }
    assert moved["audio"] < 1e-4 < 1e-2 < moved["text"]


def test_nan_in_training_stops_with_the_step_the_utterances_and_the_last_good_checkpoint(
    models, tones, tmp_path
):
    config = config_of(tones, models, "full")
    method, material, fold = material_of(config)
    kept = Checkpoint(tmp_path / "m", "x")

    class Poison(Checkpoint):
        def save(self, tensors, plain):
            kept.save(tensors, plain)
            if plain["epoch"] == 2:
                for one in trained_encoders:
                    next(p for p in one.parameters() if p.requires_grad).data.fill_(torch.nan)

    trained_encoders = []
    original = Encoding.build

    def remember(encoding):
        trained_encoders.append(original(encoding))
        return trained_encoders[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoding, "build", remember)
        with pytest.raises(DataError, match=r"the loss became nan in step .*epoch 2") as error:
            fit.fit(method, material, fold, 0, Poison(tmp_path / "m", "x"))
    assert "the last good checkpoint is of epoch 2" in str(error.value)
    assert error.value.args[0].splitlines()[1].strip() in [one.id for one in material.utterances]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": {"a": {"name": "mfcc", "trainable": True}}}, "no weights that could learn"),
        ({"encoders": {"a": {"name": "m5", "trainable": True}}}, "always learns"),
        ({"encoders": {"a": {"name": "mfcc", "finetune": {"cnn": True}}}}, "nothing of it learns"),
        ({"encoders": {"a": {"name": "m5", "normalize": "standard"}}}, "changes while it learns"),
        ({"encoders": {"a": {"name": "m5"}}, "learner": {"name": "svm"}, "fusion": None},
         "trains no encoder"),
        ({"augment": [{"name": "crop", "seconds": 1}], "encoders": WORDS}, "would change nothing"),
        ({"augment": [{"name": "gain", "p": 0}]}, "would change nothing"),
        ({"augment": [{"name": "gian"}]}, "did you mean gain"),
        ({"augment": [{"name": "gain", "dB": [1, 2]}]}, "unknown key"),
        ({"augment": {"copies": 2}}, "there are no steps"),
        ({"augment": [{"name": "mixup"}], "encoders": GRU}, "cannot be mixed"),
        ({"folds": [9]}, None),
    ],
)  # fmt: skip
def test_what_would_have_no_effect_is_refused(changes, message, tones):
    config = tones_config(tones, **changes)
    if config.get("fusion") is None:
        config.pop("fusion")
    if message is None:
        with pytest.raises(ConfigError, match=r"folds: \[9\] are not there"):
            run(config)
        return
    with pytest.raises(ConfigError, match=message):
        check(config)


def test_without_an_epoch_the_head_is_scored_as_it_was_drawn(tones):
    learners = ({"epochs": 0}, {"epochs": 1, "optimizer": {"lr": 1e-30}})  # no step is that small
    drawn, stood = (run(tones_config(tones, learner=one, folds=[0])) for one in learners)
    columns = [column for column in drawn.predictions if column.startswith("score:")]
    np.testing.assert_array_equal(drawn.part("test")[columns], stood.part("test")[columns])
    assert load(drawn.folder, fold=0, seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": [{"name": "gain"}]}, "augment, balance: nothing is trained"),
        ({"balance": "sampler"}, "augment, balance: nothing is trained"),
        ({"encoders": {"t": {"name": "hf_text", "trainable": True}}}, "t.trainable: set learner"),
    ],
)
def test_without_an_epoch_what_is_for_training_is_refused(changes, message, tones):
    with pytest.raises(ConfigError, match=message):
        check(tones_config(tones, learner={"epochs": 0}, **changes))
