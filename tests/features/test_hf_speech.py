"""Speech models: whatever is batched or cut, the numbers are the stock model's, clip by clip."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
import transformers as hf

from multimodal_ser.config.registry import build
from multimodal_ser.features.encoders import _hf, hf_speech
from multimodal_ser.features.encoders._group_norm import Valid, ValidGroupNorm
from multimodal_ser.features.encoders._windows import kept, spans
from multimodal_ser.types import ConfigError, Input, MissingError

RATE = 16000
SAMPLES = (1600, 5327, 16000, 43211, 192000)  # 0.1 s to 12 s, most no multiple of the stride
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
CONVOLUTIONS = {
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "mask_time_prob": 0.05,
    "layerdrop": 0.5,
}
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
DATA2VEC = {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "num_mel_bins": 20,
}
plain = partial(hf.Wav2Vec2FeatureExtractor, return_attention_mask=False)
masked = partial(hf.Wav2Vec2FeatureExtractor, return_attention_mask=True)
KINDS = {
    "wav2vec2-group": (hf.Wav2Vec2Model, SIZES | CONVOLUTIONS, plain),
    "wav2vec2-layer": (hf.Wav2Vec2Model, SIZES | CONVOLUTIONS | STABLE, masked),
    "wav2vec2-raw": (hf.Wav2Vec2Model, SIZES | CONVOLUTIONS, partial(plain, do_normalize=False)),
    "wav2vec2-adapter": (hf.Wav2Vec2Model, SIZES | CONVOLUTIONS | {"add_adapter": True}, plain),
    "hubert": (hf.HubertModel, SIZES | CONVOLUTIONS, plain),
    "hubert-batch-norm": (
        hf.HubertModel,
        SIZES | CONVOLUTIONS | {"conv_pos_batch_norm": True},
        plain,
    ),
    "wavlm": (hf.WavLMModel, SIZES | CONVOLUTIONS, plain),
    "wavlm-stable": (hf.WavLMModel, SIZES | CONVOLUTIONS | STABLE, masked),
    "unispeech-sat": (hf.UniSpeechSatModel, SIZES | CONVOLUTIONS, plain),
    "data2vec-audio": (hf.Data2VecAudioModel, SIZES | CONVOLUTIONS | DATA2VEC, masked),
    "conformer": (hf.Wav2Vec2ConformerModel, SIZES | CONVOLUTIONS, masked),
    "w2v-bert": (
        hf.Wav2Vec2BertModel,
        SIZES | {"feature_projection_input_dim": 40, "layerdrop": 0.5},
        partial(hf.SeamlessM4TFeatureExtractor, feature_size=20, num_mel_bins=20),
    ),
    "whisper": (
        hf.WhisperModel,
        WHISPER,
        partial(hf.WhisperFeatureExtractor, feature_size=20),
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Writes a random model of a kind once, its weights large enough that a mistake shows."""
    written = {}

    def write(kind):
        if kind not in written:
            written[kind] = tmp_path_factory.mktemp(kind)
            find, options, extractor = KINDS[kind]
            torch.manual_seed(0)
            model = find(find.config_class(**options))
            for name, one in [*model.named_parameters(), *model.named_buffers()]:
                if one.ndim and "running_var" not in name:
                    one.data += 0.1 * torch.randn(one.shape)
            model.save_pretrained(written[kind])
            extractor().save_pretrained(written[kind])
        return str(written[kind])

    return write


def encoder_of(folder, **options):
    return build("encoders", "hf_speech", {"model": folder, **options}).eval()


def clip(samples, seed=0, offset=0.01):
    """Noise that swells, off centre: scale and mean of a part are not those of the whole."""
    noise = np.random.default_rng(seed).standard_normal(samples) * np.linspace(0.02, 0.2, samples)
    return Input(samples=(noise + offset).astype(np.float32), rate=RATE)


def clips(lengths=SAMPLES):
    return [clip(samples, seed) for seed, samples in enumerate(lengths)]


@torch.inference_mode()
def encode(encoder, inputs):
    features = encoder(**encoder.prepare(inputs))
    return [x[..., mask, :] for x, mask in zip(features.x, features.mask, strict=True)]


class Stock:
    """The model as transformers gives it, fed one clip through its own feature extractor."""

    def __init__(self, folder):
        self.extractor = hf.AutoFeatureExtractor.from_pretrained(folder)
        self.model = hf.AutoModel.from_pretrained(folder).eval()
        self.whisper = hasattr(self.model, "decoder")
        self.model = self.model.encoder if self.whisper else self.model
        self.model.adapter = None

    @torch.inference_mode()
    def __call__(self, samples):
        """`[L, T, D]`."""
        found = self.extractor(samples, sampling_rate=RATE, return_tensors="pt")
        return self.states(**found)[:, : self.frames(samples, found)]

    @torch.inference_mode()
    def states(self, **found):
        out = self.model(**found, output_hidden_states=True)
        return torch.stack([*out.hidden_states[:-1], out.last_hidden_state])[:, 0]

    def frames(self, samples, found):
        if self.whisper:
            return math.ceil(len(samples) / 320)
        return int(found["attention_mask"].sum()) if "input_features" in found else None


def same(found, wanted, tolerance=1e-5):
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


@each_kind
def test_batched_alone_and_stock_give_the_same_frames_in_every_layer(kind, folder):
    encoder, stock, inputs = (
        encoder_of(folder(kind), layer="weighted"),
        Stock(folder(kind)),
        clips(),
    )
    for one, together in zip(inputs, encode(encoder, inputs), strict=True):
        wanted = stock(one.samples)
        assert wanted.std() > 0.1
        same(together, wanted)
        same(encode(encoder, [one])[0], wanted)


@each_kind
def test_one_layer_is_that_row_of_all_and_most_layers_above_are_not_computed(kind, folder):
    inputs = clips(SAMPLES[:3])
    every = encode(encoder_of(folder(kind), layer="weighted"), inputs)
    for layer in (0, 1, -2, 3, "last"):
        encoder = encoder_of(folder(kind), layer=layer)
        row = 3 if layer == "last" else layer
        assert len(encoder.layers()) == min(3, row % 4 + 1)
        for found, rows in zip(encode(encoder, inputs), every, strict=True):
            same(found, rows[row])


@pytest.mark.parametrize("kind", ["wav2vec2-group", "w2v-bert"])
def test_a_pool_is_its_formula_over_the_frames_of_the_clip_alone(kind, folder):
    inputs = clips(SAMPLES[:3])
    formulas = {
        "mean": lambda x: x.mean(-2),
        "max": lambda x: x.amax(-2),
        "mean_std": lambda x: torch.cat([x.mean(-2), x.std(-2, correction=0)], -1),
    }
    for layer in ("last", "weighted"):
        frames = encode(encoder_of(folder(kind), layer=layer), inputs)
        for pool, formula in formulas.items():
            encoder = encoder_of(folder(kind), layer=layer, pool=pool)
            for found, rows in zip(encode(encoder, inputs), frames, strict=True):
                assert found.shape[-1] == encoder.dim
                same(found.squeeze(-2), formula(rows), 1e-4)


def test_a_learned_pool_leaves_the_frames_to_the_head(folder):
    inputs = clips(SAMPLES[:2])
    found = encode(encoder_of(folder("hubert"), pool="attention"), inputs)
    for one, rows in zip(found, encode(encoder_of(folder("hubert")), inputs), strict=True):
        same(one, rows, 0)


def test_a_pool_keeps_all_layers_so_that_the_layer_is_chosen_after_the_cache():
    options = {"model": "m", "layer": 4, "pool": "mean"}
    stored = hf_speech.Encoder.stored
    assert stored(options) == options | {"layer": "weighted"}
    assert stored(options | {"pool": "none"}) == options | {"pool": "none"}
    assert stored(options | {"pool": "attention"}) == options | {"pool": "none"}


@pytest.mark.parametrize("kind", ["wav2vec2-group", "wav2vec2-layer", "w2v-bert", "whisper"])
@pytest.mark.parametrize("layer", ["last", "weighted"])
def test_a_missing_input_is_masked_and_changes_no_other_row(kind, layer, folder):
    encoder, (first, second) = encoder_of(folder(kind), layer=layer), clips(SAMPLES[1:3])
    found = encode(encoder, [first, Input(), second])
    assert found[1].shape[-2] == 0
    same(found[0], encode(encoder, [first])[0])
    same(found[2], encode(encoder, [second])[0])
    nothing = encoder(**encoder.prepare([Input(), Input()]))
    assert not nothing.mask.any()
    assert torch.isfinite(nothing.x).all()


@each_kind
def test_a_clip_of_one_sample_gives_a_frame_and_a_remark(kind, folder):
    encoder = encoder_of(folder(kind))
    short, whole = Input(samples=np.ones(1, np.float32), rate=RATE), clip(16000)
    for one in (encode(encoder, [short])[0], encode(encoder, [whole, short])[1]):
        assert one.shape == (1, 16)
        assert torch.isfinite(one).all()
    remark = "" if kind == "whisper" else "padded to the receptive field"
    assert encoder.remarks([short, whole, Input()]) == [remark, "", ""]


def test_a_short_clip_is_the_clip_with_zeros_up_to_the_receptive_field(folder):
    samples = clip(150).samples
    scaled = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    padded = torch.from_numpy(np.pad(scaled, (0, 250)))[None]
    wanted = Stock(folder("wav2vec2-group")).states(input_values=padded)[-1]
    found = encode(encoder_of(folder("wav2vec2-group")), [Input(samples=samples, rate=RATE)])[0]
    same(found, wanted)


def test_sound_at_another_rate_is_brought_to_the_rate_of_the_model(folder):
    slow = Input(samples=clip(8000).samples, rate=8000)
    assert encode(encoder_of(folder("wav2vec2-group")), [slow])[0].shape == (49, 16)


# Windows of 2 s that share 0.5 s: 100 and 25 frames of 320 samples.
WINDOW = {"seconds": 2.0, "overlap": 0.5}


def test_windows_cover_every_frame_once_and_meet_in_the_middle_of_what_they_share():
    assert spans(100, 100, 25) == [(0, 100)]
    assert spans(230, 100, 25) == [(0, 100), (75, 175), (130, 230)]
    assert kept([(0, 100), (75, 175), (130, 230)]) == [(0, 87), (87, 152), (152, 230)]
    for frames in range(1, 400):
        for overlap in (0, 1, 25, 99):
            parts = kept(spans(frames, 100, overlap))
            assert [frame for start, end in parts for frame in range(start, end)] == [
                *range(frames)
            ]


@pytest.mark.parametrize("kind", ["wav2vec2-layer", "wav2vec2-group", "w2v-bert", "whisper"])
def test_a_clip_of_70_s_keeps_its_number_of_frames(kind, folder):
    long, short = clip(70 * RATE + 123), clip(8000, 1)
    encoder = encoder_of(folder(kind))
    found = encode(encoder, [short, long])
    count = {"w2v-bert": 3499, "whisper": 3501}.get(kind, 3500)
    assert found[1].shape == (count, 16)
    same(found[0], encode(encoder, [short])[0])
    assert encoder.remarks([long, short]) == ["cut into windows of 30 s", ""]


@pytest.mark.parametrize("kind", ["wav2vec2-layer", "w2v-bert"])
def test_frames_that_depend_on_no_more_than_the_overlap_are_those_of_the_whole_clip(kind, folder):
    """Layer 0 sees 8 frames to each side; higher layers attend to the whole window."""
    long = clip(10 * RATE + 77)
    whole = encode(encoder_of(folder(kind), layer=0, window=None), [long])[0]
    same(encode(encoder_of(folder(kind), layer=0, window=WINDOW), [long])[0], whole)


def test_each_window_is_the_stock_model_on_its_part_of_the_clip_scaled_as_a_whole(folder):
    samples = clip(5 * RATE).samples  # 249 frames: windows at 0, 75 and 149
    scaled = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    stock, parts = Stock(folder("wav2vec2-group")), []
    for start, (first, end) in {0: (0, 87), 75: (87, 162), 149: (162, 249)}.items():
        stop = start * 320 + 99 * 320 + 400 if start < 149 else len(samples)
        values = torch.from_numpy(scaled[start * 320 : stop])[None]
        parts.append(stock.states(input_values=values)[-1][first - start : end - start])
    found = encode(encoder_of(folder("wav2vec2-group"), window=WINDOW), [clip(5 * RATE)])[0]
    same(found, torch.cat(parts))


def test_each_window_of_whisper_is_the_stock_model_on_it(folder):
    samples = clip(5 * RATE).samples  # 250 frames: windows at 0, 75 and 150
    stock = Stock(folder("whisper"))
    cuts = [(0, 0, 87), (75, 87, 162), (150, 162, 250)]
    parts = [
        stock(samples[start * 320 : start * 320 + 32000])[-1][first - start : end - start]
        for start, first, end in cuts
    ]
    found = encode(encoder_of(folder("whisper"), window=WINDOW), [clip(5 * RATE)])[0]
    same(found, torch.cat(parts))


def test_long_and_short_clips_of_a_batch_do_not_change_each_other(folder):
    encoder, inputs = encoder_of(folder("hubert"), window=WINDOW), clips((90000, 8000, 150001))
    for one, together in zip(inputs, encode(encoder, inputs), strict=True):
        same(together, encode(encoder, [one])[0])


@each_kind
def test_bf16_gives_float32_rows_that_point_the_same_way(kind, folder):
    inputs = clips(SAMPLES[1:3])
    exact = encode(encoder_of(folder(kind)), inputs)
    for one, wanted in zip(
        encode(encoder_of(folder(kind), precision="bf16"), inputs), exact, strict=True
    ):
        assert one.dtype == torch.float32
        assert not torch.equal(one, wanted)
        assert torch.cosine_similarity(one, wanted, dim=-1).min() > 0.995


@pytest.mark.skipif(torch.accelerator.is_available(), reason="fp16 works where there is a GPU")
def test_fp16_without_a_gpu_is_an_error_at_build(folder):
    with pytest.raises(ConfigError, match="fp16 needs a GPU; bf16"):
        encoder_of(folder("hubert"), precision="fp16")


@each_kind
def test_the_model_is_frozen_and_nothing_in_it_is_drawn_at_random(kind, folder):
    encoder = encoder_of(folder(kind))
    assert not any(one.requires_grad for one in encoder.parameters())
    assert not encoder.model.training
    config = encoder.model.config
    assert getattr(config, "layerdrop", 0) == getattr(config, "encoder_layerdrop", 0) == 0
    assert not config.apply_spec_augment
    assert {one.dtype for one in encoder.parameters()} == {torch.float32}


def test_a_copy_of_the_encoder_hears_its_own_padding(folder):
    encoder = copy.deepcopy(encoder_of(folder("data2vec-audio")))
    inputs = clips(SAMPLES[:3])
    for one, together in zip(inputs, encode(encoder, inputs), strict=True):
        same(together, encode(encoder, [one])[0])


def test_a_group_norm_of_valid_steps_is_torchs_on_the_row_cut_to_its_length():
    torch.manual_seed(0)
    norm = torch.nn.GroupNorm(5, 5)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    valid = Valid(kernel=10, stride=5)
    valid.tell(torch.tensor([60, 24]), torch.tensor([1, 1]))  # 11 and 3 steps
    x = torch.randn(2, 5, 11)
    x[1, :, 3:] = 1e3
    found = ValidGroupNorm(norm, valid)(x)
    same(found[0], norm(x[:1])[0])
    same(found[1, :, :3], norm(x[1:, :, :3])[0])


def test_a_layer_out_of_range_is_an_error_that_names_the_range(folder):
    for layer in (4, -5):
        with pytest.raises(ConfigError, match=r"layer -?\d is not there: -4 … 3, last or weighted"):
            encoder_of(folder("hubert"), layer=layer)


def test_a_text_model_is_an_error_that_names_the_kinds(tmp_path):
    hf.BertConfig(hidden_size=16).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"type bert; speech is read by .*wav2vec2.*whisper"):
        encoder_of(str(tmp_path))


def test_a_model_whose_code_is_not_in_transformers_is_never_run(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"model_type": "own", "auto_map": {"AutoConfig": "a.B"}}'
    )
    with pytest.raises(ConfigError, match="type 'own', which transformers does not know"):
        encoder_of(str(tmp_path))


def test_a_name_that_cannot_be_fetched_says_how_to_fetch_it(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match=r"hf download none/such --revision v2$"):
        encoder_of("none/such", revision="v2")


def test_a_folder_that_lacks_a_part_says_which(folder, tmp_path):
    with pytest.raises(MissingError, match=r"holds no config\.json"):
        encoder_of(str(tmp_path))
    hf.AutoConfig.from_pretrained(folder("hubert")).save_pretrained(tmp_path)
    with pytest.raises(MissingError, match=r"cannot be loaded: .*preprocessor_config\.json"):
        encoder_of(str(tmp_path))
    hf.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(MissingError, match=r"cannot be loaded: .*model\.safetensors"):
        encoder_of(str(tmp_path))


def test_weights_that_would_be_random_or_are_damaged_are_an_error(folder, tmp_path):
    model = hf.AutoModel.from_pretrained(folder("hubert"))
    weights = {key: one for key, one in model.state_dict().items() if "encoder.layers.2" not in key}
    model.save_pretrained(tmp_path, state_dict=weights)
    hf.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(MissingError, match=r"lacks 16 weights .* such as encoder\.layers\.2\."):
        encoder_of(str(tmp_path))
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MissingError, match="cannot be loaded"):
        encoder_of(str(tmp_path))


def test_a_window_that_cannot_work_is_an_error(folder):
    with pytest.raises(ConfigError, match=r"hears 30 s at a time, so it needs a window"):
        encoder_of(folder("whisper"), window=None)
    with pytest.raises(ConfigError, match=r"window\.seconds is 31; the model hears 30"):
        encoder_of(folder("whisper"), window={"seconds": 31})
    with pytest.raises(ConfigError, match=r"window\.overlap \(2 s\) must be shorter"):
        encoder_of(folder("hubert"), window={"seconds": 2, "overlap": 2})


@pytest.mark.parametrize("half", [None, torch.bfloat16])
def test_what_is_done_once_to_the_weights_changes_no_bit(half):
    torch.manual_seed(0)
    conv = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(4, 6, 3), dim=2)
    network = torch.nn.Sequential(conv, torch.nn.LayerNorm(8), torch.nn.Linear(8, 5)).eval()
    x = torch.randn(2, 4, 10)

    def run():
        with torch.inference_mode(), torch.autocast("cpu", half, enabled=half is not None):
            return network(x)

    before = run()
    _hf.lighten(network, half)
    assert torch.equal(run(), before)
    assert not torch.nn.utils.parametrize.is_parametrized(conv)
    assert network[1].weight.dtype == torch.float32
    assert network[2].weight.dtype == (half or torch.float32)
