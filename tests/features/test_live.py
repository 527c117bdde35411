"""What is changed anew in every epoch, what comes back after saving, and what final models know."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from multimodal_ser import compare, run
from multimodal_ser.config.read import check
from multimodal_ser.config.registry import build, module
from multimodal_ser.features.augmentation import Augmentation
from multimodal_ser.features.batches import Ragged
from multimodal_ser.features.live import Blanked, Changes, collate
from multimodal_ser.inference.load import load
from multimodal_ser.runs.prepare import encode, prepare, training_rows_of
from multimodal_ser.training import fit
from multimodal_ser.training.apply import dataset
from multimodal_ser.training.learners._optimizer import Optimizer, Schedule
from multimodal_ser.training.learners.neural import Learner
from multimodal_ser.types import ConfigError, Finetune, Input
from tests.helpers.tones import RATE, tones_config
from tests.training.test_steps import data_of, learner_of

NOTHING = {"name": "gain", "db": [0, 0]}
MASK = {"name": "time_mask", "share": 0.5, "width": 30}


def changed_rows(config):
    """The rows that train as they are cached, and as the learner sees them in the first epoch."""
    prepared = prepare(check(config), encoding=True)
    method, fold = prepared.method, prepared.folds[0]
    material = training_rows_of(prepared, encode(prepared))
    trained = fit.fit(method, material, fold, 0)
    steps = Augmentation(method.steps_of_every_epoch())
    plain = dataset(method, material, trained, fold.train)
    changed = dataset(method, material, trained, fold.train, Changes(steps, 0))
    rows = torch.arange(len(fold.train))
    return plain.batch(rows).features, changed.batch(rows, 1).features


def tiny_speech(folder, **options):
    (folder / "speech").mkdir()
    part = {"name": "hf_speech", **module("encoders", "hf_speech").EXAMPLE(folder / "speech")}
    return part | options


@pytest.mark.parametrize("layer", ["last", "weighted", 1])
def test_a_frozen_encoder_that_runs_anew_gives_what_is_cached_and_is_scaled_alike(layer, tones):
    speech = tiny_speech(tones, layer=layer, normalize="standard")
    config = tones_config(
        tones, encoders={"a": speech}, augment=[NOTHING], learner={"epochs": 1}, device="cpu"
    )
    plain, changed = changed_rows(config)
    assert changed["a"].x.shape == plain["a"].x.shape
    torch.testing.assert_close(changed["a"].x, plain["a"].x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [[MASK], [NOTHING, MASK]])
def test_frames_are_blanked_out_also_where_the_sound_changes_first(steps, tones):
    mel = {"a": {"name": "log_mel", "sample_rate": RATE, "n_mels": 8, "normalize": "standard"}}
    config = tones_config(tones, encoders=mel, augment=steps, learner={"epochs": 1}, device="cpu")
    plain, changed = changed_rows(config)
    differs = (plain["a"].x - changed["a"].x).abs().amax(2) > 1e-3
    share = differs[plain["a"].mask].float().mean()
    assert 0.1 < share < 0.5


def test_all_layers_of_a_frame_are_blanked_out_together():
    frames = torch.randn(40, 3, 5, generator=torch.Generator().manual_seed(0))
    ragged = Ragged(frames, torch.tensor([25, 15]))
    step = build("augment", "time_mask", {"share": 0.5, "width": 10})
    from multimodal_ser.features.augmentation import Augmentation

    changes = Changes(Augmentation([step]), 0)
    found = Blanked(ragged, "audio", np.array([4, 9]), changes).batch(torch.tensor([0, 1]), 2)
    plain = ragged.batch(torch.tensor([0, 1]))
    differs = (found.x != plain.x).any(3)
    assert found.x.shape == plain.x.shape == (2, 3, 25, 5)
    assert 0 < differs[0, 0].sum() <= 13
    assert torch.equal(differs[:, 0], differs[:, 1])
    assert not differs[1, :, 15:].any()


@pytest.mark.parametrize("freeze", [True, False])
def test_given_vectors_come_back_with_a_model_that_is_loaded(freeze, tones):
    words = pd.read_csv(tones / "table.csv")["text"].str.lower().str.split().explode().unique()
    generator = np.random.default_rng(0)
    lines = [f"{one} {' '.join(map(str, generator.standard_normal(4)))}" for one in words]
    (tones / "words.vec").write_text("\n".join(lines))
    text = {"name": "gru_words", "file": str(tones / "words.vec"), "size": 4, "freeze": freeze}
    config = tones_config(tones, encoders={"t": text | {"min_count": 1}}, device="cpu", folds=[0])
    done = run(config)
    table = done.part("test")
    corpus = done.prepared.corpus.table.set_index("id")
    said = load(done.folder, fold=0, device="cpu")(corpus.loc[table["id"], ["text"]].reset_index())
    np.testing.assert_allclose(said["score:joy"].astype(float), table["score:joy"], atol=1e-5)


@pytest.mark.parametrize("name", ["hf_speech", "hf_text"])
def test_the_highest_layers_are_those_below_the_one_that_is_read(name, tmp_path):
    options = module("encoders", name).EXAMPLE(tmp_path) | {"layer": 1}
    encoder = build("encoders", name, options, Finetune("top:1")).train()
    sound = np.random.default_rng(0).standard_normal(4000).astype(np.float32) * 0.1
    one = Input(samples=sound, rate=16000, text="hola")
    encoder(**encoder.prepare([one])).x.sum().backward()
    idle = [key for key, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []
    with pytest.raises(ConfigError, match="depends on nothing that learns"):
        build("encoders", name, options | {"layer": 0}, Finetune("lora"))


def test_a_missing_clip_stands_beside_windows_of_more_dimensions():
    there = {"values": torch.ones(1, 2, 80, 30), "lengths": torch.tensor([[80, 80]])}
    missing = {"values": torch.zeros(1, 1, 1), "lengths": torch.tensor([[0]])}
    batch = collate([missing, there])
    assert batch["values"].shape == (2, 2, 80, 30)
    assert not batch["values"][0].any()
    assert batch["values"][1].all()
    assert batch["lengths"].tolist() == [[0, 0], [80, 80]]


def test_without_dev_no_epoch_is_one_without_gain():
    learner = learner_of("ccc", schedule=Schedule("plateau", factor=0.1, patience=1))
    plain = learner_of("ccc")
    for one in (learner, plain):
        one.fit(data_of("ccc"), None, seed=0)
    for name, value in plain.model.state_dict().items():
        torch.testing.assert_close(learner.model.state_dict()[name], value, rtol=0, atol=0)


def test_what_folds_settled_keeps_their_learning_rates():
    states = [{"chosen.json": json.dumps({"epoch": epoch}).encode()} for epoch in (3, 5, 9)]
    options = {"epochs": 20, "patience": 4, "optimizer": {"lr": 0.1, "schedule": {"over": None}}}
    settled = Learner.settled(states, options)
    assert (settled["epochs"], settled["patience"]) == (6, None)
    assert settled["optimizer"] == {"lr": 0.1, "schedule": {"over": 20}}
    learner = learner_of("ccc")
    learner.loop.epochs, learner.loop.optimizer = 6, Optimizer(schedule=Schedule("linear", over=20))
    assert learner.loop.steps_for(75).rates.steps == 20 * 5


@pytest.mark.parametrize("copies", [None, 1])
def test_final_models_train_on_rows_that_hold_something(copies, tones):
    steps = {"steps": [{"name": "case", "kinds": ["upper"]}], "copies": copies}
    words = {"t": {"name": "gru_words", "min_count": 1}}
    learner = {"name": "neural", "epochs": 2}
    protocol = {"name": "holdout"}
    config = tones_config(
        tones, encoders=words, augment=steps, learner=learner, protocol=protocol, device="cpu"
    )
    done = run(config, final=True)
    written = json.loads((done.folder / "models/final-0/model.json").read_text())
    assert written["absent"] == []


def test_final_models_are_trained_anew_when_seeds_that_join_choose_otherwise(tones):
    learner = {"name": "neural", "epochs": 6, "optimizer": {"lr": 0.01}}
    config = tones_config(tones, learner=learner)
    keys, epochs = [], []
    for seeds in ([0], [0, 1, 2, 3]):
        folder = run(config | {"seeds": seeds}, final=True).folder
        written = json.loads((folder / "models/final-0/model.json").read_text())
        curve = json.loads((folder / "models/final-0/learner/curve.json").read_text())
        keys.append(written["features"])
        epochs.append(len(curve))
    assert (keys[0] == keys[1]) == (epochs[0] == epochs[1])


def test_an_arm_of_a_study_can_be_loaded(tones):
    config = tones_config(
        tones,
        encoders={
            "audio": {"name": "m5", "sample_rate": RATE},
            "text": {"name": "tfidf", "svd": 8},
        },
        augment=[{"name": "gain"}],
        learner={"name": "neural", "epochs": 1, "modality_dropout": 0.2},
        folds=[0],
        device="cpu",
    )
    study = compare(config, ["audio", "text"])
    for arm in study.runs.values():
        assert load(arm.folder, fold=0, device="cpu") is not None
    steps = {name: len(arm.experiment.augment.steps) for name, arm in study.runs.items()}
    assert sorted(steps.values()) == [0, 1]


def test_other_noise_under_the_same_name_makes_other_copies(tones):
    noise = tones / "noise"
    noise.mkdir()
    keys = []
    for seed in (0, 1):
        samples = np.random.default_rng(seed).standard_normal(4000) * 0.1
        soundfile.write(noise / "n.wav", samples, RATE)
        steps = [{"name": "noise", "kind": "folder", "folder": str(noise)}]
        config = tones_config(tones, augment={"steps": steps, "copies": 1}, folds=[0])
        keys.append([one and one.key for one in prepare(check(config)).contents("audio")])
    assert keys[0][:36] == keys[1][:36]
    assert not {*keys[0][36:]} & {*keys[1][36:]} - {None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": {"t": {"name": "tfidf", "svd": 4}}, "augment": [{"name": "time_mask"}]},
         "would change nothing"),
        ({"encoders": {"p": {"name": "prosody"}}, "augment": [{"name": "time_mask"}]},
         "would change nothing"),
        ({"encoders": {"a": {"name": "hf_speech", "model": "x", "trainable": "lora",
                             "finetune": {"cnn": True}}}}, "it is for trainable: true"),
        ({"seeds": [-1]}, "greater than or equal to 0"),
    ],
)  # fmt: skip
def test_more_that_would_have_no_effect(changes, message, tones):
    with pytest.raises(ConfigError, match=message):
        check(tones_config(tones, **changes))


def test_pieces_of_a_batch_are_refused_where_batch_norm_would_see_less():
    learner = learner_of("cross_entropy", batch_norm=True, accumulate=2)
    with pytest.raises(ConfigError, match=r"fusion.mix.1\) cannot be shared by pieces of a batch"):
        learner.fit(data_of("cross_entropy"), None, seed=0)
