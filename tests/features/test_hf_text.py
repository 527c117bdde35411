"""Text models against transformers itself, one text at a time, on tiny random ones."""

import inspect

import pytest
import torch
import transformers

from multimodal_ser.config.registry import build, module
from multimodal_ser.features.encoders import _tokens
from multimodal_ser.features.encoders.hf_text import Encoder
from multimodal_ser.types import ConfigError, Input, MissingError

TEXTS = ("qué alegría verte", "no", "son las nueve de la mañana y no hay nadie", "qué pena")
SIZE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
BERT = {**SIZE, "intermediate_size": 48, "max_position_embeddings": 40}
DISTIL = {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 40}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 3, "num_heads": 2}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": 40}
KINDS = {
    "Bert": BERT,
    "Roberta": {**BERT, "max_position_embeddings": 41, "pad_token_id": 0},
    "XLMRoberta": {**BERT, "max_position_embeddings": 41, "pad_token_id": 0},
    "DistilBert": DISTIL,
    "T5": {**T5, "pad_token_id": 0, "decoder_start_token_id": 0},
    "GPT2": GPT2,
}


@pytest.fixture
def tiny(tmp_path):
    """Writes a tiny model of a kind beside the tokenizer of the letters; gives its folder."""

    def write(kind="Bert", drop=(), **options):
        folder = tmp_path / kind
        _tokens.write_tiny(folder)
        rows = len(transformers.AutoTokenizer.from_pretrained(folder))
        config = getattr(transformers, f"{kind}Config")(
            **{"vocab_size": rows, **KINDS[kind], **options}
        )
        torch.manual_seed(1)
        network = getattr(transformers, f"{kind}Model")(config).eval()
        kept = {
            key: value
            for key, value in network.state_dict().items()
            if not any(part in key for part in drop)
        }
        network.save_pretrained(folder, state_dict=kept)
        return folder, network

    return write


def make(folder, **options):
    return build("encoders", "hf_text", {"model": str(folder), **options}).eval()


def encode(encoder, *texts):
    with torch.inference_mode():
        return encoder(**encoder.prepare([Input(text=text) for text in texts]))


def states(folder, network, text):
    """All hidden states `[L, T, D]` of one text, from the library, without any padding."""
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    network = network.get_encoder() if network.config.is_encoder_decoder else network
    # the letters' tokenizer names token types, which GPT-2 would read and the others know or lack
    given = set(tokens) & {*inspect.signature(network.forward).parameters}
    with torch.inference_mode():
        said = network(**{key: tokens[key] for key in given}, output_hidden_states=True)
    assert torch.equal(said.hidden_states[-1], said.last_hidden_state)
    return torch.cat(said.hidden_states)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_is_of_all_tokens_of_the_last_layer_alone_or_in_a_batch(tiny, kind):
    folder, network = tiny(kind)
    encoder = make(folder)
    features = encode(encoder, *TEXTS)
    assert features.mask.tolist() == [[True]] * 4
    for x, text in zip(features.x, TEXTS, strict=True):
        expected = states(folder, network, text)[-1].mean(0)
        torch.testing.assert_close(x[0], expected, rtol=1e-5, atol=1e-5)
        alone = encode(encoder, text)
        torch.testing.assert_close(alone.x[0, 0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 3, -1, -4])
def test_a_layer_is_counted_from_the_embeddings_or_from_the_end(tiny, layer):
    folder, network = tiny()
    features = encode(make(folder, layer=layer, pool="none"), TEXTS[0])
    torch.testing.assert_close(features.x[0], states(folder, network, TEXTS[0])[layer])


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_is_not_there_is_refused(tiny, layer):
    with pytest.raises(ConfigError, match=r"-4 … 3"):
        make(tiny()[0], layer=layer)


def test_each_pool_is_its_formula_and_all_layers_come_as_a_table(tiny):
    folder, network = tiny()
    tokens = states(folder, network, TEXTS[2])
    formulas = {
        "mean": tokens.mean(1),
        "mean_std": torch.cat([tokens.mean(1), tokens.std(1, correction=0)], dim=1),
        "max": tokens.amax(1),
        "cls": tokens[:, 0],
    }
    for pool, expected in formulas.items():
        encoder = make(folder, pool=pool, layer="weighted")
        features = encode(encoder, *TEXTS)
        assert features.x.shape == (4, 4, 1, encoder.dim)
        assert features.mask.shape == (4, 1)
        torch.testing.assert_close(features.x[2, :, 0], expected, rtol=1e-4, atol=1e-5)
    for pool in ("none", "attention"):
        features = encode(make(folder, pool=pool, layer="weighted"), *TEXTS)
        assert features.x.shape[:2] == (4, 4)
        torch.testing.assert_close(features.x[2][:, features.mask[2]], tokens, rtol=1e-4, atol=1e-5)


def test_pooled_features_are_kept_for_all_layers_and_frames_for_one():
    options = {"model": "m", "layer": 2, "pool": "mean"}
    assert Encoder.stored(options) == {**options, "layer": "weighted"}
    for pool in ("none", "attention"):
        assert Encoder.stored({**options, "pool": pool}) == {**options, "pool": "none"}


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "DistilBert", "GPT2"])
def test_a_long_text_is_cut_to_what_the_model_takes_and_remarked(tiny, kind):
    encoder = make(tiny(kind)[0], pool="none")
    long = "no " * 100
    assert encode(encoder, long).x.shape == (1, 40, 32)
    remarks = encoder.remarks([Input(text=long), Input(text="no"), Input()])
    assert remarks == ["truncated to 40 tokens", "", ""]


def test_max_length_cuts_earlier_and_stays_in_bounds(tiny):
    folder, _ = tiny()
    assert encode(make(folder, max_length=5, pool="none"), "qué pena").x.shape[1] == 5
    for wrong in (2, 41):
        with pytest.raises(ConfigError, match=rf"{wrong} is outside 3 … 40"):
            make(folder, max_length=wrong)


def test_a_missing_or_blank_text_is_masked(tiny):
    features = encode(make(tiny()[0], pool="none"), "no", None, " ")
    assert features.present.tolist() == [True, False, False]
    assert not features.x[1:].any()


def test_half_precision_stays_near(tiny):
    folder, _ = tiny()
    whole, half = (encode(make(folder, precision=one), *TEXTS) for one in ("fp32", "bf16"))
    assert half.x.dtype == torch.float32
    assert not torch.equal(half.x, whole.x)
    assert torch.nn.functional.cosine_similarity(half.x, whole.x, dim=-1).min() > 0.999


@pytest.mark.parametrize("rows", [20, 400])
def test_a_tokenizer_that_does_not_fit_the_model_is_refused(tiny, rows):
    with pytest.raises(ConfigError, match=rf"knows 73 tokens .*{rows}"):
        make(tiny(vocab_size=rows)[0])


def test_the_five_token_vocabulary_of_a_lost_tokenizer_is_refused(tiny):
    folder, _ = tiny()
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / file).unlink(missing_ok=True)
    with pytest.raises((ConfigError, MissingError), match=r"vocabulary|cannot be loaded"):
        make(folder)


def test_a_lost_pooler_is_no_matter_and_a_lost_layer_is(tiny):
    encode(make(tiny(drop=["pooler"])[0]), "no")
    with pytest.raises(MissingError, match=r"lacks \d+ weights .*encoder\.layer\.1"):
        make(tiny(drop=["encoder.layer.1."])[0])


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingError, match="hf download"):
        make(tmp_path / "none")


def test_the_same_random_example_is_written_whatever_was_drawn_before(tmp_path):
    texts = [Input(text=TEXTS[0])]
    found = []
    for at in range(2):
        torch.manual_seed(at)
        folder = tmp_path / str(at)
        encoder = build("encoders", "hf_text", module("encoders", "hf_text").EXAMPLE(folder))
        found.append(encoder.eval()(**encoder.prepare(texts)).x)
    assert torch.equal(*found)
