"""What the encoders of speech models share: the configuration and the input of the model."""

from __future__ import annotations

from typing import Any

from multimodal_ser.features.encoders._hf import load, load_config
from multimodal_ser.features.encoders._windows import Mel, Waveform, Whisper
from multimodal_ser.types import ConfigError

Front = Waveform | Mel | Whisper

_WAVEFORM = (
    "data2vec-audio",
    "hubert",
    "unispeech",
    "unispeech-sat",
    "wav2vec2",
    "wav2vec2-conformer",
    "wavlm",
)


def speech_config(model: str, revision: str | None) -> Any:
    """The model's configuration; everything that is random in training mode is switched off."""
    config = load_config(model, revision)
    allowed = [*_WAVEFORM, "wav2vec2-bert", "whisper"]
    if config.model_type not in allowed:
        raise ConfigError(
            f"'{model}' is a model of type {config.model_type}; speech is read by "
            f"{', '.join(allowed)}"
        )
    for name in ("layerdrop", "encoder_layerdrop", "mask_time_prob", "mask_feature_prob"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    config.apply_spec_augment = False
    return config


def front_of(model: str, revision: str | None, config: Any) -> Front:
    """The object that turns samples into the model's input."""
    from transformers import AutoFeatureExtractor

    extractor = load(AutoFeatureExtractor.from_pretrained, model, revision)
    kinds = {"wav2vec2-bert": Mel, "whisper": Whisper}
    return kinds.get(config.model_type, Waveform)(extractor, config)
