"""Losses against PyTorch, scikit-learn, the formula, and values worked out by hand."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from multimodal_ser.config.outputs import FOR, Output
from multimodal_ser.training.losses import (
    BATCHWISE,
    adjusted,
    balanced_weights,
    binary_cross_entropy,
    ccc,
    cross_entropy,
    effective_weights,
    focal,
    losses_of,
    make,
    mse,
    prior_of,
    smoothed,
)

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
        "classes": ["cross_entropy", "focal"],
        "labels": ["binary_cross_entropy"],
        "numbers": ["ccc", "mse"],
    }


def double(rows=6, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, classes, dtype=torch.float64, generator=generator)


SOFT = torch.softmax(double(seed=1), 1)
ROWS = torch.tensor([1.0, 0.5, 2.0, 3.0, 0.0, 1.5], dtype=torch.float64)


def probabilities(logits):
    """Softmax by NumPy, as it is written down."""
    powers = np.exp(logits.numpy())
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("weights", [None, ROWS])
def test_focal_is_the_formula_over_hard_and_soft_truth(gamma, weights):
    logits = double()
    for truth in (one_hot(CODES).double(), SOFT):
        p, y = probabilities(logits), truth.numpy()
        row = -(y * (1 - p) ** gamma * np.log(p)).sum(1)
        weigh = np.ones(6) if weights is None else weights.numpy()
        expected = (weigh * row).sum() / weigh.sum()
        assert focal(logits, truth, weights, gamma=gamma).item() == pytest.approx(expected)


def test_focal_by_hand_on_a_coin():
    """p of the true class 1/2: (1/2)² · ln 2; with logits 0 and ln 3 it is 3/4: (1/4)² · ln 4/3."""
    logits = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    truth = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert focal(logits, truth).item() == pytest.approx(np.log(2) / 4)
    logits = torch.tensor([[0.0, np.log(3)]], dtype=torch.float64)
    assert focal(logits, truth).item() == pytest.approx(np.log(4 / 3) / 16)


def test_focal_without_gamma_is_cross_entropy():
    torch.testing.assert_close(
        focal(double(), SOFT, ROWS, gamma=0.0), cross_entropy(double(), SOFT, ROWS)
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_of_a_sure_answer_has_a_finite_gradient(gamma):
    """Where p is 1 the power of 1 − p has none of its own below γ = 1."""
    for sign in (1, -1):
        logits = torch.tensor([[sign * 200.0, 0.0]], requires_grad=True)
        loss = focal(logits, torch.tensor([[1.0, 0.0]]), gamma=gamma)
        loss.backward()
        assert loss.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weights", [None, ROWS])
def test_smoothing_is_pytorchs(smoothing, weights):
    found = make("cross_entropy", smoothing=smoothing)(double(), one_hot(CODES).double(), weights)
    each = functional.cross_entropy(double(), CODES, label_smoothing=smoothing, reduction="none")
    weigh = torch.ones(6, dtype=torch.float64) if weights is None else weights
    torch.testing.assert_close(found, (weigh * each).sum() / weigh.sum())


def test_smoothing_by_hand_and_a_row_without_truth_keeps_none():
    truth = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0] * 4, [0.5, 0.5, 0.0, 0.0]])
    expected = [[0.85, 0.05, 0.05, 0.05], [0.0] * 4, [0.45, 0.45, 0.05, 0.05]]
    torch.testing.assert_close(smoothed(truth, 0.2), torch.tensor(expected))


def test_adjusted_logits_are_the_formula_and_a_class_without_rows_is_left_alone():
    prior = torch.tensor([0.75, 0.25, 0.0])
    expected = double() + 1.5 * torch.tensor([np.log(0.75), np.log(0.25), 0.0])
    torch.testing.assert_close(adjusted(double(), prior.double(), 1.5), expected)
    loss = make("cross_entropy", adjustment=1.5, prior=prior.double())
    torch.testing.assert_close(loss(double(), SOFT, ROWS), cross_entropy(expected, SOFT, ROWS))


def test_the_prior_is_the_share_of_each_class_among_the_known_rows():
    truth = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    torch.testing.assert_close(prior_of(truth), torch.tensor([3.5 / 4, 0.5 / 4]))


@pytest.mark.parametrize("adjustment", [0.0, 1.0])
def test_adjustment_learns_the_answer_that_is_right_if_all_classes_were_as_frequent(adjustment):
    """Two coins of ten faces each, seen 900 and 100 times: P(face | class) decides, not the count.

    On face 0 class 0 has 90 of 900 rows and class 1 has 40 of 100: the likelier class is the first
    (90 against 40), the balanced one the second (.1 against .4).
    """
    faces = torch.eye(2, dtype=torch.float64)
    truth = torch.tensor([[90.0, 40.0], [810.0, 60.0]], dtype=torch.float64)
    counts = truth.sum(1)
    table = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    options = {"adjustment": adjustment, "prior": truth.sum(0) / truth.sum()}
    loss = make("cross_entropy", **options)
    descent = torch.optim.LBFGS([table], max_iter=200, line_search_fn="strong_wolfe")

    def step():
        descent.zero_grad()
        value = loss(faces @ table, truth / counts[:, None], counts)
        value.backward()
        return value

    descent.step(step)
    given = truth / (truth.sum(0) if adjustment else 1)
    torch.testing.assert_close(
        torch.softmax(table.detach(), 1), given / given.sum(1, keepdim=True), atol=1e-4, rtol=0
    )
    assert table[0].argmax().item() == (1 if adjustment else 0)


LABELS = torch.tensor([[1.0, 0.0], [torch.nan, 1.0], [0.0, torch.nan], [torch.nan, torch.nan]])


@pytest.mark.parametrize("weights", [None, torch.tensor([2.0, 1.0, 0.5, 7.0]).double()])
def test_labels_are_coins_of_their_own_and_what_is_not_known_is_left_out(weights):
    logits, truth = double(4, 2), LABELS.double()
    p = 1 / (1 + np.exp(-logits.numpy()))
    total, count = 0.0, 0.0
    for row, column in [(0, 0), (0, 1), (1, 1), (2, 0)]:
        right = p[row, column] if truth[row, column] else 1 - p[row, column]
        weight = 1.0 if weights is None else weights[row].item()
        total, count = total - weight * np.log(right), count + weight
    found = binary_cross_entropy(logits.requires_grad_(), truth, weights)
    assert found.item() == pytest.approx(total / count)
    found.backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[3].tolist() == [0, 0] and logits.grad[1, 0] == 0


def test_labels_by_hand_and_far_off_stay_finite():
    """Logits 0 cost ln 2 whatever is true; −1000 for what is true costs 1000."""
    zero = torch.zeros(1, 2, dtype=torch.float64)
    truth = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert binary_cross_entropy(zero, truth).item() == pytest.approx(np.log(2))
    assert binary_cross_entropy(zero - 1000, truth).item() == pytest.approx(500)


PRIOR = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
ROWWISE = {
    "cross_entropy": (cross_entropy, SOFT),
    "focal": (partial(focal, gamma=1.5), SOFT),
    "altered": (
        make("focal", gamma=2, smoothing=0.2, adjustment=1, prior=PRIOR),
        one_hot(CODES).double(),
    ),
    "binary_cross_entropy": (binary_cross_entropy, (SOFT > 0.3).double()),
    "mse": (mse, SOFT[:, :1]),
}


@pytest.mark.parametrize("name", ROWWISE)
def test_gradients_are_those_of_the_value(name):
    loss, truth = ROWWISE[name]
    logits = double()[:, : truth.shape[1]].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda said: loss(said, truth, ROWS), (logits,))


def gradient(loss, said, truth):
    said = said.clone().requires_grad_()
    loss(said, truth, ROWS).backward()
    return said.grad


@pytest.mark.parametrize("name", [*ROWWISE, "ccc"])
def test_a_row_does_not_feel_what_is_said_of_the_others_but_for_those_named(name):
    """So a batch may be cut over devices, if truth and weights are known to all of them."""
    loss, truth = ROWWISE.get(name, (ccc, SOFT[:, :1]))
    said = double()[:, : truth.shape[1]]
    other = said.clone()
    other[1:] += double(seed=2)[1:, : truth.shape[1]]
    one, two = gradient(loss, said, truth)[0], gradient(loss, other, truth)[0]
    assert torch.allclose(one, two, rtol=1e-12, atol=0) is (name not in BATCHWISE)


def test_every_loss_is_either_known_to_go_by_rows_or_named():
    known = {name for names in FOR.values() for name in names}
    assert known == {name for name in ROWWISE if name != "altered"} | set(BATCHWISE)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999])
def test_effective_weights_are_the_formula(beta):
    """(1 − β) / (1 − β^n) of 1, 2 and 3 rows, scaled so that the six rows weigh 1 in the mean."""
    counts = one_hot(CODES).sum(0).numpy().astype(float)
    each = (1 - beta) / (1 - beta**counts)
    expected = each * 6 / (each * counts).sum()
    np.testing.assert_allclose(effective_weights(one_hot(CODES), beta), expected, rtol=1e-5)


def test_effective_weights_go_from_alike_to_balanced():
    truth = one_hot(torch.tensor([0, 0, 0, 0, 2, 2]))  # no row of class 1
    torch.testing.assert_close(effective_weights(truth, 0.0), torch.tensor([1.0, 0.0, 1.0]))
    balanced = balanced_weights(truth)
    torch.testing.assert_close(effective_weights(truth, 1 - 1e-7), balanced, rtol=1e-4, atol=0)


@pytest.mark.parametrize("weight", [0.25, 1.0, 3.0])
def test_the_weight_of_a_target_scales_its_gradient_and_no_other(weight):
    outputs = {"label": Output(), "valence": Output(kind="numbers", loss="mse", weight=weight)}
    truth = {"label": one_hot(CODES).double(), "valence": SOFT[:, :1]}
    shared = double(6, 4, seed=3)
    heads = {name: double(4, one.shape[1], seed=4).requires_grad_() for name, one in truth.items()}
    total = sum(
        count * loss(shared @ heads[name], truth[name], None)
        for name, (loss, count) in losses_of(outputs).items()
    )
    total.backward()
    alone = heads["valence"].detach().clone().requires_grad_()
    mse(shared @ alone, truth["valence"]).backward()
    torch.testing.assert_close(heads["valence"].grad, weight * alone.grad)
    other = heads["label"].detach().clone().requires_grad_()
    cross_entropy(shared @ other, truth["label"]).backward()
    torch.testing.assert_close(heads["label"].grad, other.grad)
