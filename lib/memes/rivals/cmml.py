"""CMML: comprehensive semi-supervised multi-modal learning (Yang et al., IJCAI 2019).

    p_k = sigmoid(W_k h_k)                each modality by itself, k = picture, text
    a = softmax_k g(h_k),  h = sum_k a_k h_k,  p = sigmoid(W h)
    labelled:    BCE(p_img) + BCE(p_txt) + 2 BCE(p)  +  lambda_1 mean cos(p_img, p_txt)
    unlabelled:  lambda_2 mean Huber_delta(2 - cos(p_img, p_txt))

The second term of labelled rows (divergence) rewards modalities that differ, the term of unlabelled
rows (robust consistency) those that agree. As 0 < cos <= 1 and delta is 1.003, the Huber loss is
almost always linear.

Decisions: as the authors of SemiMemes ran it: divergence off (their `use_div`; the system
`cmml_clip_divergence` has the reference's .01), consistency 1, h one linear layer of 256 units, a
batch of which int(ratio * 40) rows are labelled, no choice of an epoch. They lower the learning
rate every 200 steps, which is an epoch of MAMI; here every epoch. The reference leaves the fused
predictor out of its optimiser; here it trains. CMML-ORIGIN reads frozen features of a CNN instead
of tuning a ResNet-18, and a binary bag of words through 384 units; the released scripts of that
name would run CLIP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.memes.draws import Draw
from lib.memes.nets.descent import descend
from lib.memes.nets.losses import bce
from lib.memes.nets.stacking import (
    StackedLinear,
    Stream,
    generators,
    parameters_of_one,
    probabilities,
)
from lib.memes.systems.cooking import blocks
from lib.memes.systems.inputs import Fitted, Inputs, device, fitted, judge_each
from lib.memes.systems.registry import System
from lib.memes.systems.settings import CmmlSettings, Settings

WORDS = "words"  # the bag of words; it gets a layer more than other features


class Cmml(nn.Module):
    """Picture and text features, (n, d_k) or (K, n, d_k) -> logits (K, n, C) of K models."""

    def __init__(
        self, widths: Sequence[int], outputs: int, settings: CmmlSettings,
        draws: Sequence[torch.Generator], words: bool = False,
    ):  # fmt: skip
        """Random weights; `words`: the text is a bag of words."""
        super().__init__()
        hidden = settings.hidden
        self.image = StackedLinear(draws, widths[0], hidden)
        self.words = StackedLinear(draws, widths[1], settings.words_hidden) if words else None
        self.text = StackedLinear(draws, settings.words_hidden if words else widths[1], hidden)
        self.attention = nn.ModuleList(
            StackedLinear(draws, *sizes) for sizes in ((hidden, 64), (64, 32), (32, 1))
        )
        self.of_image = StackedLinear(draws, hidden, outputs)
        self.of_text = StackedLinear(draws, hidden, outputs)
        self.of_both = StackedLinear(draws, hidden, outputs)

    def encode(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return h of picture and text, (K, n, hidden)."""
        image, text = features
        if self.words is not None:
            text = torch.relu(self.words(text))
        return self.image(image), self.text(text)

    def weigh(self, hidden: Sequence[Tensor]) -> Tensor:
        """Return the attention (K, n, 2) that an instance pays to picture and text."""
        first, second, last = self.attention
        both = torch.cat(list(hidden), dim=1)  # the same net judges both
        image, text = last(torch.relu(second(torch.relu(first(both))))).chunk(2, dim=1)
        return torch.softmax(torch.cat([image, text], dim=-1), dim=-1)

    def alone(self, hidden: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the logits of picture and of text, (K, n, C) each."""
        return self.of_image(hidden[0]), self.of_text(hidden[1])

    def fuse(self, hidden: Sequence[Tensor]) -> Tensor:
        """Return the logits of both, (K, n, C)."""
        weight = self.weigh(hidden)
        return self.of_both(weight[..., :1] * hidden[0] + weight[..., 1:] * hidden[1])

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the logits that count: those of both modalities."""
        return self.fuse(self.encode(features))


def agreement(image: Tensor, text: Tensor) -> Tensor:
    """Cosine of the probabilities that picture's and text's logits (K, n, C) give, (K, n)."""
    return F.cosine_similarity(torch.sigmoid(image), torch.sigmoid(text), dim=-1)


def robust(distance: Tensor, delta: float) -> Tensor:
    """Huber loss: d^2/2 below delta, delta (|d| - delta/2) above."""
    return F.huber_loss(distance, torch.zeros_like(distance), reduction="none", delta=delta)


def loss_of(
    model: Cmml, features: Sequence[Tensor], targets: Tensor, divergence: float, own: CmmlSettings
) -> Tensor:
    """Return the loss (K,) of a batch whose first rows are labelled, by targets (K, b, C).

    The rows after them, of features (K, b + u, d_k), are unlabelled.
    """
    rows = targets.shape[1]
    hidden = model.encode(features)
    image, text = model.alone(hidden)
    both = model.fuse([one[:, :rows] for one in hidden])
    loss = bce(image[:, :rows], targets) + bce(text[:, :rows], targets) + 2 * bce(both, targets)
    alike = agreement(image, text)
    if divergence:
        loss = loss + divergence * alike[:, :rows].mean(-1)
    return loss + own.consistency * robust(2 - alike[:, rows:], own.delta).mean(-1)


def fit_seeds(
    system: System, inputs: Inputs, draw: Draw, seeds: Sequence[int], settings: Settings
) -> list[Fitted]:
    """Train CMML with each seed; see lib.memes.systems.fit_seeds."""
    own = settings.cmml
    own.validate()
    features = blocks(system.features, inputs, draw, settings)
    labelled, rest = ([one[rows] for one in features] for rows in draw)
    targets, held = inputs.known(draw, system.outputs), [one[inputs.validation] for one in features]
    draws = generators(seeds, device())
    model = Cmml(
        [one.shape[1] for one in features], system.outputs, own, draws, WORDS in system.features
    )
    share = len(draw.labelled) / (len(draw.labelled) + len(draw.unlabelled))
    batch = max(1, int(share * own.batch))
    stream = Stream(draws, len(draw.unlabelled), own.batch - batch)

    def batch_loss(rows: Tensor) -> Tensor:
        others = next(stream)
        joined = [
            torch.cat([x[rows], y[others]], dim=1) for x, y in zip(labelled, rest, strict=True)
        ]
        return loss_of(model, joined, targets[rows], system.divergence, own)

    judged: list[list[dict[str, float]]] = []
    losses = descend(
        model, batch_loss, len(targets), replace(own, batch=batch, step_gamma=settings.gamma(draw)),
        draws, lambda epoch: judged.append(judge_each(inputs, probabilities(model, held))),
    )  # fmt: skip
    return fitted(probabilities(model, features), losses, judged, parameters_of_one(model))
