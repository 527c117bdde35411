"""Tiny random weights in the place of those of a hub: the same architecture, hidden 32 or less."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

from multimodal_ser.features.asr import _checkpoints
from multimodal_ser.features.encoders import _tokens

LETTERS = "abcdefghijklmnopqrstuvwxyzáéíóúñü.,'"
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
BASE = {"do_stable_layer_norm": False, "feat_extract_norm": "group"}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}


def bert(folder: Path) -> None:
    _tokens.write_tiny(folder)


def xlm_roberta(folder: Path) -> None:
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    vocabulary = [*pieces, *((letter, -3.0) for letter in LETTERS), ("<mask>", 0.0)]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=vocabulary)
    config = transformers.XLMRobertaConfig(
        **TINY, vocab_size=len(tokenizer), max_position_embeddings=130
    )
    _save(folder, transformers.XLMRobertaModel, config, tokenizer)


def roberta(folder: Path) -> None:
    config, tokenizer = _roberta()
    _save(folder, transformers.RobertaModel, config, tokenizer)


def roberta_classifier(*labels: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        config, tokenizer = _roberta(id2label=dict(enumerate(labels)))
        _save(folder, transformers.RobertaForSequenceClassification, config, tokenizer)

    return write


def wav2vec2_of_letters(norm: dict[str, object]) -> Callable[[Path], None]:
    """It writes words down, with a head of its own that no encoder uses."""

    def write(folder: Path) -> None:
        _save(folder, transformers.Wav2Vec2ForCTC, _speech(norm), _extractor(norm))

    return write


def wav2vec2(norm: dict[str, object], layers: int = 2) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        config = _speech(norm, num_hidden_layers=layers)
        _save(folder, transformers.Wav2Vec2Model, config, _extractor(norm))

    return write


def wav2vec2_classifier(norm: dict[str, object], *labels: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        names = dict(enumerate(labels))
        config = _speech(norm, classifier_proj_size=8, use_weighted_layer_sum=True, id2label=names)
        _save(folder, transformers.Wav2Vec2ForSequenceClassification, config, _extractor(norm))

    return write


def wav2vec2_of_numbers(folder: Path) -> None:
    """As Wagner et al. 2023 publish theirs: a class of their own, a head of two layers."""
    names = dict(enumerate(("arousal", "dominance", "valence")))
    config = _speech(LARGE, id2label=names, architectures=["Wav2Vec2ForSpeechClassification"])
    body = transformers.Wav2Vec2Model(config).state_dict()
    weights = {f"wav2vec2.{key}": one.contiguous() for key, one in body.items()}
    for layer, width in (("dense", 32), ("out_proj", len(names))):
        weights[f"classifier.{layer}.weight"] = 0.1 * torch.randn(width, 32)
        weights[f"classifier.{layer}.bias"] = torch.zeros(width)
    config.save_pretrained(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _extractor(LARGE).save_pretrained(folder)


def word_vectors(path: Path) -> None:
    """300 dims for words that the generated corpora say, and for some that they do not."""
    generator = np.random.default_rng(0)
    words = ["qué", "no", "alegría", "pena", "nueve", "uno", "dos", "casa"]
    rows = [" ".join([word, *map(str, generator.normal(size=300).round(3))]) for word in words]
    path.write_text("\n".join([f"{len(words)} 300", *rows]), encoding="utf-8")


def whisper(path: Path) -> None:
    _checkpoints.write_tiny(path, text_context=12)


SEVEN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
FOLDERS: dict[str, Callable[[Path], None]] = {
    "FacebookAI/roberta-base": roberta,
    "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim": wav2vec2_of_numbers,
    "bert-base-multilingual-cased": bert,
    "dccuchile/bert-base-spanish-wwm-cased": bert,
    "distilroberta-base": roberta,
    "facebook/wav2vec2-base-960h": wav2vec2_of_letters(BASE),
    "facebook/wav2vec2-large-robust": wav2vec2(LARGE),
    "facebook/wav2vec2-large-xlsr-53-spanish": wav2vec2_of_letters(LARGE),
    "facebook/wav2vec2-xls-r-300m": wav2vec2(LARGE, layers=12),
    "j-hartmann/emotion-english-distilroberta-base": roberta_classifier(*SEVEN),
    "llange/xlm-roberta-large-spanish": xlm_roberta,
    "sentence-transformers/all-MiniLM-L6-v2": bert,
    "sentence-transformers/paraphrase-multilingual-mpnet-base-v2": xlm_roberta,
    "superb/wav2vec2-base-superb-er": wav2vec2_classifier(BASE, "neu", "hap", "ang", "sad"),
}
"""Hub name → what writes its stand-in into a folder."""

FILES: dict[str, Callable[[Path], None]] = {
    "data/cc.es.300.vec.gz": word_vectors,
    "small": whisper,
}
"""What a config names in the place of a hub name → what writes it to a path."""


class StandIns:
    """The path of what stands in for a name, written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, Path] = {}

    def __call__(self, name: str) -> Path:
        if name not in self.known:
            path = self.folder / str(len(self.known))
            path = path.with_suffix({"small": ".pt"}.get(name, "" if name in FOLDERS else ".vec"))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(len(self.known))
                (FOLDERS | FILES)[name](path)
            self.known[name] = path
        return self.known[name]


def _roberta(**more: object) -> tuple[transformers.RobertaConfig, transformers.RobertaTokenizer]:
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *LETTERS]
    vocabulary = {word: at for at, word in enumerate(words)}
    tokenizer = transformers.RobertaTokenizer(vocab=vocabulary, merges=[])
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 130}
    return transformers.RobertaConfig(**TINY, **sizes, **more), tokenizer


def _speech(norm: dict[str, object], **more: object) -> transformers.Wav2Vec2Config:
    sizes = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    return transformers.Wav2Vec2Config(**{**TINY, "conv_dim": (8,) * 7, **sizes, **norm, **more})


def _extractor(norm: dict[str, object]) -> transformers.Wav2Vec2FeatureExtractor:
    """Those with layer norm were trained with an attention mask."""
    return transformers.Wav2Vec2FeatureExtractor(return_attention_mask=norm is LARGE)


def _save(folder: Path, kind: type, config: object, reads: object) -> None:
    kind(config).save_pretrained(folder)
    reads.save_pretrained(folder)
