"""A tiny wav2vec 2.0 and a tiny BERT, both random, learn the bundled corpus end to end."""

from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from multimodal_ser import run
from multimodal_ser.config.registry import build

CLASSES = 6
MODES = {
    "frozen": {},
    "top": {"trainable": "top:1", "finetune": {"lr": 1e-3}},
    "lora": {"trainable": "lora", "finetune": {"lr": 3e-3, "rank": 4}},
    "full": {"trainable": True, "finetune": {"lr": 1e-3}},
}


def write_models(folder: Path) -> dict[str, str]:
    """Random weights; the words of BERT are those of the corpus."""
    table = build("datasets", "demo", {}).table
    words = sorted({word for text in table["text"].dropna() for word in text.lower().split()})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    speech, text = folder / "speech", folder / "text"
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2Model(config).save_pretrained(speech)
    Wav2Vec2FeatureExtractor().save_pretrained(speech)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"vocab_size": len(words), "intermediate_size": 128}
    BertModel(BertConfig(**sizes)).save_pretrained(text)
    BertTokenizer(vocab={word: at for at, word in enumerate(words)}).save_pretrained(text)
    return {"audio": str(speech), "text": str(text)}


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_better_than_chance_by_the_lower_end_of_its_interval(mode, tmp_path):
    models = write_models(tmp_path)
    normalize = {"normalize": "standard"} if mode == "frozen" else {}
    audio = {"name": "hf_speech", "model": models["audio"], "pool": "mean"}
    text = {"name": "hf_text", "model": models["text"], "pool": "mean"}
    done = run(
        {
            "name": mode,
            "corpus": {"name": "demo"},
            "protocol": {"name": "kfold", "folds": 4, "seed": 0},
            "folds": [0],
            "encoders": {
                "audio": audio | MODES[mode] | normalize,
                "text": text | MODES[mode] | normalize,
            },
            "fusion": {"name": "concat", "hidden": 64, "dropout": 0.2},
            "learner": {"name": "neural", "epochs": 12, "batch_size": 16, "select": "uar"},
            "seeds": [0, 1, 2],
            "metrics": ["uar"],
            "runs_dir": str(tmp_path),
            "device": "cpu",
        },
        open_test=False,
    )
    measured = done.metrics["dev"]["metrics"]["uar"]
    print(mode, measured)
    assert measured["low"] > 1 / CLASSES
