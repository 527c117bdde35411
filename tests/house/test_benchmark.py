"""What is compared in speed does the same work; and the experiments that need a GPU run without."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmark import alternately, clips, fine_tuning, training
from benchmark.bare import Settings, loop
from transformers import Wav2Vec2Config

ROOT = Path(__file__).parents[2]
TINY = Wav2Vec2Config(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=2,
)
STEPS = ["experiments/finetune_gpu.py", "--random-weights", "--steps", "2", "--size", "tiny"]


def test_the_bare_loop_and_the_learner_end_with_the_same_weights():
    train, dev = training.vectors(300, 0), training.vectors(100, 1)
    learner, model = training.head_learner(3), training.head_model()
    start = {name: one.clone() for name, one in model.state_dict().items()}
    torch.manual_seed(0)  # of the dropout
    learner.fit(training.as_dataset(train), training.as_dataset(dev), seed=0)
    torch.manual_seed(0)
    settings = Settings(epochs=3, batch=training.BATCH, rate=1e-3)
    loop(model, training.as_ready(train), training.as_ready(dev), settings)
    for name, one in learner.model.state_dict().items():
        torch.testing.assert_close(one, model.state_dict()[name], rtol=0, atol=1e-6)
        assert not torch.equal(one, start[name])


@pytest.mark.slow
def test_each_row_of_training_is_two_times():
    found = training.heads(epochs=1, times=1) | training.networks(clips(8), times=1)
    assert len(found) == 4
    assert all(plain > 0 and ours > 0 for plain, ours in found.values())


def test_crops_are_cut_anew_in_each_epoch_and_fill_a_batch_of_one_length(monkeypatch):
    monkeypatch.setattr(training, "SECONDS", 0.5)  # shorter than any clip, whatever the corpus
    inputs = training.Crops(clips(4)).inputs
    first, other = (inputs.batch(torch.arange(4), epoch)["x"] for epoch in (0, 1))
    assert first.shape == other.shape == (4, training.RATE // 2)
    assert not torch.equal(first, other)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    home = fine_tuning.write_model(tmp_path_factory.mktemp("speech"), TINY)
    generator = np.random.default_rng(0)
    sounds = [generator.normal(size=2000 + 300 * at).astype(np.float32) for at in range(12)]
    return fine_tuning.Task(home, sounds, torch.device("cpu"), batch=4, classes=3)


def test_the_learner_and_trainer_fine_tune_the_same_weights(task):
    ours, theirs = task.ours().model, task.theirs()
    learned = sum(one.numel() for one in ours.parameters() if one.requires_grad)
    also = {name: one for name, one in theirs.named_parameters() if one.requires_grad}
    idle = sum(one.numel() for name, one in also.items() if name.endswith("masked_spec_embed"))
    assert learned == sum(one.numel() for one in also.values()) - idle
    assert learned < sum(one.numel() for one in ours.parameters()), "the convolutions stay"


def test_fine_tuning_reads_no_clip_twice(task, monkeypatch):
    monkeypatch.setattr(task.cache, "get", lambda number, make: task.cache.kept[number])
    assert all(seconds > 0 for seconds in alternately(task.ours, task.theirs, times=1))


@pytest.mark.slow
def test_ten_pairs_are_trained_by_one_process_and_by_two():
    found = training.pairs(1)
    assert all(one > 0 and two > 0 for one, two in found.values())


def measured(*command):
    found = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return {line[:28].strip(): line[29:] for line in found.stdout.splitlines()}


@pytest.mark.slow
def test_random_models_take_steps_and_say_how_fast():
    lines = measured(*STEPS, "--batch", "8")
    assert lines["device"] == "cpu"
    assert lines["training"] == "full, bf16, batches of 8"
    assert lines["steps"].startswith("1 in ")
    assert float(lines["utterances per second"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full", "top:4", "lora"])
def test_two_processes_take_the_steps_together(mode):
    together = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    lines = measured(*together, *STEPS, "--mode", mode)
    assert lines["device"] == "cpu, 2 processes"
    assert lines["training"] == f"{mode}, bf16, batches of 16"


@pytest.mark.slow
def test_the_experiment_trains_every_fold_and_prints_its_table(tmp_path):
    import finetune_gpu

    finetune_gpu.write_models(tmp_path, "tiny")
    found = subprocess.run(
        [
            *(sys.executable, str(ROOT / "experiments" / "finetune_gpu.py"), "--epochs", "1"),
            *("--voice", str(tmp_path / "voice"), "--words", str(tmp_path / "words")),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[2].startswith("macro_f1 ")
