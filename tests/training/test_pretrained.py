"""Checkpoints with a head of their own: they say what transformers says, under the task's names."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import transformers
from safetensors.torch import save_file
from torch.nn import functional

from multimodal_ser import run
from multimodal_ser.config.read import check
from multimodal_ser.config.registry import build
from multimodal_ser.features.encoders._tokens import write_tiny
from multimodal_ser.inference.load import load
from multimodal_ser.runs.prepare import prepare
from multimodal_ser.types import ConfigError, DataError, Finetune, Input
from tests.helpers.tones import tones_config

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
SPEECH = {
    **TINY,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
}
NAMES = {0: "hap", 1: "neu", 2: "sad", 3: "ang"}
MEANING = {"hap": "joy", "neu": "neutral", "sad": "sadness"}
KINDS = {
    "wav2vec2": ("Wav2Vec2", {}),
    "wav2vec2-stable": (
        "Wav2Vec2",
        {
            "do_stable_layer_norm": True,
            "feat_extract_norm": "layer",
            "use_weighted_layer_sum": True,
        },
    ),
    "hubert": ("Hubert", {}),
    "wavlm": ("WavLM", {}),
}


def save_speech(folder, kind="wav2vec2", names=None):
    family, extra = KINDS[kind]
    config = getattr(transformers, f"{family}Config")(**SPEECH, id2label=names or NAMES, **extra)
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    sharpened(model).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return str(folder)


def sharpened(model):
    """A new head hardly tells anything apart; this one has opinions."""
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    return model


def by_transformers(folder, samples, rate=16000):
    """Logits of one clip, as the documentation of transformers does it."""
    model = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    with torch.inference_mode():
        return model(**extractor(samples, sampling_rate=rate, return_tensors="pt")).logits[0]


def sounds(*seconds):
    generator = np.random.default_rng(0)
    return [
        (generator.standard_normal(int(16000 * one)) * 0.1).astype(np.float32) for one in seconds
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_speech_checkpoint_says_what_transformers_says_also_in_a_batch(kind, tmp_path):
    folder = save_speech(tmp_path, kind)
    encoder = build("encoders", "speech_classifier", {"model": folder}).eval()
    clips = sounds(0.7, 1.3, 0.4)
    inputs = [*(Input(samples=one, rate=16000) for one in clips), Input()]
    with torch.inference_mode():
        found = encoder(**encoder.prepare(inputs))
    assert found.present.tolist() == [True, True, True, False]
    for row, clip in enumerate(clips):
        expected = by_transformers(folder, clip)
        with torch.inference_mode():
            alone = encoder(**encoder.prepare([inputs[row]])).x[0, 0]
        torch.testing.assert_close(alone, expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(found.x[row, 0], expected, rtol=1e-4, atol=1e-5)


def test_whisper_and_w2v_bert_say_what_transformers_says(tmp_path):
    whisper = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16, vocab_size=64,
        pad_token_id=0, bos_token_id=1, eos_token_id=1, decoder_start_token_id=1,
        classifier_proj_size=8, id2label=NAMES,
    )  # fmt: skip
    sizes = transformers.Wav2Vec2BertConfig(**TINY, classifier_proj_size=8, id2label=NAMES)
    bert = transformers.Wav2Vec2BertForSequenceClassification(sizes)
    (clip,) = sounds(1.1)
    for name, model, extractor in (
        ("w", transformers.WhisperForAudioClassification(whisper), "WhisperFeatureExtractor"),
        ("b", bert, "SeamlessM4TFeatureExtractor"),
    ):
        folder = tmp_path / name
        sharpened(model).save_pretrained(folder)
        getattr(transformers, extractor)().save_pretrained(folder)
        encoder = build("encoders", "speech_classifier", {"model": str(folder)}).eval()
        with torch.inference_mode():
            said = encoder(**encoder.prepare([Input(samples=clip, rate=16000)])).x[0, 0]
        torch.testing.assert_close(said, by_transformers(str(folder), clip), rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", ["Bert", "Roberta", "DistilBert"])
def test_a_text_checkpoint_says_what_transformers_says(family, tmp_path):
    write_tiny(tmp_path)
    words = len(transformers.AutoTokenizer.from_pretrained(tmp_path))
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    sizes = sizes if family == "DistilBert" else {**TINY, "num_labels": 4}
    config = getattr(transformers, f"{family}Config")(vocab_size=words, id2label=NAMES, **sizes)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    model.save_pretrained(tmp_path)
    encoder = build("encoders", "text_classifier", {"model": str(tmp_path)}).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = ["qué pena", "son las nueve, ya", "a"]
    with torch.inference_mode():
        found = encoder(**encoder.prepare([Input(text=one) for one in texts])).x[:, 0]
        for row, text in enumerate(texts):
            tokens = tokenizer(text, return_tensors="pt")
            tokens = {key: one for key, one in tokens.items() if key in encoder.takes}
            torch.testing.assert_close(found[row], model(**tokens).logits[0], rtol=0, atol=1e-6)


def save_wagner(folder):
    """The layout of the published checkpoint: its class is not one of transformers."""
    names = {0: "arousal", 1: "dominance", 2: "valence"}
    config = transformers.Wav2Vec2Config(**SPEECH, id2label=names)
    config.architectures = ["Wav2Vec2ForSpeechClassification"]
    torch.manual_seed(0)
    body = transformers.Wav2Vec2Model(config).eval()
    head = {
        "classifier.dense.weight": torch.randn(16, 16),
        "classifier.dense.bias": torch.randn(16),
        "classifier.out_proj.weight": torch.randn(3, 16),
        "classifier.out_proj.bias": torch.randn(3),
    }
    weights = {f"wav2vec2.{key}": one.contiguous() for key, one in body.state_dict().items()}
    config.save_pretrained(folder)
    save_file({**weights, **head}, folder / "model.safetensors", {"format": "pt"})
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return body, head


def wagner(body, head, samples):
    """Wagner et al. 2023: mean over frames, Linear, tanh, Linear."""
    extractor = transformers.Wav2Vec2FeatureExtractor()
    values = extractor(samples, sampling_rate=16000, return_tensors="pt")["input_values"]
    with torch.inference_mode():
        pooled = body(values).last_hidden_state.mean(1)
    dense = functional.linear(
        pooled, head["classifier.dense.weight"], head["classifier.dense.bias"]
    )
    return functional.linear(
        torch.tanh(dense), head["classifier.out_proj.weight"], head["classifier.out_proj.bias"]
    )[0]


def test_the_head_of_wagner_is_read_from_its_checkpoint(tmp_path):
    body, head = save_wagner(tmp_path)
    encoder = build("encoders", "speech_classifier", {"model": str(tmp_path)}).eval()
    assert encoder.labels({"model": str(tmp_path), "revision": None, "more_labels": []}) == [
        "arousal", "dominance", "valence",
    ]  # fmt: skip
    clips = sounds(0.5, 1.0)
    with torch.inference_mode():
        said = encoder(**encoder.prepare([Input(samples=one, rate=16000) for one in clips])).x
    for row, clip in enumerate(clips):
        torch.testing.assert_close(said[row, 0], wagner(body, head, clip), rtol=1e-4, atol=1e-5)


def as_is(tones, model, **changes):
    changes = {"protocol": {"name": "holdout"}, "device": "cpu"} | changes
    learner = {"name": "pretrained", "labels": MEANING, **changes.pop("learner", {})}
    encoder = {"name": "speech_classifier", "model": model, **changes.pop("encoder", {})}
    found = tones_config(tones, encoders={"audio": encoder}, learner=learner, **changes)
    return {key: value for key, value in found.items() if key != "fusion"}


def heard(tones, one):
    samples, rate = soundfile.read(tones / f"{one}.wav", dtype="float32")
    return build("encoders", "waveform", {"sample_rate": 16000}).prepare(
        [Input(samples=samples, rate=rate)]
    )["x"][0].numpy().ravel()  # fmt: skip


def test_a_run_scores_a_checkpoint_as_transformers_does_without_the_labels_that_mean_nothing(
    tones, tmp_path
):
    model = save_speech(tmp_path / "model")
    done = run(as_is(tones, model))
    rows = done.part("test")
    assert rows["score:joy"].nunique() > 1
    for _, row in rows.iterrows():
        logits = by_transformers(model, heard(tones, row["id"]))
        whole = logits.double().softmax(0)
        expected = whole[:3] / whole[:3].sum()  # joy, neutral, sadness; ang means nothing here
        said = row[["score:joy", "score:neutral", "score:sadness"]].to_numpy(dtype=float)
        np.testing.assert_allclose(said, expected, atol=1e-6)
    answer = load(done.folder)(tones / f"{rows.iloc[0]['id']}.wav").iloc[0]
    columns = [column for column in rows if column.startswith("score:")]
    np.testing.assert_allclose(
        answer[columns].to_numpy(float), rows.iloc[0][columns].to_numpy(float), atol=1e-6
    )


def test_labels_that_mean_one_class_add_up_and_names_alike_need_no_map(tones, tmp_path):
    model = save_speech(tmp_path / "model", names={0: "Joy", 1: "NEUTRAL", 2: "sadness", 3: "ang"})
    done = run(as_is(tones, model, learner={"labels": {"ang": "sadness"}}))
    row = done.part("test").iloc[0]
    whole = by_transformers(model, heard(tones, row["id"])).double().softmax(0)
    assert float(row["score:sadness"]) == pytest.approx(float(whole[2] + whole[3]), abs=1e-6)


def test_a_class_that_the_checkpoint_does_not_know_counts_as_an_error_or_is_left_out(
    tones, tmp_path
):
    model = save_speech(tmp_path / "model")
    lacking = {key: meant for key, meant in MEANING.items() if meant != "joy"} | {"hap": "neutral"}
    zero = run(as_is(tones, model, learner={"labels": lacking}))
    scored = zero.part("test")
    assert (scored["truth"] == "joy").any()
    assert (scored["score:joy"].astype(float) == 0).all()
    out = run(as_is(tones, model, learner={"labels": lacking, "score_unknown": "leave_out"}))
    kept = out.part("test")
    assert set(kept["id"]) == set(scored["id"][scored["truth"] != "joy"])
    assert out.prepared.unused == 12
    assert out.prepared.split_hash == zero.prepared.split_hash
    notices = out.metrics["test"]["notices"]
    assert "the checkpoint does not know joy: 12 utterances are left out" in notices
    assert (
        "the checkpoint does not know joy, which counts as an error"
        in (zero.metrics["test"]["notices"])
    )


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        ({"labels": {"happy": "joy"}}, r"labels.happy: the checkpoint says hap, neu.*mean hap"),
        ({"labels": {"hap": "jov"}}, r"labels.hap: the task has no 'jov'.*mean joy"),
        ({"labels": {}}, r"no label of the checkpoint means anything here \(it says hap"),
    ],
)
def test_a_map_that_cannot_be_meant_is_refused(learner, message, tones, tmp_path):
    model = save_speech(tmp_path / "model")
    config = as_is(tones, model)
    with pytest.raises(ConfigError, match=message):
        prepare(check(config | {"learner": config["learner"] | learner}))


def test_fine_tuning_begins_at_the_checkpoint_and_learns(tones, tmp_path):
    model = save_speech(tmp_path / "model")
    learner = {"epochs": 1, "optimizer": {"lr": 1e-9}}
    still = run(as_is(tones, model, learner=learner, encoder={"trainable": True}))
    plain = run(as_is(tones, model))
    scores = [
        one.part("test").filter(like="score:").to_numpy(dtype=float) for one in (still, plain)
    ]
    np.testing.assert_allclose(*scores, atol=1e-4)
    learner = {"epochs": 12, "optimizer": {"lr": 3e-3}}
    moved = run(as_is(tones, model, learner=learner, encoder={"trainable": True}))
    curve = json.loads(next(moved.folder.glob("models/*/learner/curve.json")).read_text())
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]


def test_what_the_checkpoint_does_not_know_can_be_learned(tones, tmp_path):
    model = save_speech(tmp_path / "model", names={0: "sadness", 1: "anger"})
    learner = {"labels": {}, "epochs": 12, "optimizer": {"lr": 3e-3}}
    encoder = {"trainable": True}
    with pytest.raises(ConfigError, match=r"does not know joy, neutral; to learn them, set enc"):
        run(as_is(tones, model, learner=learner, encoder=encoder))
    more = {"more_labels": ["joy", "neutral"]}
    with pytest.raises(ConfigError, match=r"more_labels: .* must be learned; set trainable"):
        build("encoders", "speech_classifier", {"model": model, **more})
    done = run(as_is(tones, model, learner=learner, encoder=encoder | more))
    assert set(done.part("test")["value"]) > {"sadness"}


def test_the_old_rows_of_a_wider_head_stay_as_they_were(tmp_path):
    model = save_speech(tmp_path)
    options = {"model": model, "more_labels": ["fear"]}
    wide = build("encoders", "speech_classifier", options, Finetune()).eval()
    plain = build("encoders", "speech_classifier", {"model": model}).eval()
    inputs = [Input(samples=one, rate=16000) for one in sounds(0.6, 0.9)]
    with torch.inference_mode():
        said, before = (one(**one.prepare(inputs)).x for one in (wide, plain))
    assert said.shape[-1] == wide.dim == 5
    torch.testing.assert_close(said[..., :4], before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("how", [Finetune("top:1"), Finetune("lora"), Finetune()])
def test_the_head_learns_in_every_mode_and_what_is_frozen_does_not(how, tmp_path):
    options = {"model": save_speech(tmp_path)}
    encoder = build("encoders", "speech_classifier", options, how).train()
    inputs = [Input(samples=one, rate=16000) for one in sounds(0.6, 0.9)]
    encoder(**encoder.prepare(inputs)).x.square().sum().backward()
    head = [one for name, one in encoder.network.named_parameters() if "wav2vec2" not in name]
    assert all(one.grad is not None and one.grad.any() for one in head)
    hears = encoder.network.base_model.feature_extractor
    assert all(one.grad is None for one in hears.parameters())
    assert not hears.training
    assert encoder.network.classifier.training


def test_numbers_of_a_checkpoint_stand_on_the_scale_of_the_corpus(tones, tmp_path):
    body, head = save_wagner(tmp_path)
    table = pd.read_csv(tones / "table.csv")
    table["energy"] = np.linspace(1, 7, len(table))
    table["valence"] = np.linspace(-2, 2, len(table))
    table.to_csv(tones / "table.csv", index=False)
    outputs = {
        "energy": {"kind": "numbers", "range": [1, 7]},
        "valence": {"kind": "numbers"},
    }
    done = run(
        as_is(tones, str(tmp_path), outputs=outputs, learner={"labels": {"arousal": "energy"}})
    )
    row = done.part("test", "energy").iloc[0]
    expected = wagner(body, head, heard(tones, row["id"]))
    assert float(row["value"]) == pytest.approx(1 + 6 * float(expected[0]), abs=1e-4)
    row = done.part("test", "valence").iloc[0]
    expected = wagner(body, head, heard(tones, row["id"]))
    assert float(row["value"]) == pytest.approx(float(expected[2]), abs=1e-4)


def test_a_number_that_the_checkpoint_does_not_give_is_refused(tones, tmp_path):
    save_wagner(tmp_path)
    table = pd.read_csv(tones / "table.csv").assign(power=1.0)
    table.to_csv(tones / "table.csv", index=False)
    config = as_is(
        tones, str(tmp_path), outputs={"valence": {"kind": "numbers", "column": "power"},
                                       "power": {"kind": "numbers"}}, learner={"labels": {}}
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"outputs.power: the checkpoint gives no such number"):
        prepare(check(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fusion": {"name": "concat"}}, r"fusion: 'pretrained' has its own head"),
        ({"encoders": {"a": {"name": "mfcc"}}}, r"encoders.a: 'mfcc' has no head of its own"),
        ({"learner": {"name": "pretrained", "epochs": 2}}, r"trainable: nothing would learn"),
        ({"balance": "weights"}, r"augment, balance: nothing is trained"),
        ({"outputs": {"label": {"head": {"hidden": 4}}}}, r"label.head: the checkpoint has"),
        ({"outputs": {"label": {"range": [0, 1]}}}, r"range: two rising numbers, for kind numb"),
    ],
)
def test_what_would_have_no_effect_beside_an_own_head_is_refused(changes, message, tones, tmp_path):
    with pytest.raises(ConfigError, match=message):
        check(as_is(tones, save_speech(tmp_path / "model")) | changes)


def test_nothing_left_in_a_part_is_said(tones, tmp_path):
    model = save_speech(tmp_path / "model", names={0: "joy", 1: "b"})
    table = pd.read_csv(tones / "table.csv")
    held = (table["speaker"] == "s5") & (table["label"] != "joy")
    table["split"] = np.where(held, "test", "train")
    table.to_csv(tones / "table.csv", index=False)
    config = as_is(
        tones,
        model,
        protocol={"name": "official", "dev": 0},
        allow_leak=["speaker"],
        learner={"labels": {}, "score_unknown": "leave_out"},
    )
    with pytest.raises(DataError, match=r"leave_out leaves nothing of test in fold 0"):
        prepare(check(config))
