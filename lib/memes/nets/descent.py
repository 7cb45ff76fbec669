"""The training loop of every meme head and auto-encoder: tensors in memory, no DataLoader.

Features are small (768 numbers a modality), so a DataLoader's bookkeeping costs more than the
mathematics: rows are drawn by index, Adam is fused, and the seeds of a head train side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.memes.nets.stacking import generators, orders


@dataclass(frozen=True)
class Descent:
    """Settings of one run; the defaults are RAW-N-COOK's as released (arXiv 2304.00020)."""

    epochs: int = 50  # the last one counts: no choice on validation, as released
    batch: int = 40  # rows; the last batch of an epoch may be smaller
    lr: float = 1e-4  # Adam
    weight_decay: float = 0.0  # added to the gradient
    step_gamma: float = 0.85  # factor on the learning rate after each epoch (not focal's gamma)
    seed: int = 42  # of initial weights, order of rows and dropout

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key in ("epochs", "batch"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        if self.lr <= 0:
            raise ValueError(f"lr: must be positive, got {self.lr}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay: must be 0 or more, got {self.weight_decay}")
        if not 0 < self.step_gamma <= 1:
            raise ValueError(f"step_gamma: must be in (0, 1], got {self.step_gamma}")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's generator seeded anew, and put the old state back afterwards."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def descend(
    module: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    rows: int,
    settings: Descent,
    draws: Sequence[torch.Generator] = (),
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[list[float]]:
    """Train `module` in place on rows 0..rows-1; return the K mean losses of each epoch.

    K models are trained at once, one a generator of `draws` (lib.memes.nets.stacking; without
    any, one model and the seed of `settings`). `loss_of` maps the row numbers (K, b) of a batch to
    losses (K,), each a mean over its batch. The module is in training mode during an epoch and in
    evaluation mode at `after_epoch` and at the end. Same seed, machine and inputs: the same
    weights. Raises ValueError without rows, or when a loss stops being finite.
    """
    settings.validate()
    if rows < 1:
        raise ValueError("rows: there is nothing to train on")
    parameters = [p for p in module.parameters() if p.requires_grad]
    draws = draws or generators([settings.seed], parameters[0].device)
    decay = settings.weight_decay
    optimizer = torch.optim.Adam(parameters, lr=settings.lr, weight_decay=decay, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.step_gamma)
    history = []
    for epoch in range(settings.epochs):
        module.train()
        total = torch.zeros(len(draws), device=parameters[0].device)
        for batch in orders(draws, rows).split(settings.batch, dim=1):
            optimizer.zero_grad(set_to_none=True)
            losses = loss_of(batch)
            losses.sum().backward()  # a model's gradient comes from its own loss alone
            optimizer.step()
            total += losses.detach() * batch.shape[1]
        schedule.step()
        if not torch.isfinite(total).all():
            bad = total[~torch.isfinite(total)][0].item()
            raise ValueError(f"epoch {epoch + 1}: the loss is {bad}; lower lr?")
        history.append((total / rows).tolist())
        module.eval()
        after_epoch(epoch)
    return history
