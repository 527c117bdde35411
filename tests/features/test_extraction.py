"""How rows come about: heard while decoding, by workers, or beside an accelerator: the same."""

import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file, save_file

from multimodal_ser.config import registry
from multimodal_ser.config.contracts import completed
from multimodal_ser.config.registry import build
from multimodal_ser.features import extraction
from multimodal_ser.features.contents import audio_contents, text_content
from multimodal_ser.features.encode import OnDecode, encode
from multimodal_ser.features.encoders import _tokens, hf_text
from multimodal_ser.features.extraction import find_device
from multimodal_ser.types import ConfigError, DataError, Input, Utterance

MFCC = {"n_mfcc": 8, "sample_rate": 8000, "pool": "mean_std"}
FRAMES = {**MFCC, "pool": "none"}
CPU = torch.device("cpu")


@pytest.fixture
def clips(tmp_path):
    """Five clips of noise, and one utterance without sound."""
    generator = np.random.default_rng(0)
    found = [Utterance("silent")]
    for number in range(5):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, generator.normal(0, 0.1, 4000 + 700 * number), 8000)
        found.append(Utterance(f"u{number}", audio=path))
    return found


def heard(clips, root, *encoders):
    on_decode = OnDecode(encoders, root)
    contents = audio_contents(clips, root, workers=1, on_decode=on_decode)
    on_decode.close()
    return contents


def test_what_a_light_encoder_hears_is_what_it_encodes_and_is_not_computed_again(
    clips, tmp_path, monkeypatch
):
    there, here = tmp_path / "there", tmp_path / "here"
    plain = encode("mfcc", MFCC, clips, audio_contents(clips, there), there, workers=2)
    contents = heard(clips, here, ("mfcc", MFCC), ("mfcc", FRAMES))
    monkeypatch.setattr(
        "multimodal_ser.features.encode.fill", lambda *_, **__: pytest.fail("computed again")
    )
    ours = encode("mfcc", MFCC, clips, contents, here)
    assert ours.keys == plain.keys
    for mine, theirs in zip(ours.load(), plain.load(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_encoder_of_frames_does_not_listen_in(clips, tmp_path):
    assert OnDecode([("mfcc", FRAMES), ("log_mel", {})], tmp_path).encoders == []


def test_a_file_that_fails_does_not_cost_what_was_decoded_before_it(clips, tmp_path):
    good = clips[-1].audio.read_bytes()
    clips[-1].audio.write_bytes(good[:100])
    with pytest.raises(DataError, match="1 segments cannot be read"):
        heard(clips, tmp_path, ("mfcc", MFCC))
    (noted,) = (tmp_path / "contents").glob("*.json")
    assert len(json.loads(noted.read_text())) == 4
    clips[-1].audio.write_bytes(good)
    assert sum(one is not None for one in heard(clips, tmp_path)) == 5


def test_features_that_are_not_finite_are_named_by_encoder_and_utterance(clips, tmp_path):
    contents = audio_contents(clips, tmp_path, workers=1)
    (batch,) = extraction.plan(registry.find("encoders", "mfcc"), clips, contents, CPU)

    class Broken(torch.nn.Module):
        def prepare(self, inputs):
            return {"rows": torch.full((len(inputs), 1, 2), torch.nan)}

        def forward(self, rows):
            return extraction.Features(rows, torch.ones(rows.shape[:2], dtype=torch.bool))

    inputs = [extraction.read_input(one, "audio") for one, _ in batch]
    with pytest.raises(DataError, match=r"5 utterances got NaN or infinite features from"):
        extraction.encoded_rows(
            completed("encoders", "broken", Broken)(), inputs, [one.id for one, _ in batch]
        )


def test_an_encoder_beside_its_loaders_gives_the_rows_and_remarks_of_the_workers(tmp_path):
    options = {"revision": None, "max_length": 9, "precision": "fp32", "pool": "mean"}
    options |= {"layer": "weighted", **hf_text.EXAMPLE(tmp_path)}
    rows = [Utterance(f"u{row}", text="qué alegría" * row) for row in range(1, 9)]
    contents = [text_content(one) for one in rows]
    batches = extraction.plan(hf_text.Encoder, rows, contents, torch.device("cuda"))
    jobs = [("hf_text", options, "", [one for one, _ in batch]) for batch in batches]
    beside = [row for batch in extraction.encode_on_device(jobs, CPU, 1, "") for row in batch]
    workers = [row for job in jobs for row in extraction.encode_batch(*job)]
    assert [remark for _, remark in beside] == [remark for _, remark in workers]
    assert any(remark for _, remark in beside)
    for (mine, _), (theirs, _) in zip(beside, workers, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_an_accelerator_gets_larger_batches():
    rows = [Utterance(f"u{row}", text=f"texto {row:04d}" * 20) for row in range(100)]
    contents = [text_content(one) for one in rows]
    sizes = {
        kind: len(extraction.plan(hf_text.Encoder, rows, contents, torch.device(kind)))
        for kind in ("cpu", "cuda")
    }
    assert sizes == {"cpu": 5, "cuda": 1}


def test_an_encoder_that_only_prepares_holds_no_weights(tmp_path):
    options = json.dumps(hf_text.EXAMPLE(tmp_path))
    front = extraction.built_to_prepare("hf_text", options, "")
    assert {one.device.type for one in front.parameters()} == {"meta"}


def test_a_device_that_is_not_there_is_said():
    assert find_device("cpu") == CPU
    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    assert find_device("auto") == CPU
    with pytest.raises(ConfigError, match="this machine has only a CPU, not cuda"):
        find_device("cuda")


@pytest.mark.parametrize("lengths", [[3, 500, 4, 600, 5, 5], [1], [700, 700], list(range(1, 200))])
def test_rows_of_like_length_run_together_within_the_tokens_of_a_call(lengths):
    groups = _tokens.alike(lengths, CPU)
    assert sorted(row for rows, _ in groups for row in rows) == list(range(len(lengths)))
    for rows, longest in groups:
        assert longest == max(lengths[row] for row in rows)
        assert len(rows) == 1 or len(rows) * longest <= _tokens._TOKENS_CPU
    spans = [(min(lengths[row] for row in rows), longest) for rows, longest in groups]
    assert all(high <= low for (_, high), (low, _) in pairwise(spans))


def test_other_weights_in_the_same_folder_are_loaded_anew_also_by_workers_that_knew_the_old(
    tmp_path,
):
    options = {"revision": None, "max_length": None, "precision": "fp32", "pool": "mean"}
    options |= {"layer": "last", **hf_text.EXAMPLE(tmp_path / "model")}
    rows = [Utterance("u", text="qué alegría")]
    contents = [text_content(one) for one in rows]
    first = encode("hf_text", options, rows, contents, tmp_path / "cache", workers=1).load()[0]
    (weights,) = (tmp_path / "model").rglob("*.safetensors")
    changed = {name: one * 1.5 for name, one in load_file(weights).items()}
    save_file(changed, weights, {"format": "pt"})
    second = encode("hf_text", options, rows, contents, tmp_path / "cache", workers=1).load()[0]
    fresh = encode("hf_text", options, rows, contents, tmp_path / "other", workers=1).load()[0]
    assert not np.allclose(first, second)
    with torch.inference_mode():
        encoder = build("encoders", "hf_text", options).eval()
        alone = encoder(**encoder.prepare([Input(text="qué alegría")])).x[0]
    np.testing.assert_allclose(second, alone, atol=1e-6)
    np.testing.assert_array_equal(second, fresh)
