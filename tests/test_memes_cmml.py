"""CMML: each term by hand, and what each teaches."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.memes.nets.stacking import generators
from lib.memes.rivals.cmml import Cmml, agreement, loss_of, robust
from lib.memes.systems.settings import CmmlSettings

OWN = CmmlSettings(hidden=6, words_hidden=5)


@pytest.fixture
def model():
    return Cmml([4, 3], 2, OWN, generators([0, 1]))


@pytest.fixture
def batch():
    torch.manual_seed(0)
    targets = torch.tensor([[1.0, 0], [0, 1]]).repeat(2, 1, 1)
    return [torch.randn(2, 5, 4), torch.randn(2, 5, 3)], targets


def entropy(logit: float, target: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -math.log(p if target else 1 - p)


def test_robust_consistency_by_hand():
    found = robust(torch.tensor([1.0, 1.5]), 1.003)
    assert found.tolist() == pytest.approx([0.5, 1.003 * (1.5 - 1.003 / 2)])


def test_agreement_is_the_cosine_of_probabilities():
    image, text = torch.tensor([[[0.0, 2.0]]]), torch.tensor([[[1.0, -1.0]]])
    p, q = 1 / (1 + np.exp(-image.numpy()[0, 0])), 1 / (1 + np.exp(-text.numpy()[0, 0]))
    expected = p @ q / np.linalg.norm(p) / np.linalg.norm(q)
    assert agreement(image, text).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("divergence", [0.0, 0.01])
def test_the_loss_by_hand(model, batch, divergence):
    features, targets = batch
    found = loss_of(model, features, targets, divergence, OWN)
    hidden = model.encode(features)
    image, text = (one.tolist() for one in model.alone(hidden))
    both = model.fuse(hidden).tolist()
    alike = agreement(*model.alone(hidden))
    for k in range(2):
        total = 0.0
        for row in range(2):
            for c in range(2):
                y = targets[k, row, c].item()
                one = entropy(image[k][row][c], y) + entropy(text[k][row][c], y)
                total += (one + 2 * entropy(both[k][row][c], y)) / 4
        total += divergence * alike[k, :2].mean().item()
        total += robust(2 - alike[k, 2:], OWN.delta).mean().item()
        assert found[k].item() == pytest.approx(total, rel=1e-5)


def test_attention_weighs_both_modalities_and_is_shared(model, batch):
    features, _ = batch
    hidden = model.encode(features)
    weight = model.weigh(hidden)
    torch.testing.assert_close(weight.sum(-1), torch.ones(2, 5))
    torch.testing.assert_close(model.weigh(hidden[::-1]), weight.flip(-1))
    mixed = weight[..., :1] * hidden[0] + weight[..., 1:] * hidden[1]
    torch.testing.assert_close(model(features), model.of_both(mixed))


def test_unlabelled_rows_pull_the_modalities_together(batch):
    features, targets = batch
    found = []
    for weight in (0.0, 1.0):
        model = Cmml([4, 3], 2, OWN, generators([0, 1]))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(40):
            optimizer.zero_grad()
            loss_of(
                model, features, targets, 0.0, replace(OWN, consistency=weight)
            ).sum().backward()
            optimizer.step()
        found.append(agreement(*model.alone(model.encode(features)))[:, 2:].mean().item())
    assert found[1] > found[0] + 0.02


def test_a_bag_of_words_has_a_layer_more():
    plain, words = (Cmml([4, 30], 2, OWN, generators([0]), flag) for flag in (False, True))
    count = [sum(p.numel() for p in m.parameters()) for m in (plain, words)]
    assert count[1] - count[0] == (30 * 5 + 5) + (5 * 6) - (30 * 6)
    features = [torch.randn(3, 4), torch.ones(3, 30)]
    assert words(features).shape == (1, 3, 2)
    before = words(features)
    with torch.no_grad():
        words.words.bias.sub_(100)  # ReLU: nothing passes any more
    assert not torch.allclose(words(features), before)
    torch.testing.assert_close(words(features), words([features[0], torch.zeros(3, 30)]))
