"""The losses of the memes study, against values computed by hand and against their sources."""

import math

import pytest
import torch
import torch.nn.functional as F

from lib.memes.nets.losses import (
    DB_PAPER,
    NTR_RELEASED,
    Balance,
    bce,
    class_balanced,
    class_bias,
    distribution_balanced,
    focal,
    make_loss,
    rebalance,
)

COUNTS = torch.tensor([285.0, 663, 541, 228])  # positives among 2400 labelled rows of MAMI
NO_LABEL = torch.zeros(1, 4)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values])


def test_cross_entropy_and_focal_by_hand():
    logits, targets = row(2.0, -1.0), row(1.0, 1.0)
    p = [sigmoid(2.0), sigmoid(-1.0)]
    assert bce(logits, targets).item() == pytest.approx(-sum(map(math.log, p)) / 2, rel=1e-5)
    expected = -sum((1 - q) ** 2 * math.log(q) for q in p) / 2
    assert focal(logits, targets).item() == pytest.approx(expected, rel=1e-5)
    assert focal(logits, targets, 0.0).item() == pytest.approx(bce(logits, targets).item())
    assert focal(-logits, 1 - targets).item() == pytest.approx(expected, rel=1e-5)


def test_class_balanced_by_hand():
    loss = class_balanced(torch.tensor([1.0, 3.0]), beta=0.5)
    raw = [0.5 / (1 - 0.5), 0.5 / (1 - 0.125)]
    weights = [w / (sum(raw) / 2) for w in raw]
    assert loss(row(0.0, 0.0), row(1.0, 0.0)).item() == pytest.approx(math.log(2))
    expected = weights[0] * math.log(1 + math.exp(-3)) + weights[1] * math.log(2)
    assert loss(row(3.0, 0.0), row(1.0, 0.0)).item() == pytest.approx(expected / 2, rel=1e-5)


def test_weights_of_rows_by_hand():
    targets = row(1.0, 0.0, 0.0, 1.0)
    whole = 1 / 285 + 1 / 228
    expected = [0.1 + sigmoid(10 * (1 / n / whole - 0.2)) for n in COUNTS.tolist()]
    assert rebalance(targets, COUNTS, DB_PAPER)[0].tolist() == pytest.approx(expected, rel=1e-5)
    single = rebalance(row(0.0, 1.0, 0.0, 0.0), COUNTS, DB_PAPER)[0, 1].item()
    assert single == pytest.approx(0.1 + sigmoid(8.0), rel=1e-5)


def test_a_row_without_labels_has_the_limit_of_the_weight_and_a_gradient():
    assert rebalance(NO_LABEL, COUNTS, DB_PAPER).tolist() == [[pytest.approx(1.1)] * 4]
    assert rebalance(NO_LABEL, COUNTS, NTR_RELEASED).tolist() == [[11.0] * 4]
    logits = torch.zeros(1, 4, requires_grad=True)
    distribution_balanced(COUNTS, 2400)(logits, NO_LABEL).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad > 0).all()


def test_the_released_weights_hardly_differ():
    sets = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)[1:]
    weights = rebalance(sets, COUNTS, NTR_RELEASED)
    assert weights.min() >= 10.495
    assert weights.max() <= 10.645


def test_bias_is_that_of_the_spec():
    unscaled = class_bias(COUNTS, 2400, Balance(kappa=1.0, scale=1.0))
    assert unscaled.tolist() == pytest.approx([-2.00, -0.96, -1.23, -2.25], abs=0.01)
    released = class_bias(COUNTS, 2400, NTR_RELEASED)
    torch.testing.assert_close(released, unscaled * 0.1 / 5)


@pytest.mark.parametrize("settings", [DB_PAPER, NTR_RELEASED])
def test_both_branches_by_hand(settings):
    targets, logits = row(1.0, 0.0, 0.0, 0.0), [0.7, -0.4, 0.2, -1.5]
    total = 0.0
    for c, z in enumerate(logits):
        n = COUNTS[c].item()
        share = (1 / n) / (1 / 285)
        weight = settings.alpha + sigmoid(settings.beta * (share - settings.mu))
        u = z - math.log(2400 / n - 1) * settings.kappa / settings.scale
        scale = 1.0 if c == 0 else settings.scale
        p = sigmoid(u) if c == 0 else 1 - sigmoid(scale * u)
        power = 2 * (1 - p) ** 2 if settings.focal else 1.0
        total -= power * weight / scale * math.log(p)
    loss = distribution_balanced(COUNTS, 2400, settings)
    assert loss(row(*logits), targets).item() == pytest.approx(total / 4, rel=1e-5)


def test_logits_are_not_changed_and_the_mean_is_over_rows():
    logits = torch.tensor([[0.3, -0.2, 0.1, 0.9]] * 2)
    targets = torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0]])
    before = logits.clone()
    loss = distribution_balanced(COUNTS, 2400)
    halves = [loss(logits[i : i + 1], targets[i : i + 1]) for i in (0, 1)]
    torch.testing.assert_close(loss(logits, targets), sum(halves) / 2)
    assert torch.equal(logits, before)


def test_models_side_by_side_have_their_own_means():
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 5, 4), (torch.rand(3, 5, 4) < 0.3).float()
    for name in ("bce", "focal", "class_balanced", "db_focal_paper", "ntr_bce_released"):
        loss = make_loss(name, targets.flatten(0, 1))
        alone = torch.stack([loss(*one) for one in zip(logits, targets, strict=True)])
        torch.testing.assert_close(loss(logits, targets), alone)


def test_confident_negatives_pull_less_under_the_tolerant_branch():
    """The branch is (1/lambda) log(1 + exp(lambda z)): an easy negative's gradient vanishes."""
    pull = []
    for loss in (bce, distribution_balanced(COUNTS, 2400, NTR_RELEASED)):
        logits = torch.full((2, 4), -2.0, requires_grad=True)
        with torch.no_grad():
            logits[1] = 0.0
        loss(logits, torch.zeros(2, 4)).backward()
        pull.append((logits.grad[0] / logits.grad[1]).mean().item())
    assert pull[1] < 0.1 * pull[0]


def test_classes_without_positives_or_negatives_stay_finite():
    targets = torch.tensor([[0.0, 1, 1], [0, 1, 0]])
    for name in ("bce", "focal", "class_balanced", "db_focal_paper", "ntr_bce_released"):
        value = make_loss(name, targets)(torch.randn(2, 3), targets)
        assert torch.isfinite(value), name
        assert value > 0, name


def test_losses_by_name():
    targets = (torch.arange(40).reshape(10, 4) % 3 == 0).float()
    logits = torch.linspace(-2, 2, 40).reshape(10, 4)
    expected = F.binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(make_loss("bce", targets)(logits, targets), expected)
    made = [make_loss(n, targets)(logits, targets).item() for n in
            ("bce", "focal", "class_balanced", "db_focal_paper", "ntr_bce_released")]  # fmt: skip
    assert len(set(made)) == 5
    for name in ("focal", "db_focal_paper"):
        same, other = (make_loss(name, targets, gamma)(logits, targets) for gamma in (2.0, 1.0))
        torch.testing.assert_close(same, make_loss(name, targets)(logits, targets))
        assert other > same
    torch.testing.assert_close(make_loss("focal", targets, 0.0)(logits, targets), expected)
    with pytest.raises(ValueError, match=r"^focal_gamma: the loss bce has none"):
        make_loss("bce", targets, 2.0)
    with pytest.raises(ValueError, match=r"^loss: must be one of bce, .*'asl'"):
        make_loss("asl", targets)
    with pytest.raises(ValueError, match=r"^scale: "):
        Balance(scale=0).validate()
    with pytest.raises(ValueError, match=r"do not fit into 100 rows"):
        distribution_balanced(COUNTS, 100)
