"""What the Hugging Face encoders share: they load models and count layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn.utils import parametrize

from multimodal_ser.types import ConfigError, MissingError

Layer = int | Literal["last", "weighted"]


def layer_index(layer: Layer, count: int) -> int | None:
    """The index among `count` hidden states (0: the input of the first layer); None means all."""
    if layer == "weighted":
        return None
    index = count - 1 if layer == "last" else layer
    if not -count <= index < count:
        raise ConfigError(f"layer {layer} is not there: {-count} … {count - 1}, last or weighted")
    return index % count


def stored_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the stored features.

    Pooled features are stored for every layer; an attention pool stores frames.
    """
    if options["pool"] == "attention":
        return {**options, "pool": "none"}
    return dict(options) if options["pool"] == "none" else {**options, "layer": "weighted"}


def load_config(name: str, revision: str | None = None) -> Any:
    """The configuration of a model that transformers implements; code from a hub is never run."""
    from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

    values, _ = load(PreTrainedConfig.get_config_dict, name, revision)
    if not values:
        raise MissingError(f"'{name}' holds no config.json, so it is no folder of a model")
    kind = values.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise ConfigError(f"'{name}' is a model of type '{kind}', which transformers does not know")
    return load(AutoConfig.from_pretrained, name, revision)


def load_model(
    name: str,
    revision: str | None,
    config: Any,
    may_lack: Sequence[str] = (),
    kind: Any = "AutoModel",
) -> nn.Module:
    """The frozen float32 model in eval mode; kind: the class that loads it, or its name.

    Weights that the checkpoint does not hold would be random, so they raise a MissingError. The
    exception is weights whose names start with one of `may_lack`: the encoder does not use them.
    """
    import transformers

    model, report = load(
        (getattr(transformers, kind) if isinstance(kind, str) else kind).from_pretrained,
        name,
        revision,
        config=config,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    lacking = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    random = sorted(key for key in lacking if not key.startswith(tuple(may_lack)))
    if random:
        raise MissingError(
            f"the checkpoint of '{name}' lacks {len(random)} weights that its config.json asks "
            f"for, such as {random[0]}; choose a checkpoint of the whole model"
        )
    return model.eval().requires_grad_(False)


def lighten(network: nn.Module, half: torch.dtype | None) -> None:
    """Do once what a frozen model would repeat in every call; the results are the same bits.

    A weight norm is folded into its weight. Where the model runs under autocast to `half`, the
    weights that autocast would cast are cast now.
    """
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # pyright: ignore[reportArgumentType]
                parametrize.remove_parametrizations(module, name)
        if half is not None and isinstance(module, nn.Linear | nn.Conv1d):
            module.to(half)


def load(loader: Callable[..., Any], name: str, revision: str | None, **options: Any) -> Any:
    """The result of a `from_pretrained`; MissingError, with the way to get it, if it is absent."""
    with quiet():
        try:
            return loader(name, revision=revision or "main", **options)
        except (OSError, SafetensorError) as error:  # OSError: also a name that no hub allows
            raise MissingError(_way_out(name, revision, str(error))) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the notes and the progress bar of loading weights; show the bar of a download."""
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging

    level, bar, hub_bar = (
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
        not are_progress_bars_disabled(),
    )
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if hub_bar:
        enable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _way_out(name: str, revision: str | None, reason: str) -> str:
    reason = reason.partition("\n")[0]
    if Path(name).is_dir():
        return f"the folder '{name}' cannot be loaded: {reason}"
    return (
        f"the model '{name}' is not on this machine and cannot be fetched: {reason} "
        f"Give a folder, or fetch it where there is a network: {download(name, revision)}"
    )


def download(name: str, revision: str | None) -> str:
    """The command that fetches a model of a hub."""
    return f"hf download {name}" + (f" --revision {revision}" if revision else "")
