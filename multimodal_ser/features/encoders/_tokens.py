"""What the pre-trained text encoders share: loading by name or folder, tokenizers that fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from multimodal_ser.features.encoders import _hf
from multimodal_ser.types import ConfigError, Input, MissingError

STAND_IN = "."  # what is tokenised where a text is missing; its row is masked
_TOKENS = 16384  # in one call of a model once padded, padding included
_TOKENS_CPU = 512  # more is no faster there
_ENDLESS = 1_000_000  # tokenizers say "no limit" by a far larger number


def load(name: str, revision: str | None, kind: str = "AutoModel") -> tuple[Any, Any]:
    """A tokenizer and the network that reads its tokens, in float32.

    kind: the class of transformers that loads it, without a head unless that has one. An
    encoder-decoder without a head gives its encoder alone.
    """
    config = _hf.load_config(name, revision)
    if kind == "AutoModel":
        unused = ["pooler.", "decoder."] if config.is_encoder_decoder else ["pooler."]
        network: Any = _hf.load_model(name, revision, config, unused)
        network = network.get_encoder() if config.is_encoder_decoder else network
    else:
        network = _hf.load_model(name, revision, config, kind=kind)
    tokenizer = _load_tokenizer(name, revision)
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


def texts_of(inputs: Sequence[Input]) -> tuple[list[str], torch.Tensor]:
    """The texts with a stand-in where one is missing or blank, and which are there `[B]`."""
    found = [one.text if one.text and not one.text.isspace() else None for one in inputs]
    return [one or STAND_IN for one in found], torch.tensor([one is not None for one in found])


def prepared(
    tokenizer: Any, inputs: Sequence[Input], max_length: int | None, takes: set[str]
) -> dict[str, torch.Tensor]:
    """What a network takes of the tokens `[B, T]`, padded at the right; present `[B]`."""
    texts, present = texts_of(inputs)
    tokens = tokenizer(
        texts,
        padding=True,
        truncation=max_length is not None,
        max_length=max_length,
        return_tensors="pt",
    )
    return {key: tokens[key] for key in tokens if key in takes} | {"present": present}


def alike(lengths: Sequence[int], device: torch.device) -> list[tuple[list[int], int]]:
    """Rows in groups of like length, few enough to be run at once, and the longest of each."""
    budget = _TOKENS_CPU if device.type == "cpu" else _TOKENS
    groups: list[tuple[list[int], int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        rows = groups[-1][0] if groups else []
        if not rows or (len(rows) + 1) * lengths[row] > budget:
            groups.append(([row], lengths[row]))
        else:
            groups[-1] = ([*rows, row], lengths[row])
    return groups


def truncated(tokenizer: Any, texts: list[str], most: int) -> list[str]:
    """A remark for each text that has more tokens than the model reads."""
    counts = [len(one) for one in tokenizer(texts, truncation=False, verbose=False)["input_ids"]]
    return [f"truncated to {most} tokens" if count > most else "" for count in counts]


def _load_tokenizer(name: str, revision: str | None) -> Any:
    from transformers import AutoTokenizer

    try:
        return _hf.load(AutoTokenizer.from_pretrained, name, revision)
    except ImportError as error:
        raise MissingError(f"the tokenizer of '{name}' needs another package: {error}") from None
    except ValueError as error:
        raise ConfigError(f"the tokenizer of '{name}' cannot be loaded: {error}") from None


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


def write_tiny(folder: Path, labels: Sequence[str] = ()) -> None:
    """A random BERT of 32 dimensions and two layers, whose words are the letters.

    labels: those of the head that it then has.
    """
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertModel,
        BertTokenizer,
    )

    letters = "abcdefghijklmnopqrstuvwxyzáéíñóúü"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ","]
    words = [*special, *letters, *(f"##{letter}" for letter in letters)]
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    if labels:
        config.id2label = dict(enumerate(labels))
    BertTokenizer(vocab={word: at for at, word in enumerate(words)}).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = BertForSequenceClassification if labels else BertModel
        kind(config).save_pretrained(folder)
