"""Rows of frames in memory: batches, parts, scaling, the matrix for classical learners."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from multimodal_ser.features.batches import Dataset, Ragged, Scaling, scale_by_speaker
from multimodal_ser.types import ConfigError

EMPTY = np.zeros((0, 2), np.float32)


def frames(*first):
    """`[T, 2]`: each frame a number and ten times it."""
    return np.array([[one, 10 * one] for one in first], np.float32)


ROWS = [frames(1, 2, 3), None, frames(4), EMPTY, frames(5, 6)]


def dataset(**features):
    count = len(next(iter(features.values()))) if features else 0
    truth = torch.eye(3)[torch.arange(count) % 3]
    return Dataset(features, {"label": truth}, np.arange(count))


def pooled_rows(*first):
    return Ragged.of([None if one is None else frames(one) for one in first])


def test_a_batch_is_padded_with_zeros_to_its_longest_row():
    batch = Ragged.of(ROWS).batch(torch.tensor([4, 2]))
    assert batch.x.tolist() == [[[5, 50], [6, 60]], [[4, 40], [0, 0]]]
    assert batch.mask.tolist() == [[True, True], [True, False]]


def test_a_missing_row_has_no_valid_frame_and_at_least_one_padded():
    batch = Ragged.of(ROWS).batch(torch.tensor([1, 3]))
    assert batch.x.tolist() == [[[0, 0]], [[0, 0]]]
    assert batch.mask.tolist() == [[False], [False]]
    assert batch.present.tolist() == [False, False]


def test_rows_that_are_all_missing_still_make_a_batch():
    batch = Ragged.of([None, None]).batch(torch.tensor([1, 0]))
    assert batch.x.shape[:2] == (2, 1)
    assert not batch.present.any()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_batch_and_any_part_hold_the_rows_asked_for(data):
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=8))
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=10))
    counter = iter(range(1, 100))
    rows = [frames(*(next(counter) for _ in range(length))).reshape(-1, 2) for length in lengths]
    ragged = Ragged.of(rows)
    part = ragged.take(np.array(chosen))
    for batch in (ragged.batch(torch.tensor(chosen)), part.batch(torch.arange(len(chosen)))):
        for x, mask, row in zip(batch.x, batch.mask, chosen, strict=True):
            np.testing.assert_array_equal(x[mask].numpy(), rows[row])
            assert not x[~mask].any()


def test_a_part_without_any_frame_keeps_its_width():
    part = Ragged.of(ROWS).take(np.array([1, 3]))
    assert (len(part), part.dim) == (2, 2)


def test_a_batch_shares_no_memory_with_the_rows():
    ragged = Ragged.of(ROWS)
    ragged.batch(torch.tensor([0])).x.fill_(99)
    assert ragged.batch(torch.tensor([0])).x[0, 0].tolist() == [1, 10]


def test_scaling_is_by_the_mean_and_deviation_of_all_frames():
    scaling = Scaling.fit(Ragged.of(ROWS))
    everything = np.concatenate([row for row in ROWS if row is not None]).astype(np.float64)
    np.testing.assert_allclose(scaling.centre, everything.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scaling.spread, everything.std(0), rtol=1e-6)
    scaled = scaling.apply(Ragged.of([frames(7), None]))
    expected = (frames(7) - everything.mean(0)) / everything.std(0)
    np.testing.assert_allclose(scaled.frames, expected, rtol=1e-5)
    assert scaled.lengths.tolist() == [1, 0]


def test_scaling_uses_only_the_rows_that_it_is_fitted_on():
    known = Ragged.of(ROWS)
    with_others = Ragged.of([*ROWS, frames(1000)])
    fitted = Scaling.fit(with_others.take(np.arange(5)))
    assert torch.equal(fitted.centre, Scaling.fit(known).centre)
    assert torch.equal(fitted.spread, Scaling.fit(known).spread)


def test_a_column_that_does_not_vary_is_only_centred():
    rows = Ragged.of([np.array([[3.0, 1.0], [3.0, 2.0]], np.float32)])
    scaled = Scaling.fit(rows).apply(rows).frames
    assert scaled.tolist() == [[0, -1], [0, 1]]


def test_a_constant_column_of_many_frames_is_not_blown_up_by_rounding():
    rows = Ragged.of([np.full((1000, 1), 1234.567, np.float32)])
    assert not Scaling.fit(rows).apply(rows).frames.any()


def test_scaling_a_large_offset_keeps_its_digits():
    rows = Ragged.of([np.array([[1e6 - 1], [1e6 + 1]], np.float32)])
    np.testing.assert_allclose(Scaling.fit(rows).apply(rows).frames, [[-1], [1]], rtol=1e-6)


def test_scaling_rows_that_are_all_missing_does_nothing():
    rows = Ragged.of(ROWS).take(np.array([1, 3]))
    assert Scaling.fit(rows).spread.tolist() == [1, 1]


def test_each_speaker_is_scaled_by_its_own_clips():
    rows = Ragged.of([frames(1, 3), frames(100), None, frames(5), frames(300)])
    scaled = scale_by_speaker(rows, np.array([0, 1, 0, 0, 1]))
    own = np.array([1.0, 3.0, 5.0])
    first, third, fifth = (own - own.mean()) / own.std()
    expected = [first, third, -1, fifth, 1]  # 100 and 300: mean 200, deviation 100
    np.testing.assert_allclose(scaled.frames[:, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(scaled.frames[:, 1], expected, rtol=1e-5)
    assert scaled.lengths.tolist() == rows.lengths.tolist()


def test_unknown_speakers_are_scaled_together_so_that_a_single_clip_keeps_its_meaning():
    rows = Ragged.of([frames(1), frames(3), frames(7, 8)])
    scaled = scale_by_speaker(rows, np.array([-1, -1, 0]))
    np.testing.assert_allclose(scaled.frames[:, 0], [-1, 1, -1, 1], rtol=1e-5)


def test_scaling_by_speaker_leaves_the_rows_it_was_given():
    rows = Ragged.of([frames(1, 3)])
    scale_by_speaker(rows, np.array([0]))
    assert rows.frames[:, 0].tolist() == [1, 3]


def test_pooled_puts_encoders_side_by_side_with_zeros_for_the_missing():
    data = dataset(audio=pooled_rows(1, None), text=pooled_rows(3, 4))
    matrix = data.pooled()
    assert isinstance(matrix, np.ndarray)
    assert matrix.tolist() == [[1, 10, 3, 30], [0, 0, 4, 40]]


def test_pooled_is_sparse_as_soon_as_one_encoder_is():
    words = sparse.csr_array(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 5.0]]))
    matrix = dataset(audio=pooled_rows(1, None), text=words).pooled()
    assert sparse.issparse(matrix)
    assert matrix.format == "csr"
    assert matrix.toarray().tolist() == [[1, 10, 0, 2, 0], [0, 0, 0, 0, 5]]


def test_a_sequence_where_a_vector_is_wanted_names_the_encoder_and_the_remedy():
    with pytest.raises(ConfigError, match=r"encoders\.audio .*\n?.*set pool: mean or mean_std"):
        dataset(audio=Ragged.of([frames(1, 2)]), text=pooled_rows(1)).pooled()


@pytest.mark.parametrize("order", [None, [4, 0, 3, 1, 2]])
def test_batches_give_every_row_once_with_its_own_target(order):
    data = dataset(audio=pooled_rows(0, 1, 2, 3, 4))
    batches = list(data.batches(2, None if order is None else torch.tensor(order)))
    seen = torch.cat([batch.features["audio"].x[:, 0, 0] for batch in batches]).tolist()
    truth = torch.cat([batch.targets["label"] for batch in batches])
    assert [len(batch.targets["label"]) for batch in batches] == [2, 2, 1]
    assert [batch.weights for batch in batches] == [None] * 3
    assert seen == (order or [0, 1, 2, 3, 4])
    assert truth.argmax(1).tolist() == [int(row) % 3 for row in seen]


def test_a_batch_has_the_weights_of_its_own_rows():
    data = replace(dataset(audio=pooled_rows(0, 1, 2)), weights=torch.tensor([5.0, 6.0, 7.0]))
    batches = data.batches(2, torch.tensor([2, 0, 1]))
    assert [batch.weights.tolist() for batch in batches] == [[7, 5], [6]]


def test_an_epoch_has_every_row_once_or_is_drawn_by_sampling():
    plain = dataset(audio=pooled_rows(*range(50)))
    assert sorted(plain.epoch(torch.Generator().manual_seed(0)).tolist()) == list(range(50))
    often = torch.cat([torch.full((25,), 3.0), torch.ones(24), torch.zeros(1)])
    drawn = replace(plain, sampling=often)
    generator = torch.Generator().manual_seed(0)
    counts = torch.stack([drawn.epoch(generator).bincount(minlength=50) for _ in range(400)])
    shares = counts.sum(0) / counts.sum()
    assert shares[49] == 0
    np.testing.assert_allclose(shares[:25].sum(), 75 / 99, atol=0.01)
