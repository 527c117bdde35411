"""The shape of the house: eleven packages in order, imports that point down, small files."""

import ast
import re
import statistics
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "multimodal_ser"
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TOP = ["types", "files", "parallel", "distributed"]
ROOMS = [
    "corpus", "evaluation", "protocol", "config", "features", "training", "runs", "studies",
    "inference", "report", "cli",
]  # fmt: skip
ORDER = [*TOP, *ROOMS]
SHELVES = {
    "corpus.datasets": {
        "types", "corpus.audio", "corpus.corpus", "corpus.tables", "corpus.validation",
    },
    "features.asr": {"types", "files", "corpus.audio"},
    "features.augment": {"types", "files", "corpus.audio", "features.batches"},
    "features.encoders": {"types", "files", "corpus.audio", "features.pooling"},
    "training.fusion": {"types", "features.pooling"},
    "training.learners": {
        "types", "distributed", "evaluation.metrics", "features.batches", "training.losses",
        "training.checkpoint_head",
    },
}  # fmt: skip
"""Shelf of components → all that a component on it may import, beside its private neighbours."""
MOST_FILES = 12  # a folder, beside the components on a shelf
MOST_LINES = 400


def tree(name):
    return ast.parse(FILES[name].read_text("utf-8"))


def imported(name):
    """The files of the package that a file imports, also inside functions and for typing."""
    targets = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("multimodal_ser"):
            inner = node.module.removeprefix("multimodal_ser").removeprefix(".")
            for alias in node.names:
                full = f"{inner}.{alias.name}".removeprefix(".")
                targets.add(full if full in FILES else inner)
        if isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            targets |= {
                module.removeprefix("multimodal_ser.")
                for module in names
                if module.startswith("multimodal_ser.")
            }
    return {f"{target}.__init__" if target in FOLDERS else target for target in targets} - {""}


FOLDERS = {name.removesuffix(".__init__") for name in FILES if name.endswith(".__init__")}


def room(name):
    return name.split(".")[0]


def folder(name):
    return name.rpartition(".")[0]


def functions():
    for name in FILES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}.{node.name}", node.end_lineno - node.lineno + 1


INNER = [name for name in FILES if name not in ("__init__", "__main__")]


def test_the_house_has_eleven_rooms_and_four_files_beside_them():
    assert {room(name) for name in INNER} == set(ORDER)
    assert {name for name in INNER if "." not in name} == set(TOP)


@pytest.mark.parametrize("name", INNER)
def test_imports_point_down(name):
    mine = ORDER.index(room(name))
    for other in imported(name):
        theirs = ORDER.index(room(other))
        assert theirs < mine or (theirs == mine and "." in name), f"{name} imports {other}"


def test_no_file_imports_itself_round_about():
    """Leaves are taken away until none is left; what remains then goes round in a circle."""
    graph = {name: imported(name) & set(INNER) - {name} for name in INNER}
    while leaves := {name for name, others in graph.items() if not others}:
        graph = {name: others - leaves for name, others in graph.items() if name not in leaves}
    assert graph == {}


@pytest.mark.parametrize("name", [name for name in INNER if folder(name) in SHELVES])
def test_components_know_neither_each_other_nor_the_config(name):
    for other in imported(name):
        private = folder(other) == folder(name) and other.split(".")[-1].startswith("_")
        assert private or other in SHELVES[folder(name)], f"{name} imports {other}"


@pytest.mark.parametrize("name", INNER)
def test_no_file_reaches_into_the_private_names_of_another_folder(name):
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("multimodal_ser."):
            names = [alias.name for alias in node.names if alias.name != "__version__"]
            inner = node.module.removeprefix("multimodal_ser.")
            private = [word for word in (*names, *inner.split(".")) if word.startswith("_")]
            theirs = inner if inner in FOLDERS else folder(inner)
            assert not private or theirs == folder(name), f"{name} takes {private} of {inner}"


@pytest.mark.parametrize("name", ROOMS)
def test_every_room_says_what_it_is_and_its_contract_is_there(name):
    """Whatever its paragraph calls by `file.name` exists."""
    paragraph = ast.get_docstring(tree(f"{name}.__init__")) or ""
    assert len(paragraph.split()) >= 40
    named = re.findall(r"`([a-z_.]+)\.([A-Za-z_]\w*)`", paragraph)
    assert named
    for file, what in named:
        assert hasattr(import_module(f"multimodal_ser.{name}.{file}"), what), f"{file}.{what}"


def test_only_audio_opens_sound():
    users = [name for name in FILES if "soundfile" in FILES[name].read_text("utf-8")]
    assert set(users) <= {"corpus.audio", "runs.folder"}, "runs.folder only names its version"


def test_folders_files_and_functions_stay_small():
    for home in {folder(name) for name in INNER} - set(SHELVES):
        inside = [name for name in INNER if folder(name) == home and not name.endswith("__init__")]
        assert len(inside) <= MOST_FILES, home
    long = {name for name in FILES if len(FILES[name].read_text().splitlines()) > MOST_LINES}
    assert not long
    sizes = dict(functions())
    assert statistics.median(sizes.values()) <= 12
    assert sum(size <= 35 for size in sizes.values()) >= 0.9 * len(sizes)
    assert {name for name, size in sizes.items() if size > 60} == set()


def test_nothing_can_run_code_from_a_file_and_no_failure_is_swallowed():
    for name in FILES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                assert caught not in ("everything", "Exception", "BaseException"), name
            if isinstance(node, ast.Call):
                called = ast.unparse(node)
                assert not called.startswith(("yaml.load(", "eval(", "exec(")), f"{name}: {called}"
                unsafe = called.startswith("torch.load(") and "weights_only=True" not in called
                assert not unsafe, f"{name}: {called}"


@pytest.mark.parametrize(
    "word", ["pickle", "trust_remote_code", "torchaudio", "torchcodec", "joblib.load"]
)
def test_a_word_that_must_not_be_there_is_not(word):
    assert [name for name in FILES if word in FILES[name].read_text("utf-8")] == []


def test_no_file_is_named_for_nothing():
    vague = {"utils", "helpers", "base", "core", "common", "misc"}
    assert not vague & {part for name in FILES for part in name.split(".")}


def test_help_needs_neither_torch_nor_pandas():
    code = (
        "import sys\nfrom multimodal_ser.cli import app\n"
        "heavy = {'torch', 'pandas', 'numpy', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_shows_its_verbs_and_imports_none_of_them_before_it_is_used():
    code = (
        "import sys\nimport multimodal_ser as mser\n"
        "assert dir(mser) == ['__version__', 'compare', 'load', 'run'], dir(mser)\n"
        "assert not {'numpy', 'pandas', 'torch', 'yaml'} & set(sys.modules)\n"
        "import multimodal_ser.runs.run\n"
        "assert mser.run is multimodal_ser.runs.run.run"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
