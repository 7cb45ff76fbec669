"""Ext-PIE-Net (Sharma et al., AACL 2022, arXiv 2209.14667) as the authors of SemiMemes ran it.

    PIENet (picture, text)  r = sum_i a_i x_i, a = softmax(w2 tanh(W1 x)) over cells or words
                            u = W LayerNorm(g + sigmoid(V r)),  g: mean cell, or the text's state
    FusionNet               f = sum over (u_img, u_txt) of LayerNorm(x + attention(x)), 2 heads
    self-supervision        .2 H(f, u_img) + .2 H(f, u_txt) + .6 NT-Xent(f of view 1, f of view 2)
                            H = .7 hinge(f -> u) + .3 hinge(u -> f), on cosines, over the batch
    probe                   logits = MLP(tanh(W f)) on frozen f: 512, 512, 256, C, tanh between

Decisions: the trunks (ResNet-18, DistilBERT) stay frozen, heads and fusion learn by
self-supervision from all training memes, labels unused, once a seed for all shares of labels. A
view is a random window of the picture's cells and a text with some words left out: with frozen
trunks a crop of the picture is a window of its cells. The published code's own views and probe's
number of epochs are not known.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from lib.memes.draws import Draw
from lib.memes.nets.descent import seeded
from lib.memes.rivals.descent import Course, needed, outputs, size, taken, train
from lib.memes.rivals.settings import ExtPieNetSettings
from lib.memes.systems.inputs import Fitted, Inputs, device, history_of
from lib.memes.systems.registry import System
from lib.memes.systems.settings import Settings

BATCH = 256  # rows of a pass without gradients


class PIENet(nn.Module):
    """One modality: its parts (n, k, d), their mask (n, k) and their whole (n, d) -> (n, width)."""

    def __init__(self, d: int, attention: int, width: int):
        """Random weights, PyTorch's default."""
        super().__init__()
        self.first = nn.Linear(d, attention, bias=False)
        self.second = nn.Linear(attention, 1, bias=False)
        self.residual = nn.Linear(d, d)
        self.norm = nn.LayerNorm(d)
        self.project = nn.Linear(d, width)

    def forward(self, whole: Tensor, parts: Tensor, mask: Tensor) -> Tensor:
        """Return the embedding of a picture or a text; `whole` (n, d)."""
        weight = self.second(torch.tanh(self.first(parts)))[:, :, 0]
        weight = weight.masked_fill(~mask, torch.finfo(weight.dtype).min).softmax(1)
        pooled = torch.einsum("nk,nkd->nd", weight, parts)
        return self.project(self.norm(whole + torch.sigmoid(self.residual(pooled))))


class ExtPieNet(nn.Module):
    """Cells (n, G, c), token states (n, t, w) and masks -> fused, picture, text (n, width)."""

    def __init__(self, cells: int, states: int, settings: ExtPieNetSettings):
        """Random weights, PyTorch's default."""
        super().__init__()
        self.image = PIENet(cells, settings.attention, settings.width)
        self.text = PIENet(states, settings.attention, settings.width)
        self.attention = nn.MultiheadAttention(settings.width, settings.heads, batch_first=True)
        self.norm = nn.LayerNorm(settings.width)

    def forward(
        self, cells: Tensor, seen: Tensor, states: Tensor, read: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return (f, u_img, u_txt); masks `seen` (n, G) and `read` (n, t) are boolean."""
        mean = (cells * seen[:, :, None]).sum(1) / seen.sum(1, keepdim=True).clamp(min=1)
        image = self.image(mean, cells, seen)
        text = self.text(states[:, 0], states, read)
        both = torch.stack([image, text], dim=1)
        attended = self.attention(both, both, both, need_weights=False)[0]
        return self.norm(both + attended).sum(1), image, text


class Probe(nn.Sequential):
    """Frozen fused features (n, width) -> logits (n, outputs)."""

    def __init__(self, width: int, outputs: int):
        """Random weights, PyTorch's default."""
        super().__init__(
            nn.Linear(width, width), nn.Tanh(),
            nn.Linear(width, width), nn.Tanh(),
            nn.Linear(width, width // 2), nn.Tanh(),
            nn.Linear(width // 2, outputs),
        )  # fmt: skip


def fit(system: System, inputs: Inputs, draw: Draw, seed: int, settings: Settings) -> Fitted:
    """Pre-train once a seed, then a probe on the labelled rows; see lib.memes.systems.fit_seeds."""
    own = settings.rivals.ext_pie_net
    key = "ext_pie_net", seed
    if key not in inputs.memo:
        inputs.memo[key] = pretrained(inputs, own, seed)
    features, trained = inputs.memo[key]
    targets = torch.zeros(len(features), system.outputs, device=device())
    targets[draw.labelled] = inputs.known(draw, system.outputs)
    with seeded(seed):
        probe = Probe(own.width, system.outputs).to(device())

    def one_cycle(optimizer: Optimizer, steps: int) -> LRScheduler:
        return OneCycleLR(optimizer, own.lr, own.epochs * steps)

    def scores(rows: np.ndarray) -> np.ndarray:
        return outputs(probe, lambda part: torch.sigmoid(probe(features[part])), rows, BATCH)

    judged: list[dict[str, float]] = []
    losses = train(
        probe,
        lambda rows: F.binary_cross_entropy_with_logits(probe(features[rows]), targets[rows]),
        draw.labelled,
        Course(own.epochs, own.batch, own.lr, seed, schedule=one_cycle),
        lambda epoch: judged.append(inputs.judge(scores(inputs.validation))),
    )
    rows = np.arange(len(features))
    return Fitted(scores(rows), history_of(losses, judged), trained + size(probe))


def pretrained(inputs: Inputs, own: ExtPieNetSettings, seed: int) -> tuple[Tensor, int]:
    """Return the fused features (N, width) after self-supervision, and the trained parameters."""
    cells, states, lengths = needed(inputs.extra, "cells", "states", "lengths")
    with seeded(seed):
        model = ExtPieNet(cells.shape[2], states.shape[2], own).to(device())

    def batch(rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        there = taken(states, rows, device())
        ends = taken(lengths, rows, device())
        read = torch.arange(there.shape[1], device=device()) < ends[:, None]
        picture = taken(cells, rows, device())
        return (
            picture,
            torch.ones(picture.shape[:2], dtype=torch.bool, device=device()),
            there,
            read,
        )

    def loss_of(rows: np.ndarray) -> Tensor:
        picture, _, text, read = batch(rows)
        views = [
            model(picture, windows(len(rows), picture.shape[1], own.view_cells).to(device()), text,
                  left_out(read, own.view_words))
            for _ in range(2)
        ]  # fmt: skip
        return self_supervised(*views, own)

    course = Course(own.pretrain_epochs, own.pretrain_batch, own.pretrain_lr, seed)
    train(model, loss_of, inputs.rows("train"), course)
    rows = np.arange(len(inputs.split))
    made = outputs(model, lambda part: model(*batch(part))[0], rows, BATCH)
    return torch.from_numpy(made).to(device()), size(model)


def windows(rows: int, cells: int, least: float) -> Tensor:
    """Return masks (rows, cells): a random rectangle of a square grid, sides >= `least` of its."""
    side = round(cells**0.5)
    if side * side != cells:
        raise ValueError(f"cells: {cells} are no square grid")
    low = min(side, max(1, round(least * side)))
    extent = torch.randint(low, side + 1, (rows, 2))
    start = (torch.rand(rows, 2) * (side - extent + 1)).long()
    at = torch.arange(side)
    inside = (at >= start[:, :, None]) & (at < (start + extent)[:, :, None])
    return (inside[:, 0, :, None] & inside[:, 1, None, :]).reshape(rows, cells)


def left_out(read: Tensor, share: float) -> Tensor:
    """Return the mask (n, t) of a text's tokens without some; the first, the text's, stays."""
    kept = torch.rand(read.shape).to(read.device) >= share
    kept[:, 0] = True
    return read & kept


def self_supervised(
    first: tuple[Tensor, Tensor, Tensor],
    second: tuple[Tensor, Tensor, Tensor],
    own: ExtPieNetSettings,
) -> Tensor:
    """Return the self-supervised loss of two views, each (f, u_img, u_txt)."""
    fused, image, text = first
    hinges = matching(fused, image, own) + matching(fused, text, own)
    views = nt_xent(fused, second[0], own.temperature)
    return own.fusion_weight * hinges + own.view_weight * views


def matching(fused: Tensor, other: Tensor, own: ExtPieNetSettings) -> Tensor:
    """Return the hinge loss between fusion and a modality, both ways."""
    cosines = F.normalize(fused, dim=1) @ F.normalize(other, dim=1).T
    there, back = hinge(cosines, own.margin), hinge(cosines.T, own.margin)
    return own.direction * there + (1 - own.direction) * back


def hinge(cosines: Tensor, margin: float) -> Tensor:
    """Return mean over rows and wrong columns of max(0, margin - right + wrong); cosines (n, n)."""
    cost = (margin - cosines.diagonal()[:, None] + cosines).clamp(min=0)
    rows = len(cosines)
    return (cost.sum() - cost.diagonal().sum()) / (rows * (rows - 1))


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return SimCLR's loss (Chen et al. 2020, eq. 1): rows i of both views are positives."""
    both = F.normalize(torch.cat([first, second]), dim=1)
    logits = both @ both.T / temperature
    logits.fill_diagonal_(-torch.inf)
    rows = len(first)
    return F.cross_entropy(logits, torch.arange(2 * rows, device=logits.device).roll(rows))
