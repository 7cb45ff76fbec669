"""Multi-label losses: logits and targets (n, C), of 0 and 1 -> the mean over all entries.

Tensors (K, n, C) of K models give K means.

Distribution-balanced loss (Wu et al., ECCV 2020, arXiv 2007.09654), with n_c the positives of
class c among the N labelled rows:
    r_ic = (1/n_c) / sum_{j: y_ij=1} 1/n_j         re-balancing; any class of a row, given or not
    r^   = alpha + sigmoid(beta (r - mu))
    b_c  = -log(N/n_c - 1),  u = z + kappa b_c / lambda     the class's bias
    y=1: r^ log(1 + exp(-u))        y=0: r^/lambda log(1 + exp(lambda u))
and with focal, times (1-p)^focal_gamma of the branch's own probability p of the truth, times 2.

Decisions: a row without any positive, half of MAMI, has no r; its weight is alpha + 1 by a branch
of its own (the released code divides by zero and gets the same from infinity). The bias is divided
by lambda, as released. A class without positives counts as one with a single one, and one without
negatives as one with a single one. Counts are those of the labelled rows only. DB_PAPER (its
COCO-MLT values, focal) is what the paper claims; NTR_RELEASED is what its code ran: constructor
defaults, focal off, so that r^ lies within 5 % and a negative-tolerant cross-entropy is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
FOCAL_GAMMA = 2.0  # exponent of both focal losses
BALANCE = 2.0  # factor of the focal form in the released code


@dataclass(frozen=True)
class Balance:
    """Parameters of the distribution-balanced loss; the defaults are those of its paper."""

    alpha: float = 0.1  # least weight of an entry
    beta: float = 10.0  # steepness of the weight in r
    mu: float = 0.2  # the r at which it is steepest
    scale: float = 2.0  # lambda: how tolerant it is of confident negatives
    kappa: float = 0.05  # share of the class's bias
    focal: bool = True
    focal_gamma: float = FOCAL_GAMMA

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key in ("alpha", "kappa", "focal_gamma"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}: must be 0 or more, got {getattr(self, key)}")
        if self.scale <= 0:
            raise ValueError(f"scale: must be positive, got {self.scale}")


DB_PAPER = Balance()
NTR_RELEASED = Balance(alpha=10.0, beta=0.2, mu=0.1, scale=5.0, kappa=0.1, focal=False)


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy."""
    return _entropy(logits, targets).mean((-2, -1))


def focal(logits: Tensor, targets: Tensor, focal_gamma: float = FOCAL_GAMMA) -> Tensor:
    """(1 - p)^gamma times cross-entropy, p that of the truth (Lin et al. 2017, eq. 4)."""
    loss = _entropy(logits, targets)
    return ((1 - torch.exp(-loss)) ** focal_gamma * loss).mean((-2, -1))


def class_balanced(counts: Tensor, beta: float = 0.999) -> Loss:
    """Cross-entropy with a weight a class, (1-beta)/(1-beta^n_c) (Cui et al. 2019, eq. 4).

    The weights are scaled to a mean of 1 over the classes.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta: must be in [0, 1), got {beta}")
    weights = (1 - beta) / (1 - beta ** counts.double().clamp(min=1))
    weights = (weights / weights.mean()).float()
    return lambda logits, targets: (weights * _entropy(logits, targets)).mean((-2, -1))


def rebalance(targets: Tensor, counts: Tensor, settings: Balance) -> Tensor:
    """Return the weights r^, (n, C) or (K, n, C), of rows with these targets."""
    inverse = 1 / counts.to(targets.dtype).clamp(min=1)
    whole = targets @ inverse
    some = (whole > 0)[..., None]
    share = inverse / torch.where(some, whole[..., None], 1)
    weight = settings.alpha + torch.sigmoid(settings.beta * (share - settings.mu))
    return torch.where(some, weight, settings.alpha + 1)


def class_bias(counts: Tensor, rows: int, settings: Balance) -> Tensor:
    """Return kappa b_c / lambda (C,), what is added to the logits; negative for rare classes."""
    if rows < 2 or (counts > rows).any():
        raise ValueError(f"counts: {counts.tolist()} positives do not fit into {rows} rows")
    prior = rows / counts.double().clamp(1, rows - 1) - 1
    return (-torch.log(prior) * settings.kappa / settings.scale).float()


def distribution_balanced(counts: Tensor, rows: int, settings: Balance = DB_PAPER) -> Loss:
    """Return the loss for labelled rows with `counts` (C,) positives among `rows`."""
    settings.validate()
    bias = class_bias(counts, rows, settings)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        weight = rebalance(targets, counts, settings)
        shifted = logits + bias
        scale = torch.where(targets > 0, 1.0, settings.scale)
        entropy = _entropy(shifted * scale, targets)
        out = weight / scale * entropy
        if settings.focal:
            out = BALANCE * (1 - torch.exp(-entropy)) ** settings.focal_gamma * out
        return out.mean((-2, -1))

    return loss


def make_loss(name: str, targets: Tensor, focal_gamma: float | None = None) -> Loss:
    """Return a loss by name, fitted to the labelled targets (N, C).

    Names: bce, focal, class_balanced, db_focal_paper, ntr_bce_released; ValueError for others.
    `focal_gamma` replaces the exponent, 2, of the two focal ones; ValueError where there is none.
    """
    counts, rows = targets.sum(0).float(), len(targets)
    if focal_gamma is not None and name not in ("focal", "db_focal_paper"):
        raise ValueError(f"focal_gamma: the loss {name} has none")
    power = FOCAL_GAMMA if focal_gamma is None else focal_gamma
    makers: dict[str, Callable[[], Loss]] = {
        "bce": lambda: bce,
        "focal": lambda: partial(focal, focal_gamma=power),
        "class_balanced": lambda: class_balanced(counts),
        "db_focal_paper": lambda: distribution_balanced(
            counts, rows, replace(DB_PAPER, focal_gamma=power)
        ),
        "ntr_bce_released": lambda: distribution_balanced(counts, rows, NTR_RELEASED),
    }
    if name not in makers:
        raise ValueError(f"loss: must be one of {', '.join(makers)}, got {name!r}")
    return makers[name]()


def _entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each entry."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
