"""Sentence embeddings of sentence-transformers, by hub name or folder: one vector a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders import _hf, _tokens, _weights
from multimodal_ser.types import ConfigError, Features, Input

_HEADS = ("config.json", "modules.json")  # of a transformer, or of a model of the library
_MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"


class Encoder(nn.Module):
    """The result of `SentenceTransformer.encode` with its default prompt: `[B, 1, D]`.

    normalize_embeddings: vectors of unit length, even where the model has no such step of its own.
    max_length in tokens; None is the model's own limit, which is often less than it could read. A
    plain transformer is averaged over its tokens, as the library does.
    """

    modality = "text"
    VERSION = 1
    VALUE_LIBRARIES = ("sentence-transformers", "transformers", "tokenizers", "torch")
    BATCH = (64, 3000)
    ACCELERATED = (256, 2**16)  # characters

    def __init__(
        self,
        *,
        model: str = _MULTILINGUAL,
        revision: str | None = None,
        normalize_embeddings: bool = False,
        max_length: Annotated[int, Field(gt=0)] | None = None,
    ) -> None:
        super().__init__()
        self.network = _load(model, revision)
        if max_length is not None:
            self.network.max_seq_length = _checked_length(model, self.network, max_length)
        self.max_length: int | None = self.network.max_seq_length
        self.normalize_embeddings = normalize_embeddings
        self.prompt: str | None = self.network.prompts.get(self.network.default_prompt_name)
        self.dim: int = self.network.get_embedding_dimension()
        self.constants = self._split(self._tokenize([_tokens.STAND_IN]))[1]

    @staticmethod
    def weights_hash(options: Mapping[str, Any]) -> str:
        """The hash of the weights that compute the features, whatever their path."""
        return _weights.of_model(options["model"], options["revision"])

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """Messages about what the user must fetch first, with the command that does it."""
        return _weights.missing(options["model"], options["revision"], _HEADS)

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """The token tensors `[B, T]` that the model takes, and present `[B]`."""
        texts, present = _tokens.texts_of(inputs)
        return {**self._split(self._tokenize(texts))[0], "present": present}

    def forward(self, present: Tensor, **tokens: Tensor) -> Features:
        x = self.network({**tokens, **self.constants})["sentence_embedding"].float()
        if self.normalize_embeddings:
            x = nn.functional.normalize(x, dim=1)
        return Features(x.unsqueeze(1), present.unsqueeze(1))

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """A remark for each text; it is not empty where the text is longer than the model reads."""
        max_tokens, tokenizer = self.max_length, self.network.tokenizer
        if max_tokens is None or not hasattr(self.network[0], "auto_model"):
            return [""] * len(inputs)
        texts = [(self.prompt or "") + text for text in _tokens.texts_of(inputs)[0]]
        return _tokens.truncated(tokenizer, texts, max_tokens)

    def _tokenize(self, texts: list[str]) -> dict[str, Any]:
        return self.network.preprocess(texts, prompt=self.prompt)

    @staticmethod
    def _split(tokens: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors of the texts, and the constants (the length of the prompt)."""
        tensors = {key: value for key, value in tokens.items() if isinstance(value, Tensor)}
        return tensors, {key: value for key, value in tokens.items() if key not in tensors}


def _load(name: str, revision: str | None) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        network = _hf.load(SentenceTransformer, name, revision, device="cpu")
    except ValueError as error:
        raise ConfigError(f"the model '{name}' cannot be loaded: {error}") from None
    return network.eval().requires_grad_(False)


def _checked_length(name: str, network: Any, max_length: int) -> int | None:
    if not hasattr(network[0], "auto_model"):
        raise ConfigError(f"max_length: '{name}' reads a text of any length; leave it out")
    return _tokens.longest(name, network.tokenizer, network[0].auto_model, max_length)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the mean of a random BERT, which this function writes."""
    _tokens.write_tiny(folder / "tiny-bert")
    return {"model": str(folder / "tiny-bert"), "normalize_embeddings": True}
