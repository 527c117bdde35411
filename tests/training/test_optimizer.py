"""The updates of the parameters, held against torch's own optimizers."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from multimodal_ser.training.learners._optimizer import Optimizer, build

THEIRS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
A_TRAINING = """
import sys
import torch
from multimodal_ser.training.learners._optimizer import Optimizer, build
from torch import nn

model = nn.Linear(3, 2)
model.rates = {}
updates = build(Optimizer(), model)
model(torch.ones(4, 3)).sum().backward()
updates.step()
assert "torch._dynamo" not in sys.modules
"""


class Network(nn.Module):
    """An encoder with a rate of its own, a head, and a layer that only every second step uses."""

    def __init__(self):
        super().__init__()
        self.rates = {"text": 0.02}
        self.encoders = nn.ModuleDict({"text": nn.Linear(3, 4)})
        self.head = nn.Linear(4, 2)
        self.spare = nn.Linear(4, 2)

    def forward(self, x, step):
        x = self.encoders["text"](x)
        return self.head(x) + (self.spare(x) if step % 2 else 0)


def trained(make, scaler):
    torch.manual_seed(0)
    model, x = Network(), torch.randn(6, 3)
    optimizer = make(model)
    for step in range(5):
        for parameter in model.parameters():
            parameter.grad = None
        loss = model(x, step).square().sum()
        if scaler is None:
            loss.backward()
            optimizer.step()
        else:
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", THEIRS)
def test_weights_are_those_of_torch_to_the_bit(name, decay, scaled):
    settings = Optimizer(name=name, lr=0.01, eps=1e-7, weight_decay=decay)

    def theirs(model):
        head = [*model.head.parameters(), *model.spare.parameters()]
        groups = [{"params": head}, {"params": model.encoders.parameters(), "lr": 0.02}]
        fused = {} if name == "sgd" else {"fused": True, "eps": 1e-7}
        return THEIRS[name](groups, lr=0.01, weight_decay=decay, **fused)

    scalers = [torch.amp.GradScaler("cpu") if scaled else None for _ in range(2)]
    ours = trained(lambda model: build(settings, model), scalers[0])
    assert torch.equal(ours, trained(theirs, scalers[1]))


def test_a_step_does_not_import_the_compiler_of_torch():
    subprocess.run([sys.executable, "-c", A_TRAINING], check=True)
