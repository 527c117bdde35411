"""What the pre-trained text encoders share: loading by name or folder, tokenizers that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from multimodal_ser.types import ConfigError, Input, MissingError, listed

STAND_IN = "."  # what is tokenised where a text is missing; its row is masked
_ENDLESS = 1_000_000  # tokenizers say "no limit" by a far larger number
_UNUSED = re.compile(r"(^|\.)(pooler|cls|lm_head|classifier|qa_outputs)\.")


@contextmanager
def loading(name: str, revision: str | None) -> Iterator[None]:
    """Say in one line why a model cannot be loaded; no tables and bars of the library."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except OSError as error:
        raise MissingError(_way_to_get(name, revision, str(error))) from None
    except ImportError as error:
        raise MissingError(f"'{name}' needs another package: {error}") from None
    except (ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"the model '{name}' cannot be loaded: {error}") from None
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load(name: str, revision: str | None) -> tuple[Any, Any]:
    """A tokenizer and the network that turns its tokens into hidden states, in float32.

    An encoder-decoder gives its encoder alone.
    """
    from transformers import AutoModel, AutoTokenizer

    source: dict[str, Any] = {"trust_remote_code": False}
    if revision is not None:
        source["revision"] = revision
    with loading(name, revision):
        tokenizer = AutoTokenizer.from_pretrained(name, **source)
        network, info = AutoModel.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True, **source
        )
    whole = not network.config.is_encoder_decoder
    _refuse_random(name, [*info["missing_keys"]], whole)
    network = network if whole else network.get_encoder()
    _refuse_strangers(name, tokenizer, network)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    return tokenizer, network


def longest(name: str, tokenizer: Any, network: Any, wanted: int | None) -> int | None:
    """How many tokens a text may have: as wanted, else all that the model can; None: any number.

    RoBERTa counts its positions from behind the one of the padding, so two of its 514 are no use.
    """
    tables = [
        module
        for place, module in network.named_modules()
        if place.endswith("position_embeddings") and isinstance(module, nn.Embedding)
    ]
    used = [0 if table.padding_idx is None else table.padding_idx + 1 for table in tables]
    rows = [table.num_embeddings - lost for table, lost in zip(tables, used, strict=True)]
    stated = getattr(network.config, "max_position_embeddings", None) or 0
    limits = [*rows, *([stated] if stated > 0 else [])]
    if wanted is None:
        known = [one for one in (*limits, tokenizer.model_max_length) if one < _ENDLESS]
        return min(known, default=None)
    least = tokenizer.num_special_tokens_to_add() + 1
    most = min(limits, default=_ENDLESS)
    if not least <= wanted <= most:
        raise ConfigError(f"max_length: {wanted} is outside {least} … {most}, which '{name}' takes")
    return wanted


def texts_of(inputs: list[Input]) -> tuple[list[str], torch.Tensor]:
    """The texts with a stand-in where one is missing or blank, and which are there `[B]`."""
    found = [one.text if one.text and not one.text.isspace() else None for one in inputs]
    return [one or STAND_IN for one in found], torch.tensor([one is not None for one in found])


def _way_to_get(name: str, revision: str | None, why: str) -> str:
    if Path(name).is_dir():
        return f"the folder '{name}' holds no complete model: {why.splitlines()[0]}"
    at = "" if revision is None else f" --revision {revision}"
    return (
        f"the model '{name}'{at} is neither a folder nor among the downloaded ones, and the hub "
        f"gave none; on a machine with network: hf download {name}{at}"
    )


def _refuse_random(name: str, missing: list[str], whole: bool) -> None:
    """Weights that are not in the checkpoint are random: only unused ones may be."""
    random = sorted(
        key
        for key in missing
        if not _UNUSED.search(key) and (whole or not key.startswith("decoder."))
    )
    if random:
        raise ConfigError(
            listed(random, f"weights are not in the checkpoint of '{name}' and would be random")
        )


def _refuse_strangers(name: str, tokenizer: Any, network: Any) -> None:
    """A tokenizer that is not the model's gives tokens that mean nothing, or that are not there."""
    rows, known = network.get_input_embeddings().num_embeddings, len(tokenizer)
    if known > rows:
        raise ConfigError(
            f"the tokenizer of '{name}' knows {known} tokens and its model {rows}: they do not "
            "belong together"
        )
    if known < rows / 2:
        raise ConfigError(
            f"the tokenizer of '{name}' knows {known} tokens of the model's {rows}: its vocabulary "
            "is not there (is tokenizer.json or vocab.txt missing?)"
        )
