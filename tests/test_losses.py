"""Losses against PyTorch, scikit-learn and the formula."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from multimodal_ser.losses import FOR, balanced_weights, ccc, cross_entropy, mse

CODES = torch.tensor([0, 2, 1, 2, 2, 0])


@pytest.fixture
def logits():
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def one_hot(codes):
    return functional.one_hot(codes, 3).float()


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0])])
def test_hard_labels_give_pytorchs_cross_entropy(logits, weights):
    expected = functional.cross_entropy(logits, CODES, weight=weights)
    rows = None if weights is None else weights[CODES]
    torch.testing.assert_close(cross_entropy(logits, one_hot(CODES), rows), expected)


def test_soft_targets_give_the_formula(logits):
    truth = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    shares = np.exp(logits[:2].numpy()) / np.exp(logits[:2].numpy()).sum(1, keepdims=True)
    expected = -(truth.numpy() * np.log(shares)).sum() / 2
    assert cross_entropy(logits[:2], truth).item() == pytest.approx(expected, rel=1e-5)


def test_soft_targets_are_weighted_by_the_weight_of_their_row(logits):
    truth = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    logs = torch.log_softmax(logits[:2], 1)
    total = -(2 * (0.5 * logs[0, 0] + 0.5 * logs[0, 1]) + 5 * logs[1, 2])
    found = cross_entropy(logits[:2], truth, torch.tensor([2.0, 5.0]))
    torch.testing.assert_close(found, total / (2 + 5))


def test_a_row_without_truth_changes_nothing(logits):
    truth = one_hot(CODES)
    truth[3] = 0
    kept = [0, 1, 2, 4, 5]
    torch.testing.assert_close(
        cross_entropy(logits, truth), cross_entropy(logits[kept], truth[kept])
    )


def test_a_batch_without_any_truth_gives_zero_and_a_zero_gradient(logits):
    logits.requires_grad_()
    loss = cross_entropy(logits, torch.zeros(6, 3))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(6, 3))


def test_huge_logits_stay_finite():
    loss = cross_entropy(torch.tensor([[1e4, -1e4, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]]))
    assert loss.item() == pytest.approx(2e4)


def test_balanced_weights_are_scikit_learns():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=CODES.numpy())
    np.testing.assert_allclose(balanced_weights(one_hot(CODES)).numpy(), expected, rtol=1e-6)


def test_balanced_weights_make_classes_count_alike():
    counts = one_hot(CODES).sum(0)
    torch.testing.assert_close(balanced_weights(one_hot(CODES)) * counts, torch.full((3,), 2.0))


def test_a_class_without_rows_weighs_nothing_and_does_not_count():
    # 6 rows over the 2 classes present: 6 / (2 · 4) and 6 / (2 · 2)
    truth = one_hot(torch.tensor([0, 0, 0, 0, 2, 2]))
    torch.testing.assert_close(balanced_weights(truth), torch.tensor([0.75, 0.0, 1.5]))


def test_votes_are_counted_by_their_shares():
    truth = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]])  # 2 rows' worth and 1
    torch.testing.assert_close(balanced_weights(truth), torch.tensor([0.75, 1.5]))


NUMBERS = torch.tensor([[1.0], [2.0], [4.0], [3.0]])
SAID = torch.tensor([[1.5], [1.0], [3.0], [4.0]])


def lin(truth, said):
    """1 − concordance by NumPy's own moments."""
    covariance = np.cov(truth, said, ddof=0)
    distance = (truth.mean() - said.mean()) ** 2
    return 1 - 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + distance)


def test_the_loss_of_concordance_is_one_less_lins_formula():
    expected = lin(NUMBERS.numpy()[:, 0], SAID.numpy()[:, 0])
    assert ccc(SAID, NUMBERS).item() == pytest.approx(expected, rel=1e-6)
    assert ccc(NUMBERS, NUMBERS).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [ccc, mse])
def test_a_whole_weight_is_a_repetition_of_the_row(loss):
    repeated = [0, 0, 0, 1, 2, 2, 3]
    weights = torch.tensor([3.0, 1.0, 2.0, 1.0])
    torch.testing.assert_close(
        loss(SAID, NUMBERS, weights), loss(SAID[repeated], NUMBERS[repeated])
    )


@pytest.mark.parametrize("loss", [ccc, mse])
def test_a_number_that_is_not_known_changes_nothing_not_even_a_gradient(loss):
    truth = NUMBERS.clone()
    truth[2] = torch.nan
    said = SAID.clone().requires_grad_()
    kept = [0, 1, 3]
    found = loss(said, truth)
    torch.testing.assert_close(found, loss(SAID[kept], NUMBERS[kept]))
    found.backward()
    assert said.grad.isfinite().all()
    assert said.grad[2] == 0


@pytest.mark.parametrize("loss", [ccc, mse])
def test_a_batch_that_knows_nothing_or_does_not_vary_stays_finite(loss):
    for truth in (torch.full((4, 1), torch.nan), torch.ones(4, 1)):
        said = torch.ones(4, 1, requires_grad=True)
        value = loss(said, truth)
        value.backward()
        assert value.isfinite() and said.grad.isfinite().all()


def test_mse_is_pytorchs():
    torch.testing.assert_close(mse(SAID, NUMBERS), functional.mse_loss(SAID, NUMBERS))


def test_each_kind_of_output_has_its_losses():
    assert {kind: list(known) for kind, known in FOR.items()} == {
        "classes": ["cross_entropy"],
        "numbers": ["ccc", "mse"],
    }
