"""Where a Whisper checkpoint lies, what it is, and how to get one."""

from __future__ import annotations

import difflib
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

from multimodal_ser.files import file_hash
from multimodal_ser.types import ConfigError, MissingError


def load(name: str) -> Any:
    """The model on the CPU in eval mode; one of Whisper's own models is fetched first."""
    import whisper

    path = _place(name)
    own = name in whisper.available_models()
    if not own and not zipfile.is_zipfile(path):
        raise ConfigError(f"model: {path} is no checkpoint of Whisper (torch.save writes one)")
    try:
        if not own and get_unsafe_globals_in_checkpoint(str(path)):
            raise TypeError("it holds more than numbers")
        model = whisper.load_model(
            name if own else str(path), device="cpu", download_root=str(path.parent)
        )
    except OSError as error:  # a name that cannot be fetched
        raise MissingError(f"{_way_out(name)}: {error}") from None
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"model: {path} cannot be loaded as a Whisper: {error}") from None
    return model.eval().requires_grad_(False)


def weights_hash(name: str) -> str:
    """A hash of the bytes of the checkpoint."""
    path = _place(name)
    if not path.exists():
        load(name)
    return file_hash(path)


def missing(name: str) -> list[str]:
    """What must be fetched, and how; empty if nothing. ConfigError for an unknown name."""
    return [] if _place(name).exists() else [_way_out(name)]


def _place(name: str) -> Path:
    """The checkpoint's file; one of Whisper's own may not be there yet."""
    import whisper

    own: dict[str, str] = vars(whisper)["_MODELS"]
    if name in own:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return home / "whisper" / Path(own[name]).name
    path = Path(name)
    if path.is_dir():
        files = sorted(path.glob("*.pt"))
        if len(files) != 1:
            raise ConfigError(f"model: the folder {path} holds {len(files)} files .pt, not one")
        return files[0]
    if not path.is_file():
        near = difflib.get_close_matches(name, own, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"model: '{name}' is no file, folder or name of Whisper{hint} ({', '.join(own)})"
        )
    return path


def _way_out(name: str) -> str:
    command = f"python -c \"import whisper; whisper.load_model('{name}')\""
    return (
        f"the Whisper model '{name}' is not on this machine: give the path of its .pt, or fetch it "
        f"where there is a network: {command}"
    )


def write_tiny(path: Path, *, seed: int = 0, text_context: int = 32) -> Path:
    """Write a random Whisper of 32 dimensions, which writes up to half of `text_context` tokens.

    The sound counts more in it than the tokens before, so its texts differ from clip to clip and do
    not repeat one token for ever.
    """
    from whisper.model import ModelDimensions, Whisper

    dims = ModelDimensions(80, 1500, 32, 2, 1, 51865, text_context, 32, 2, 1)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = Whisper(dims)
        for name, weights in model.named_parameters():
            if "conv" in name or "cross_attn." in name:
                weights.mul_(6.0)
        model.decoder.token_embedding.weight.mul_(0.1)
        torch.nn.init.normal_(model.decoder.positional_embedding)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, path)
    return path
