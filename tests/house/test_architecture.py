"""The shape of the house: imports point down, files and functions stay small, nothing is unsafe."""

import ast
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "multimodal_ser"
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
LAYERS = [
    "types",
    "weights word_errors dotted search.domains presence known_corpora",
    "audio pooling losses metrics clusters near_duplicates statistics cache components",
    "label_sets proofs search.space search.storage",
    "engines.local engines.together outputs predictions merging search.studies",
    "validation mistakes texts leaks contents roster learned_merging sections search.workers",
    "corpus batches model_folder splits experiment target search.reading",
    "model members disagreement",
    "datasets asr augment encoders fusion learners label_maps targets balance joined",
    "augmentation own_head expected emotion_space text_changes",
    "ways",
    "contradictions search.checking",
    "config probes extraction evaluation",
    "assembly audit features live copies",
    "transcripts material contrast",
    "trained",
    "training",
    "preparation estimates outlook",
    "sealing",
    "run_folder explore submission doctor",
    "run questions",
    "search.trials search.claims",
    "search.tables",
    "search.tuning",
    "comparison",
    "compare side_by_side ensemble score report predictor dry_run",
    "ensemble_predictor",
    "predict",
    "stress",
    "cli",
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
MAY_IMPORT = {
    "datasets": {"types", "audio", "corpus", "validation"},
    "asr": {"types", "audio", "weights"},
    "augment": {"types", "audio", "batches", "weights"},
    "encoders": {"types", "audio", "pooling", "losses", "weights"},
    "fusion": {"types", "pooling"},
    "learners": {"types", "losses", "metrics", "batches", "engines"},
}


def tree(name):
    return ast.parse(FILES[name].read_text("utf-8"))


def imported(name):
    """The package's modules that a module imports, also inside functions and for typing."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("multimodal_ser"):
            inner = node.module.removeprefix("multimodal_ser").removeprefix(".")
            for alias in node.names:
                full = f"{inner}.{alias.name}".removeprefix(".")
                found.add(full if full in FILES else inner)
        if isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            found |= {
                one.removeprefix("multimodal_ser.") for one in names if "multimodal_ser." in one
            }
    return found - {""}


def layer(name):
    return RANK[name if name in RANK else home(name)]


def home(name):
    return name.split(".")[0]


def functions():
    for name in FILES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}.{node.name}", node.end_lineno - node.lineno + 1


ROOTS = ("__init__", "__main__")


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(ROOTS)])
def test_imports_point_down(name):
    for other in imported(name):
        neighbours = home(other) == home(name) and other.split(".")[-1].startswith("_")
        same_house = home(name) == home(other) and home(name) in ("cli", "report")
        assert neighbours or same_house or layer(other) < layer(name), f"{name} imports {other}"


@pytest.mark.parametrize("name", [name for name in FILES if home(name) in MAY_IMPORT])
def test_components_know_neither_each_other_nor_the_config(name):
    for other in imported(name):
        private = home(other) == home(name) and other.split(".")[-1].startswith("_")
        assert private or home(other) in MAY_IMPORT[home(name)], f"{name} imports {other}"


def test_only_audio_opens_sound():
    users = [name for name in FILES if "soundfile" in FILES[name].read_text("utf-8")]
    assert set(users) <= {"audio", "run_folder"}, "run_folder only names its version"


def test_files_and_functions_stay_small():
    long = {name: path for name, path in FILES.items() if len(path.read_text().splitlines()) > 300}
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


def test_no_module_is_named_for_nothing():
    vague = {"utils", "helpers", "base", "core", "registry", "common", "misc"}
    assert not vague & {part for name in FILES for part in name.split(".")}


def seconds(*words):
    """The best of three, because the machine may be busy."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def test_help_answers_at_once_without_torch_or_pandas():
    code = (
        "import sys\nfrom multimodal_ser.cli import app\n"
        "heavy = {'torch', 'pandas', 'numpy', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert seconds("-m", "multimodal_ser", "--help") <= 0.4


def test_importing_the_package_is_instant():
    bare = seconds("-c", "pass")
    assert seconds("-c", "import multimodal_ser") - bare <= 0.15
