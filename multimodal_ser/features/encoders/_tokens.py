"""What the pre-trained text encoders share: loading, tokens and groups of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from multimodal_ser.features.encoders import _hf
from multimodal_ser.types import ConfigError, Input, MissingError

STAND_IN = "."  # replaces a missing text before the tokenizer; the row is masked
_TOKENS = 16384  # in one call of a model, padding included
_TOKENS_CPU = 512  # more is not faster on a CPU
_ENDLESS = 1_000_000  # tokenizers write "no limit" as a far larger number


def load(name: str, revision: str | None, kind: str = "AutoModel") -> tuple[Any, Any]:
    """A tokenizer and the float32 network that reads its tokens.

    kind: the class of transformers that loads the network; only some classes include a head. From
    an encoder-decoder without a head, only the encoder is returned.
    """
    config = _hf.load_config(name, revision)
    if kind == "AutoModel":
        unused = ["pooler.", "decoder."] if config.is_encoder_decoder else ["pooler."]
        network: Any = _hf.load_model(name, revision, config, unused)
        network = network.get_encoder() if config.is_encoder_decoder else network
    else:
        network = _hf.load_model(name, revision, config, kind=kind)
    tokenizer = _load_tokenizer(name, revision)
    _check_vocabulary(name, tokenizer, network)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    return tokenizer, network


def longest(name: str, tokenizer: Any, network: Any, max_length: int | None) -> int | None:
    """The highest number of tokens of a text; None means no limit.

    It is `max_length` if that is given, and else the model's own limit. RoBERTa counts positions
    from the one after the padding's position, so it cannot use two of its 514 positions.
    """
    tables = [
        module
        for path, module in network.named_modules()
        if path.endswith("position_embeddings") and isinstance(module, nn.Embedding)
    ]
    unused = [0 if table.padding_idx is None else table.padding_idx + 1 for table in tables]
    rows = [table.num_embeddings - count for table, count in zip(tables, unused, strict=True)]
    positions = getattr(network.config, "max_position_embeddings", None) or 0
    limits = [*rows, *([positions] if positions > 0 else [])]
    if max_length is None:
        finite = [limit for limit in (*limits, tokenizer.model_max_length) if limit < _ENDLESS]
        return min(finite, default=None)
    lowest = tokenizer.num_special_tokens_to_add() + 1
    highest = min(limits, default=_ENDLESS)
    if not lowest <= max_length <= highest:
        raise ConfigError(
            f"max_length: {max_length} is outside {lowest} … {highest}, which '{name}' takes"
        )
    return max_length


def texts_of(inputs: Sequence[Input]) -> tuple[list[str], torch.Tensor]:
    """The texts, and present `[B]`; a missing or blank text is replaced by STAND_IN."""
    texts = [
        utterance.text if utterance.text and not utterance.text.isspace() else None
        for utterance in inputs
    ]
    return [text or STAND_IN for text in texts], torch.tensor([text is not None for text in texts])


def prepared(
    tokenizer: Any, inputs: Sequence[Input], max_length: int | None, takes: set[str]
) -> dict[str, torch.Tensor]:
    """The token tensors `[B, T]` that a network takes, padded at the right; present `[B]`."""
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
    """Groups of rows of similar length, and the greatest length of each group.

    A group is small enough for one call of the model.
    """
    limit = _TOKENS_CPU if device.type == "cpu" else _TOKENS
    groups: list[tuple[list[int], int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        rows = groups[-1][0] if groups else []
        if not rows or (len(rows) + 1) * lengths[row] > limit:
            groups.append(([row], lengths[row]))
        else:
            groups[-1] = ([*rows, row], lengths[row])
    return groups


def truncated(tokenizer: Any, texts: list[str], max_tokens: int) -> list[str]:
    """A remark for each text; it is empty where the model reads the whole text."""
    counts = [len(ids) for ids in tokenizer(texts, truncation=False, verbose=False)["input_ids"]]
    return [f"truncated to {max_tokens} tokens" if count > max_tokens else "" for count in counts]


def _load_tokenizer(name: str, revision: str | None) -> Any:
    from transformers import AutoTokenizer

    try:
        return _hf.load(AutoTokenizer.from_pretrained, name, revision)
    except ImportError as error:
        raise MissingError(f"the tokenizer of '{name}' needs another package: {error}") from None
    except ValueError as error:
        raise ConfigError(f"the tokenizer of '{name}' cannot be loaded: {error}") from None


def _check_vocabulary(name: str, tokenizer: Any, network: Any) -> None:
    """Raise a ConfigError where the tokenizer cannot belong to the model.

    The tokens of another tokenizer have no meaning for the model, or the model lacks them.
    """
    rows, words = network.get_input_embeddings().num_embeddings, len(tokenizer)
    if words > rows:
        raise ConfigError(
            f"the tokenizer of '{name}' knows {words} tokens and its model {rows}: they do not "
            "belong together"
        )
    if words < rows / 2:
        raise ConfigError(
            f"the tokenizer of '{name}' knows {words} tokens of the model's {rows}: its vocabulary "
            "is not there (is tokenizer.json or vocab.txt missing?)"
        )


def write_tiny(folder: Path, labels: Sequence[str] = ()) -> None:
    """Write a random BERT of 32 dimensions and two layers, whose vocabulary is the letters.

    labels: if given, the model has a head with these labels.
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
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = BertForSequenceClassification if labels else BertModel
        kind(config).save_pretrained(folder)
