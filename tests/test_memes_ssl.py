"""Semi-supervised methods on features: each loss by hand, and what unlabelled memes teach."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse

from lib.memes.nets.head import RawNCook
from lib.memes.nets.stacking import generators
from lib.memes.ssl.freematch import FreeMatch, fairness, sides
from lib.memes.ssl.label_propagation import neighbours, spread
from lib.memes.ssl.mean_teacher import MeanTeacher
from lib.memes.ssl.pseudo_label import PseudoLabel, guess, masked
from lib.memes.ssl.views import Views
from lib.memes.systems.settings import SslSettings

STILL = SslSettings(noise=0, weak_noise=0, drop=0, modality_drop=0, mixup=0, threshold=0.8)


class Fixed(torch.nn.Module):
    """A head whose logits (K, b, C) are parameters."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits))
        self.output = SimpleNamespace(
            weight=torch.zeros(self.logits.shape[0], 1, self.logits.shape[2])
        )

    def forward(self, features):
        return self.logits


@pytest.fixture
def features():
    torch.manual_seed(0)
    return [torch.randn(2, 50, 6), torch.randn(2, 50, 4)]


def views(settings=STILL):
    training = [torch.randn(200, 6) * 2 + 1, torch.randn(200, 4)]
    return Views(training, settings, generators([0, 1])), training


def entropy(logit, target):
    return math.log(1 + math.exp(-logit if target else logit))


def test_only_sure_entries_become_targets():
    logits = [[[3.0, 0.5], [-3.0, 1.0]]]  # p = .95, .62, .05, .73
    found = PseudoLabel(Fixed(logits), views()[0], STILL).loss([torch.zeros(1, 2, 1)] * 2, 1.0)
    assert found.item() == pytest.approx((entropy(3.0, 1) + entropy(-3.0, 0)) / 4, rel=1e-5)
    half = PseudoLabel(Fixed(logits), views()[0], STILL).loss([torch.zeros(1, 2, 1)] * 2, 0.2)
    assert half.item() == pytest.approx(found.item() / 2)  # warm-up: .2 of .4


def test_masked_counts_all_entries():
    sure = torch.tensor([[[True, False]]])
    found = masked(torch.zeros(1, 1, 2), torch.ones(1, 1, 2), sure)
    assert found.item() == pytest.approx(math.log(2) / 2)


def test_views(features):
    still, _ = views()
    for made in (still.weak(features), still.strong(features)):
        for one, same in zip(made, features, strict=True):
            torch.testing.assert_close(one, same)
    hiding, training = views(SslSettings(noise=0, drop=0, mixup=0, modality_drop=0.8))
    image, text = hiding.strong(features)
    gone = [
        (one == full.mean(0)).all(-1) for one, full in zip((image, text), training, strict=True)
    ]
    assert not (gone[0] & gone[1]).any()
    assert all(0.2 < one.float().mean() < 0.6 for one in gone)
    noisy, training = views(SslSettings(weak_noise=0.5))
    moved = (noisy.weak(features)[0] - features[0]).std()
    assert moved == pytest.approx(0.5 * training[0].std(0).mean().item(), rel=0.15)
    dropped, _ = views(SslSettings(noise=0, drop=0.3, mixup=0, modality_drop=0))
    share = (dropped.strong(features)[0] != features[0]).float().mean()
    assert share == pytest.approx(0.3, abs=0.05)


def test_a_guess_is_without_dropout_and_leaves_the_mode(features):
    head = RawNCook([6, 4], 3, 8, 0.5, generators([0, 1]))
    head.train()
    torch.testing.assert_close(guess(head, features), guess(head, features))
    assert head.training
    assert not guess(head, features).requires_grad


def test_free_thresholds_follow_the_model_and_the_rare_side():
    head = Fixed([[[3.0, -3.0]] * 4])
    method = FreeMatch(head, views()[0], SslSettings(ema=0.5))
    p = 1 / (1 + math.exp(-3))
    method.learn(torch.sigmoid(head.logits))
    assert method.tau.item() == pytest.approx(0.5 * 0.5 + 0.5 * p, rel=1e-5)
    yes = 0.5 * 0.5 + 0.5 * p
    assert method.mean[0, 0].tolist() == pytest.approx([1 - yes, yes], rel=1e-5)
    needed = method.thresholds()[0]
    assert needed[0, 1].item() == pytest.approx(method.tau.item())
    assert needed[0, 0].item() == pytest.approx(method.tau.item() * (1 - yes) / yes, rel=1e-5)
    assert needed[1, 0] > needed[1, 1]  # the second label: no is frequent, yes needs less


def test_fairness_is_least_where_sides_are_as_expected():
    even = torch.full((1, 1, 2), 0.5)
    sure = torch.ones(1, 4, 1, dtype=bool)
    balanced = torch.tensor([[[0.9], [0.1], [0.8], [0.2]]])
    skewed = torch.tensor([[[0.6], [0.1], [0.6], [0.2]]])
    low, high = (fairness(even, p, sure).item() for p in (skewed, balanced))
    assert high == pytest.approx(math.log(0.5), rel=1e-3)  # equal sides: -cross-entropy of halves
    assert low < high
    assert fairness(even, balanced, ~sure).item() == 0
    torch.testing.assert_close(sides(torch.tensor([0.2])), torch.tensor([[0.8, 0.2]]))


def test_the_teacher_follows_and_the_loss_is_its_distance(features):
    head = RawNCook([6, 4], 3, 8, 0.0, generators([0, 1]))
    own = SslSettings(weak_noise=0, teacher_ema=0.5, teacher_weight=2.0, warm_up=0.0)
    method = MeanTeacher(head, views(own)[0], own)
    assert method.loss(features, 0.0).abs().max() == 0
    old = head.output.weight.detach().clone()
    with torch.no_grad():
        head.output.weight.add_(1.0)
    found = method.loss(features, 0.0)
    torch.testing.assert_close(method.teacher.output.weight, old + 0.5)
    gap = torch.sigmoid(head(features)) - torch.sigmoid(method.teacher(features))
    torch.testing.assert_close(found, 2 * gap.square().mean((-2, -1)))


def test_labels_spread_along_edges_as_the_closed_form_says():
    edges = np.zeros((5, 5))
    for a, b in ((0, 1), (1, 2), (3, 4)):
        edges[a, b] = edges[b, a] = 1.0
    seeds = np.zeros((5, 1))
    seeds[0] = 1
    found = spread(sparse.csr_array(edges), seeds, 0.5)
    root = np.diag(edges.sum(1) ** -0.5)
    exact = 0.5 * np.linalg.solve(np.eye(5) - 0.5 * root @ edges @ root, seeds)
    np.testing.assert_allclose(found, exact, atol=1e-9)
    assert (found[:3] > 0).all()
    assert (found[3:] == 0).all()


def test_neighbours_are_the_nearest():
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((30, 4))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    place, cosine = neighbours(unit, unit, 3)
    assert (place[:, 0] == np.arange(30)).all()
    np.testing.assert_allclose(cosine, np.sort(unit @ unit.T, axis=1)[:, ::-1][:, :3])
