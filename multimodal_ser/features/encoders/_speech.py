"""What the encoders that load a speech model share: its configuration, and how it hears."""

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
    """The configuration, with all that would be random in training mode off."""
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
    """What makes of samples that which the model is called with."""
    from transformers import AutoFeatureExtractor

    extractor = load(AutoFeatureExtractor.from_pretrained, model, revision)
    kinds = {"wav2vec2-bert": Mel, "whisper": Whisper}
    return kinds.get(config.model_type, Waveform)(extractor, config)
