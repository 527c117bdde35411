"""Components by name, from files, entry points and dotted names; options from signatures."""

import sys

import pytest
from pydantic import ValidationError

from multimodal_ser.config import registry
from multimodal_ser.config.read import check
from multimodal_ser.runs.run import run
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config

DATASET = '''"""A scratch corpus."""
from pathlib import Path
import pandas as pd
from multimodal_ser.corpus.corpus import About, build

ABOUT = About(name="scratch", licence="mine", citation="me", home="here")


def load(*, folder: str):
    return build(pd.read_csv(Path(folder) / "table.csv"), ABOUT, root=Path(folder))
'''
ENCODER = '''"""The loudness of a clip."""
import torch
from multimodal_ser.types import Features


class Encoder(torch.nn.Module):
    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("torch",)

    def __init__(self, *, power: float = 2.0):
        super().__init__()
        self.power = power
        self.dim = 1

    def prepare(self, inputs):
        loud = [0.0 if one.samples is None else float(abs(one.samples).mean()) for one in inputs]
        present = [one.samples is not None for one in inputs]
        return {"loud": torch.tensor(loud), "present": torch.tensor(present)}

    def forward(self, loud, present):
        return Features((loud**self.power)[:, None, None], present[:, None])
'''
FUSION = '''"""The first frame of each encoder, side by side."""
import torch


class Fusion(torch.nn.Module):
    def __init__(self, dims, *, scale: float = 1.0):
        super().__init__()
        self.scale = scale
        self.out_dim = sum(dims.values())

    def forward(self, features):
        return torch.cat([features[name].x[:, 0] * self.scale for name in features], dim=1)
'''


@pytest.fixture
def scratch(tones, monkeypatch):
    """A project of the user's own with a dataset, an encoder and a fusion, and no package."""
    for name, text in (("my_data", DATASET), ("my_encoder", ENCODER), ("my_fusion", FUSION)):
        (tones / "project").mkdir(exist_ok=True)
        (tones / "project" / f"{name}.py").write_text(text)
    (tones / "project" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tones))
    yield tones
    for name in [name for name in sys.modules if name.split(".")[0] == "project"]:
        del sys.modules[name]


def scratch_config(folder, prefix):
    return tones_config(
        folder,
        corpus={"name": f"{prefix}data", "folder": str(folder)},
        encoders={"loud": {"name": f"{prefix}encoder", "power": 1.0}, "text": {"name": "hashing"}},
        fusion={"name": f"{prefix}fusion"},
        workers=1,
    )


def test_code_of_a_scratch_project_runs_by_dotted_name(scratch):
    done = run(scratch_config(scratch, "project.my_"))
    assert set(done.predictions["part"]) == {"dev", "test"}
    assert done.experiment.encoders["loud"].options == {"power": 1.0}


def test_code_of_an_installed_package_runs_by_its_entry_point(scratch, monkeypatch):
    info = scratch / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    groups = {"datasets": "data", "encoders": "encoder", "fusion": "fusion"}
    lines = [
        f"[multimodal_ser.{kind}]\nmine_{name} = project.my_{name}" for kind, name in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    assert registry.outside("fusion") == {"mine_fusion": "project.my_fusion"}
    done = run(scratch_config(scratch, "mine_"))
    assert set(done.predictions["part"]) == {"dev", "test"}


def test_a_config_from_elsewhere_may_not_name_code(scratch):
    with pytest.raises(ConfigError, match=r"(?s)code from outside.*allow_code") as caught:
        check(scratch_config(scratch, "project.my_"), allow_code=False)
    assert str(caught.value).count("allow_code") == 3


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'log_mell'; did you mean log_mel"):
        registry.find("encoders", "log_mell")


def test_a_module_without_the_agreed_name_is_refused():
    with pytest.raises(ConfigError, match=r"'json.decoder' has no 'Encoder'"):
        registry.find("encoders", "json.decoder")


def test_a_dotted_name_that_cannot_be_imported_says_why():
    with pytest.raises(ConfigError, match=r"cannot import 'no_such.thing': No module named"):
        registry.find("fusion", "no_such.thing")


def test_the_signature_is_the_schema():
    def make(*, width: int, name: str = "x"):
        """A component."""

    schema = registry.schema(make)
    assert schema.model_validate({"width": "3"}).model_dump() == {"width": 3, "name": "x"}
    with pytest.raises(ValidationError, match=r"widht"):
        schema.model_validate({"width": 3, "widht": 4})


def test_every_file_is_listed_with_a_line_that_says_what_it_is():
    for kind in registry.KINDS:
        for name in registry.names(kind):
            line = registry.summary(kind, name)
            assert line.endswith("."), f"{kind}/{name}: {line}"
