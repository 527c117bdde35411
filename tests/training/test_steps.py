"""Steps: pieces, processes, learning rates, precision, memory, and numbers that are not finite."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from multimodal_ser.distributed import World
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training import losses
from multimodal_ser.training.fusion import concat
from multimodal_ser.training.learners._optimizer import Optimizer, Rates, Schedule, build
from multimodal_ser.training.learners._steps import Steps, ahead
from multimodal_ser.training.learners.neural import Learner
from multimodal_ser.training.model import Model, head
from multimodal_ser.types import ConfigError, DivergedError, MserError

DIMS = {"audio": 5, "text": 7}
ROWS = 75  # no multiple of the batch size, nor of two processes
KINDS = ["cross_entropy", "weighted", "ccc"]


def data_of(kind):
    generator = torch.Generator().manual_seed(0)
    features = {
        name: Ragged(
            torch.randn(ROWS, dim, generator=generator), torch.ones(ROWS, dtype=torch.long)
        )
        for name, dim in DIMS.items()
    }
    if kind == "ccc":
        targets = {"label": torch.randn(ROWS, 1, generator=generator)}
    else:
        codes = torch.randint(3, (ROWS,), generator=generator)
        targets = {"label": torch.nn.functional.one_hot(codes, 3).float()}
    weights = torch.rand(ROWS, generator=generator) + 0.1 if kind == "weighted" else None
    return Dataset(features, targets, np.arange(ROWS), weights)


def learner_of(kind, *, batch_norm=False, **optimizer):
    torch.manual_seed(0)
    fusion = concat.Fusion(DIMS, hidden=16, dropout=0.0)
    if batch_norm:
        fusion.mix = torch.nn.Sequential(fusion.mix, torch.nn.BatchNorm1d(16))
    width, loss = (1, losses.ccc) if kind == "ccc" else (3, losses.cross_entropy)
    model = Model(fusion, {"label": head(16, width)}, DIMS)
    settings = Optimizer(lr=0.01, **optimizer)
    return Learner(model, {"label": (loss, 1.0)}, epochs=4, batch_size=16, optimizer=settings)


def trained(kind, **optimizer):
    learner = learner_of(kind, **optimizer)
    learner.fit(data_of(kind), None, seed=0)
    return learner.model.state_dict()


def assert_alike(one, other):
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_in_pieces_gives_the_weights_of_the_whole(kind):
    assert_alike(trained(kind), trained(kind, accumulate=3))


@pytest.mark.parametrize("kind", KINDS)
def test_the_epoch_of_the_least_loss_on_dev_is_kept(kind):
    learner = learner_of(kind, precision="fp32")
    learner.loop.select, learner.loop.epochs, learner.loop.patience = "loss", 40, 3
    dev = data_of(kind)
    dev.targets["label"] = dev.targets["label"].roll(1, 0)  # what is learned is of no use here
    learner.fit(data_of(kind), dev, seed=0)
    lost = [row["dev_loss"] for row in learner.loop.curve]
    assert learner.loop.best_epoch == int(np.argmin(lost))
    assert len(lost) == learner.loop.best_epoch + 4, "patience is of the loss as well"
    said, truth = learner.predict(dev)["label"], dev.targets["label"].numpy()
    if kind != "ccc":
        wanted = -np.log(said[truth == 1]).mean()
    else:
        apart = said.var() + truth.var() + (said.mean() - truth.mean()) ** 2
        wanted = 1 - 2 * np.cov(said.T, truth.T, ddof=0)[0, 1] / apart
    assert lost[learner.loop.best_epoch] == pytest.approx(wanted, abs=1e-5)
    assert ("ccc" if kind == "ccc" else "macro_f1") in learner.loop.curve[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_give_the_weights_of_one_after_20_steps(kind, tmp_path):
    run_two(kind, tmp_path)
    assert_alike(trained(kind), load_file(tmp_path / "weights.safetensors"))


def run_two(kind, folder):
    """This file under torchrun, as two processes on a CPU."""
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [sys.executable, *words, "-m", "tests.training.test_steps", kind, str(folder)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    here = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=here, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]


def test_batch_norm_is_refused_where_processes_share_a_cpu():
    model = learner_of("cross_entropy", batch_norm=True).model
    with pytest.raises(
        ConfigError, match=r"batch norm \(fusion.mix.1\) cannot be shared by processes"
    ):
        World(0, 2).wrap(model)
    assert World().wrap(model) is model


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_shares_of_all_processes_are_the_batch_and_as_long(size):
    rows = torch.arange(10, 20)
    shares = [World(rank, size).share(rows) for rank in range(size)]
    assert len({len(mine) for mine, _ in shares}) == 1
    kept = [row for mine, fill in shares for row in mine.tolist()[: len(mine) - fill]]
    assert sorted(kept) == rows.tolist()


def steps_of(learner):
    learner.model.train()
    return Steps(learner.model, learner.loop.losses, learner.loop.optimizer, 20, World())


class Hungry(torch.nn.Module):
    """Runs out of memory above some rows."""

    def __init__(self, model, most):
        super().__init__()
        self.inner = model
        self.most = most
        self.rates = {}

    def forward(self, given):
        if len(given["text"].x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return self.inner(given)


def test_batches_that_are_prepared_ahead_are_the_same_in_the_same_order():
    data, order = data_of("weighted"), torch.arange(ROWS)
    plain = steps_of(learner_of("weighted")).batches(data, order, 16, 0)
    early = ahead(steps_of(learner_of("weighted")).batches(data, order, 16, 0))
    for one, other in zip(plain, early, strict=True):
        assert torch.equal(one.rows, other.rows)
        assert torch.equal(one.features["text"].x, other.features["text"].x)


def test_too_little_memory_cuts_the_batches_and_leaves_the_gradient_alone(capsys):
    whole, cut = learner_of("ccc"), learner_of("ccc")
    cut.model = Hungry(cut.model, 4)
    batch = data_of("ccc").batch(torch.arange(16))
    values = [steps_of(one).take(batch, 0) for one in (whole, cut)]
    assert values[0] == pytest.approx(values[1], abs=1e-6)
    assert_alike(whole.model.state_dict(), cut.model.inner.state_dict())
    assert "batches are cut into 4 pieces" in capsys.readouterr().err


def test_a_row_that_does_not_fit_alone_is_said():
    learner = learner_of("cross_entropy")
    learner.model = Hungry(learner.model, 0)
    with pytest.raises(MserError, match=r"does not suffice for 1 utterances.*accumulate"):
        steps_of(learner).take(data_of("cross_entropy").batch(torch.arange(16)), 0)


def test_a_loss_of_nan_names_the_step_and_the_rows():
    learner, data = learner_of("cross_entropy"), data_of("cross_entropy")
    data.features["text"].frames[7] = torch.nan
    with pytest.raises(
        DivergedError, match=r"features are NaN or infinite in step 0 \(epoch 3\)"
    ) as error:
        steps_of(learner).take(data.batch(torch.arange(5, 12)), 3)
    assert error.value.rows == [7]


def test_a_gradient_that_is_not_finite_stops_the_training():
    learner = learner_of("cross_entropy")
    learner.loop.losses = {
        "label": (lambda said, truth, weights: (said.sum() * 0).abs().sqrt(), 1.0)
    }
    with pytest.raises(DivergedError, match="the gradient's length became nan in step 0"):
        steps_of(learner).take(data_of("cross_entropy").batch(torch.arange(4)), 0)


@pytest.mark.parametrize(
    ("schedule", "step", "share"),
    [
        (Schedule(), 50, 1.0),
        (Schedule("linear"), 25, 0.75),
        (Schedule("cosine"), 50, 0.5),
        (Schedule("cosine"), 99, (1 + math.cos(math.pi * 0.99)) / 2),
        (Schedule("linear", warmup=0.1), 0, 1 / 11),
        (Schedule("linear", warmup=0.1), 9, 10 / 11),
        (Schedule("linear", warmup=0.1), 55, 0.5),
        (Schedule("inverse", rate=0.01), 100, 0.5),
    ],
)
def test_the_learning_rate_of_a_step(schedule, step, share):
    assert schedule.share(step, 100, 0) == pytest.approx(share)


def by_hand(learner, data, rates, longest=math.inf):
    """The weights after a plain gradient step on all rows at each rate, with clipping."""
    model = learner.model
    batch = data.batch(torch.arange(ROWS))
    for rate in rates:
        model.zero_grad()
        torch.nn.functional.cross_entropy(
            model(batch.features)["label"], batch.targets["label"]
        ).backward()
        length = math.sqrt(sum(float(one.grad.square().sum()) for one in model.parameters()))
        with torch.no_grad():
            for one in model.parameters():
                one -= rate * min(1.0, longest / length) * one.grad
    return model.state_dict(), length


def stepped(**optimizer):
    """The weights after four steps on all rows."""
    learner = learner_of("cross_entropy", name="sgd", **optimizer)
    learner.loop.batch_size = ROWS
    learner.fit(data_of("cross_entropy"), None, seed=0)
    return learner.model.state_dict()


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        (Schedule(), [1, 1, 1, 1]),
        (Schedule("linear"), [1, 3 / 4, 2 / 4, 1 / 4]),
        (Schedule("linear", warmup=0.5), [1 / 3, 2 / 3, 1, 1 / 2]),
        (Schedule("inverse", rate=1.0), [1, 1 / 2, 1 / 3, 1 / 4]),
    ],
    ids=["constant", "linear", "warmup", "inverse"],
)
def test_the_first_step_is_at_the_first_rate_of_the_schedule_and_so_on(schedule, shares):
    fresh, data = learner_of("cross_entropy"), data_of("cross_entropy")
    expected, _ = by_hand(fresh, data, [0.01 * share for share in shares])
    assert_alike(expected, stepped(clip=None, schedule=schedule))


@pytest.mark.parametrize("longest", [0.01, 100.0])
def test_a_gradient_is_cut_to_the_clip_where_it_is_longer_and_else_left_alone(longest):
    fresh, data = learner_of("cross_entropy"), data_of("cross_entropy")
    expected, length = by_hand(fresh, data, [0.01] * 4, longest)
    assert 0.02 < length < 50, "one clip is shorter, the other longer"
    assert_alike(expected, stepped(clip=longest))


def test_a_plateau_lowers_the_rate_after_so_many_epochs_without_gain():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    rates = Rates(optimizer, Schedule("plateau", factor=0.9, patience=2), 100)
    seen = []
    for step, gain in enumerate([True, False, False, False, False, True, False]):
        rates.saw(gain)
        rates.set(step)
        seen.append(optimizer.param_groups[0]["lr"] / 0.2)
    assert seen == pytest.approx([1, 1, 0.9, 0.9, 0.81, 0.81, 0.81])


def test_an_encoder_of_its_own_rate_has_a_group_and_what_is_frozen_none():
    learner = learner_of("ccc")
    learner.model.encoders["audio"] = torch.nn.Linear(2, 2)
    learner.model.encoders["text"] = torch.nn.Linear(2, 2).requires_grad_(False)
    learner.model.rates = {"audio": 1e-5, "text": None}
    optimizer = build(Optimizer(lr=0.1), learner.model)
    rates = {group["lr"]: len(group["params"]) for group in optimizer.param_groups}
    heads = sum(
        1 for name, _ in learner.model.named_parameters() if not name.startswith("encoders")
    )
    assert rates == {0.1: heads, 1e-5: 2}


def test_bfloat16_learns_nearly_the_same_and_keeps_weights_in_32_bits():
    plain, half = trained("cross_entropy"), trained("cross_entropy", precision="bf16")
    for name, value in plain.items():
        assert half[name].dtype == torch.float32
        torch.testing.assert_close(half[name], value, rtol=0.1, atol=0.05)
    assert any(not torch.equal(half[name], value) for name, value in plain.items())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_fp16_is_refused_without_a_gpu():
    with pytest.raises(ConfigError, match="fp16 needs a GPU; bf16 works on every device"):
        trained("cross_entropy", precision="fp16")


def main(kind, folder):
    from safetensors.torch import save_file

    from multimodal_ser.distributed import world

    among = world(cpu=True)
    weights = trained(kind)
    if among.first:
        save_file(weights, Path(folder) / "weights.safetensors")
    among.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
