"""RAW-N-COOK: raw and cooked features, a branch each, joined into one linear layer of logits.

    h_k = Dropout(ReLU(W_k F_k + b_k)),  F = [F_img, F_txt, Z_img, Z_txt]
    logits = W [h_1, ..., h_4] + b                                 (arXiv 2304.00020, its code)

Any list of features makes a head: without the cooked two it is the paper's ablation "w/o CROM-AE".
Decisions: four outputs, the types, as released; a fifth (misogynous, in front) makes task A
measurable. Branches of 256 with ReLU and dropout .2 are the released code's; the paper names none.
The step gamma goes with the share of labels (STEP_GAMMA); the last epoch counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.memes.nets.descent import Descent, descend
from lib.memes.nets.stacking import StackedDropout, StackedLinear, generators

Loss = Callable[[Tensor, Tensor], Tensor]
STEP_GAMMA = {0.3: 0.85, 0.1: 0.90, 0.05: 0.93}  # share of labels -> step_gamma, as released


@dataclass(frozen=True)
class HeadSettings(Descent):
    """Section of the heads; the defaults are the released ones at 30 % labels."""

    hidden: int = 256  # units of a branch
    dropout: float = 0.2  # share of a branch's units

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        super().validate()
        if self.hidden < 1:
            raise ValueError(f"hidden: must be at least 1, got {self.hidden}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: must be in [0, 1), got {self.dropout}")


class RawNCook(nn.Module):
    """Features, (n, d_k) or (K, n, d_k) each -> logits (K, n, outputs) of K heads, one a seed."""

    def __init__(
        self, widths: Sequence[int] = (768,) * 4, outputs: int = 4, hidden: int = 256,
        dropout: float = 0.2, draws: Sequence[torch.Generator] = (),
    ):  # fmt: skip
        """Random weights, PyTorch's default; 791,556 of them a head at the defaults."""
        super().__init__()
        draws = draws or generators([HeadSettings.seed])
        self.branches = nn.ModuleList(StackedLinear(draws, width, hidden) for width in widths)
        self.dropout = StackedDropout(draws, dropout)
        self.output = StackedLinear(draws, hidden * len(widths), outputs)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the logits; features stand in the order of `widths`."""
        joined = [branch(one) for branch, one in zip(self.branches, features, strict=True)]
        return self.output(self.dropout(torch.relu(torch.cat(joined, dim=-1))))


def fit_head(
    features: Sequence[Tensor],
    targets: Tensor,
    loss: Loss,
    settings: HeadSettings = HeadSettings(),
    seeds: Sequence[int] = (),
    after_epoch: Callable[[int, RawNCook], None] = lambda epoch, head: None,
) -> tuple[RawNCook, list[list[float]]]:
    """Train a head a seed on labelled rows; return them and the mean losses of each epoch.

    `features`: (n, d_k) float32 each; `targets` (n, outputs) of 0 and 1; `loss` from
    lib.memes.nets.losses; without `seeds`, that of the settings. Raises ValueError for rows that
    do not match or a target that is not 0 or 1.
    """
    settings.validate()
    for place, one in enumerate(features):
        if len(one) != len(targets):
            raise ValueError(f"features[{place}]: {len(one)} rows, but {len(targets)} targets")
    if not ((targets == 0) | (targets == 1)).all():
        raise ValueError("targets: must be 0 or 1; rows without labels cannot train a head")
    widths, wanted = [one.shape[1] for one in features], targets.float()
    draws = generators(seeds or [settings.seed], targets.device)
    head = RawNCook(widths, targets.shape[1], settings.hidden, settings.dropout, draws)
    history = descend(
        head,
        lambda rows: loss(head([one[rows] for one in features]), wanted[rows]),
        len(targets),
        settings,
        draws,
        lambda epoch: after_epoch(epoch, head),
    )
    return head, history
