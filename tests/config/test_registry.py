"""Options read from source text, held against the signatures; and what a first look imports."""

import subprocess
import sys

import pytest

from multimodal_ser.config import registry
from multimodal_ser.config.messages import keys_of
from multimodal_ser.protocol import splits
from tests.helpers.command import ROOT

COMPONENTS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]
A_TYPO = """
import sys
from multimodal_ser.cli import app
from multimodal_ser.types import ConfigError

try:
    app(["run", "configs/demo.yaml", WORD])
except ConfigError as error:
    assert "did you mean" in str(error), error
    assert "values of options are looked at once every key and name is right" in str(error)
else:
    raise AssertionError("a typo was not seen")
heavy = {"torch", "pandas", "sklearn", "scipy", "librosa", "transformers"} & {*sys.modules}
assert not heavy, heavy
"""


def in_order(keys):
    return [(key, in_order(inner)) for key, inner in keys.items()]


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_options_in_the_source_text_are_those_of_the_signature(kind, name):
    signature = registry.schema(registry.find(kind, name)).model_json_schema()
    assert in_order(registry.options(kind, name)) == in_order(keys_of(signature))


@pytest.mark.parametrize("name", splits.names())
def test_options_of_a_protocol_too(name):
    signature = registry.schema(splits.find(name)).model_json_schema()
    assert in_order(registry.options("protocol", name)) == in_order(keys_of(signature))


def test_a_component_of_the_users_is_not_read():
    assert registry.options("encoders", "my_package.my_encoder") is None


@pytest.mark.parametrize(
    "word",
    ["learner.optimizer.lrr=1", "fusion.name=conct", "protocol.name=kfodl", "seedz=1"],
)
def test_a_misspelt_key_or_name_is_told_before_anything_heavy_is_imported(word):
    code = A_TYPO.replace("WORD", repr(word))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
