"""What is on this machine, and what an experiment still needs: looked up, never fetched.

Nothing is decoded, no weights are read and no network is touched, so the answer is there at once,
also for a corpus of hours and a model of gigabytes.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from multimodal_ser.config import registry
from multimodal_ser.corpus.corpus import About, data_root
from multimodal_ser.features.extraction import find_device
from multimodal_ser.features.store import default_root
from multimodal_ser.parallel import cores
from multimodal_ser.types import ConfigError, DataError, MissingError, MserError

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Experiment, Part

_PACKAGE = "multimodal_ser"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. code: 0, or what a run that misses it would exit with."""

    what: str
    detail: str
    code: int = 0


def exit_code(findings: Sequence[Finding]) -> int:
    """The lowest exit code: a mistake in the config counts before what is missing."""
    return min((finding.code for finding in findings if finding.code), default=0)


def machine() -> list[Finding]:
    """The versions of Python and of every library that the package requires, device and cores."""
    return [
        Finding("Python", platform.python_version()),
        *_libraries(),
        Finding("device", _device()),
        Finding("cores", str(cores())),
    ]


def _libraries() -> Iterator[Finding]:
    for name in _required(None):
        installed = _version(name)
        if installed is None:
            lacking = f"not installed: pip install {name}"
            yield Finding(name, lacking, MissingError.exit_code)
        else:
            yield Finding(name, installed)


def _device() -> str:
    """What `device: auto` takes, and the memory of a CUDA card."""
    place = find_device()
    if place.type != "cuda":
        return place.type
    card = torch.cuda.get_device_properties(place)
    return f"cuda: {card.name}, {gibibytes(card.total_memory)}"


def extras() -> list[Finding]:
    """Each extra that the package announces: installed, or the command that does it."""
    try:
        names = metadata(_PACKAGE).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return [Finding("extras", "not known: the package itself is not installed (pip install .)")]
    return [Finding(name, _extra(name)) for name in names]


def _extra(name: str) -> str:
    lacking = [library for library in _required(name) if _version(library) is None]
    if not lacking:
        return "installed"
    what = "" if len(lacking) == len(_required(name)) else f" ({', '.join(lacking)})"
    return f"not installed{what}: pip install '{_PACKAGE}[{name}]'"


def _required(extra: str | None) -> list[str]:
    """The libraries that the package's metadata asks for, at all times or for one extra."""
    try:
        lines = requires(_PACKAGE) or []
    except PackageNotFoundError:
        return []
    libraries = []
    for line in lines:
        wanted, _, marker = line.partition(";")
        for_extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", marker)
        if (for_extra and for_extra[1]) == extra:
            libraries.append(re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0])
    return libraries


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def places(cache: Path | None = None) -> list[Finding]:
    """The folder of features and transcripts, and the one under which corpora lie."""
    root, data = cache or default_root(), data_root("")
    used = sum(size_of(path) for path in root.rglob("*"))
    variable = os.environ.get("MSER_DATA")
    setting = f"MSER_DATA={variable}" if variable else "MSER_DATA is not set"
    state = "" if data.is_dir() else "is no folder: only the bundled corpus can be loaded "
    return [
        Finding("cache", f"{root} holds {gibibytes(used)}, {gibibytes(free(root))} are free"),
        Finding("data", f"{data} {state}({setting})"),
    ]


def size_of(path: Path) -> int:
    """Bytes of a file; 0 for a folder, and for what another process has just removed."""
    try:
        return 0 if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


def free(folder: Path) -> int:
    """Bytes that are free where the folder is or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def gibibytes(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def needs(experiment: Experiment) -> list[Finding]:
    """The corpora, weights, recogniser and device that a config names, each there or missing."""
    findings = [_corpus(part) for part in experiment.corpus]
    for key, part in experiment.encoders.items():
        findings += _component("encoders", f"encoders.{key}", part)
        if part.trainable == "lora" and _version("peft") is None:
            way = "trainable: lora needs peft: pip install 'multimodal_ser[peft]'"
            findings.append(Finding(f"encoders.{key}", way, MissingError.exit_code))
    if experiment.asr is not None and experiment.text_source != "reference":
        findings += _component("asr", "asr", experiment.asr)
    try:
        findings.append(Finding("device", find_device(experiment.device).type))
    except ConfigError as error:
        findings.append(Finding("device", str(error), error.exit_code))
    return findings


def _corpus(part: Part) -> Finding:
    """Whether a corpus can be loaded. No sound is opened but the headers of doubtful files.

    A corpus that cannot be loaded counts as missing, whatever is wrong, and its home is named.
    """
    what = f"corpus {part.name}"
    try:
        corpus = registry.build("datasets", part.name, part.options)
    except (DataError, MissingError) as error:
        about = getattr(registry.module("datasets", part.name), "ABOUT", None)
        home = about.home if isinstance(about, About) else ""
        home_is_named = "://" not in home or home in str(error)
        return Finding(
            what,
            f"{error}" if home_is_named else f"{error}\nIt is at {home}",
            MissingError.exit_code,
        )
    dropped = "".join(f", {count} dropped: {why}" for why, count in corpus.dropped.items())
    return Finding(what, f"{len(corpus)} utterances under {corpus.root}{dropped}")


def _component(kind: str, what: str, part: Part) -> list[Finding]:
    """What is missing for a component, by its own account."""
    try:
        lacking = missing(kind, part.name, part.options)
    except MserError as error:
        return [Finding(what, f"{part.name}: {error}", error.exit_code)]
    if lacking:
        return [Finding(what, line, MissingError.exit_code) for line in lacking]
    named = [part.options.get(key) for key in ("model", "file")]
    weights = [f" ({name})" for name in named if name is not None]
    return [Finding(what, part.name + "".join(weights))]


def missing(kind: str, name: str, options: Mapping[str, Any]) -> list[str]:
    """What must be fetched before a component can be built, with the command or the place."""
    return registry.find(kind, name).missing(options)
